// The handbook's disaster: auth/ and certs/ are lost, a new registry stands under the old name. The cluster keeps its pull
// secret; only its certificate changes.
import { cp, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { parse } from 'yaml'
import type { E2EContext, Recorder } from '../helpers/suite.ts'
import { must } from '../mirror/scene.ts'
import { COMPONENTS, configure, HOST, makeRelease, makeSite, pushRelease, REPOSITORY } from './site.ts'

export async function checkDisaster(context: E2EContext, recorder: Recorder): Promise<void> {
  const { machine } = context
  const site = await makeSite(context)
  const release = await makeRelease()
  const registry = await site.makeRegistry(5000, 'installer', (url) => pushRelease(release, url))
  await registry.start()
  const node = await site.makeNode()
  const login = ['--user', 'installer', '--password-file', registry.passwordFile]
  await configure(site, machine, node, registry, ['--runtime', 'podman', ...login])
  const pull = async (index: number): Promise<void> => {
    const image = `${COMPONENTS}@${release.components[index]?.digest}`
    await machine.run('podman', ['pull', '-q', image], { env: node.podman, prefix: node.prefix, timeout: 60_000 })
  }

  // What the cluster knows, as `oc get` prints it.
  const folder = await machine.scratch('cluster')
  const [secret, configMap, repair] = [join(folder, 'secret.json'), join(folder, 'cm.yaml'), join(folder, 'repair')]
  const config = ['--config', registry.config]
  const made = await site.tarn(['cluster', 'pull-secret', registry.name, ...config, ...login])
  const data = { '.dockerconfigjson': Buffer.from(made.stdout).toString('base64') }
  await writeFile(secret, JSON.stringify({ apiVersion: 'v1', kind: 'Secret', metadata: { name: 'pull-secret' }, data }))
  await writeFile(
    configMap,
    (await site.tarn(['cluster', 'ca', registry.name, ...config, '--name', 'davidwei-crt'])).stdout,
  )
  const known = ['--pull-secret', secret, '--existing', configMap]
  const doctor = (codes: readonly number[], ca = join(registry.home, 'certs', 'ca.crt')) =>
    site.tarn(['cluster', 'doctor', registry.name, ...known, ...config, '--ca', ca], { prefix: node.prefix, codes })

  await recorder.check(
    'before: podman pulls with the pull secret and the certificate, and the doctor finds nothing',
    async () => {
      await pull(0)
      const { text } = await doctor([0])
      must(/^ok +release .*all 4 components of 4\.14\.1 can be pulled/m.test(text), text)
    },
  )

  await registry.stop()
  const old = join(folder, 'old-ca.crt')
  await cp(join(registry.home, 'certs', 'ca.crt'), old)
  for (const lost of ['auth', 'certs']) await rm(join(registry.home, lost), { recursive: true })
  await site.init(registry.home, 'admin', 'another-secret')
  await registry.start()

  await recorder.check('after the loss: podman cannot pull, and the doctor says why', async () => {
    const failed = await pull(1).then(
      () => undefined,
      (error: Error) => error.message,
    )
    must(failed !== undefined && /x509|certificate/.test(failed), `podman: ${failed ?? 'pulled'}`)
    const byOld = (await doctor([4], old)).text
    must(/^FAILED +certificate chain/m.test(byOld), byOld)
    const { text } = await doctor([4])
    must(/^FAILED +cluster trust: the cluster trusts another certificate/m.test(text), text)
    must(/^FAILED +login: installer is not let in/m.test(text), text)
  })

  await recorder.check('tarn cluster repair lets the old login in and changes the certificate alone', async () => {
    const { text, stderr } = await site.tarn(['cluster', 'repair', registry.name, ...known, ...config, '--out', repair])
    must(text.includes('+ installer, with the password'), text)
    must(text.includes('= stays as it is: the registry takes its login'), text)
    const password = (await readFile(registry.passwordFile, 'utf8')).trim()
    const shown = [password, 'another-secret', Buffer.from(`installer:${password}`).toString('base64')]
    must(
      shown.every((each) => each !== '' && !`${text}${stderr}`.includes(each)),
      'a password was shown',
    )
    const object = parse(await readFile(join(repair, 'registry-cas.yaml'), 'utf8')) as {
      metadata: object
      data: Record<string, string>
    }
    must(JSON.stringify(object.metadata).includes('davidwei-crt'), JSON.stringify(object.metadata))
    // What the machine config operator does on every node.
    const ca = object.data[`${HOST}..5000`] ?? ''
    await writeFile(join(node.etc, 'containers', 'certs.d', registry.name, 'ca.crt'), ca)
    await writeFile(configMap, await readFile(join(repair, 'registry-cas.yaml'), 'utf8'))
  })

  await recorder.check('podman pulls with the old pull secret and the new certificate', async () => {
    await pull(2)
    const { text } = await doctor([0])
    must(!text.includes('FAILED'), text)
  })

  await recorder.check('lost images are told, with the directory that has them', async () => {
    const backup = join(folder, 'backup')
    await cp(join(registry.home, 'data'), backup, { recursive: true, filter: (path) => !path.endsWith('.sock') })
    const list = join(folder, 'in-use.txt')
    await writeFile(list, `quay.io/openshift-release-dev/ocp-release@${release.digest}\n`)
    const lost = release.components.at(-1)
    const hex = lost?.digest.slice(7) ?? ''
    await rm(join(registry.home, 'data/docker/registry/v2/blobs/sha256', hex.slice(0, 2), hex), { recursive: true })
    const args = ['cluster', 'repair', registry.name, ...config, '--in-use', list, '--from', backup]
    const { text } = await site.tarn(args, { codes: [4] })
    must(text.includes(`missing  ${COMPONENTS}@${lost?.digest}`), text)
    must(text.includes('(data directory): has 1 of 1 image'), text)
    must(text.includes(REPOSITORY) || text.includes('quay.io/'), text)
  })
  await registry.stop()
}
