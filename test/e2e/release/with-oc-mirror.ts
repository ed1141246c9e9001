// oc-mirror v2 with Tarn as its target: straight from the registry, and from the archive that it wrote.
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { FixtureRelease } from '../../fixtures/release.ts'
import type { Recorder } from '../helpers/suite.ts'
import type { Scene } from './scene.ts'
import { requireWhole } from './scene.ts'

export async function tryOcMirror(
  scene: Scene,
  program: string,
  release: FixtureRelease,
  recorder: Recorder,
): Promise<void> {
  const { tarn, site, authFile, context } = scene
  const { machine } = context
  const home = await machine.scratch('oc-mirror')
  await mkdir(join(home, '.config', 'containers'), { recursive: true })
  await writeFile(
    join(home, '.config', 'containers', 'policy.json'),
    JSON.stringify({ default: [{ type: 'insecureAcceptAnything' }] }),
  )
  const set = join(home, 'isc.yaml')
  await writeFile(
    set,
    JSON.stringify({
      apiVersion: 'mirror.openshift.io/v2alpha1',
      kind: 'ImageSetConfiguration',
      mirror: { platform: { release: release.reference } },
    }),
  )
  const run = (args: readonly string[]) =>
    machine.run(
      program,
      [
        '--v2',
        '-c',
        set,
        '--authfile',
        authFile,
        '--src-tls-verify=false',
        '--dest-tls-verify=false',
        '-p',
        '56017',
        ...args,
      ],
      { env: { HOME: home, XDG_RUNTIME_DIR: home, OCP_SIGNATURE_URL: `${site.store}/` } },
    )
  const requireThere = (prefix: string): Promise<void> =>
    requireWhole(scene, `${prefix}/${release.releaseRepository}:${release.releaseTag}`)
  await recorder.check('oc-mirror: mirror to mirror', async () => {
    await run(['--workspace', `file://${join(home, 'workspace')}`, `docker://${tarn.address}/om`])
    await requireThere('om')
  })
  await recorder.check('oc-mirror: mirror to disk, disk to mirror', async () => {
    const archive = `file://${join(home, 'archive')}`
    // Here it asks only the upstream and its own cache, a registry of its own, which answers 500 now and then.
    await run([archive]).catch(() => run([archive]))
    await run(['--from', archive, `docker://${tarn.address}/omd`])
    await requireThere('omd')
  })
}
