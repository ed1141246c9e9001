// The real cosign judges what Tarn says of its signatures: it signs with a key, without a log and without the internet; Tarn
// takes what the key signed and refuses the rest; and cosign verifies what Tarn brought, in Tarn.
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { makeDockerRegistryProgram } from '../helpers/docker-registry.ts'
import type { E2EContext, Recorder } from '../helpers/suite.ts'
import { makeTarnProgram, startRegistry } from '../helpers/tarn.ts'
import { makeImage, makeLayer, pushImage } from '../mirror/images.ts'
import { openClient } from '../../helpers/client.ts'

const ROWS = {
  sign: 'cosign signs with a key: tarn sync takes that image, and nothing that this key did not sign',
  verify: 'cosign verifies in Tarn what a sync brought, and refuses another key',
} as const
const REPOSITORY = 'org/signed'
// Nobody is to be asked on the internet.
const SIGN = ['--tlog-upload=false', '--allow-insecure-registry', '--allow-http-registry', '--yes']
const VERIFY = ['--insecure-ignore-tlog=true', '--allow-insecure-registry', '--allow-http-registry']

interface SyncedImage {
  readonly tag: string
  readonly result: string
  readonly why?: string
}

export async function checkWithCosign(context: E2EContext, recorder: Recorder): Promise<void> {
  const { machine, checkout, node } = context
  // It is large: minutes of building, once.
  const cosign = await context.goTool('cosign').catch((error: Error) => error)
  if (cosign === undefined || cosign instanceof Error) {
    const why = cosign === undefined ? 'there is none here' : cosign.message
    for (const row of Object.values(ROWS)) recorder.skip(row, `cosign is built with Go: ${why}`)
    return
  }
  const upstream = await startRegistry(machine, makeDockerRegistryProgram())
  const home = await machine.scratch('cosign-home')
  const main = join(checkout, 'src', 'main.ts')
  const env = { COSIGN_PASSWORD: '', HOME: home }
  const run = (args: readonly string[], codes?: readonly number[]) =>
    machine.run(cosign, args, { env, cwd: home, ...(codes && { codes }) })
  for (const key of ['ours', 'theirs']) await run(['generate-key-pair', '--output-key-prefix', key])
  const client = openClient({ url: upstream.url })
  machine.onEnd(async () => client.close())
  for (const tag of ['ours', 'theirs', 'nobodys']) {
    const image = makeImage([makeLayer(`cosign ${tag}`, 2000)])
    await pushImage(client, REPOSITORY, image, tag)
    if (tag === 'nobodys') continue
    const name = `${upstream.address}/${REPOSITORY}@${image.manifest.digest}`
    await run(['sign', '--key', `${tag}.key`, ...SIGN, name])
  }
  await machine.run(node, [main, 'init', home, '--host', '127.0.0.1', '--user', 'alice', '--password-stdin'], {
    input: 'secret word\n',
  })
  const rule = { type: 'sigstoreSigned', keyPath: 'ours.pub', signedIdentity: { type: 'matchRepository' } }
  await writeFile(join(home, 'policy.json'), JSON.stringify({ default: [rule] }))
  const lines = [
    'version: 1',
    'defaults: {onlySigned: true, policy: policy.json}',
    `registries: {"${upstream.address}": {insecure: true, url: ["${upstream.url}"]}}`,
    `sync: [{from: "${upstream.address}/${REPOSITORY}", to: lab/signed, tags: [ours, theirs, nobodys]}]`,
  ]
  await writeFile(join(home, 's.yml'), `${lines.join('\n')}\n`)
  await recorder.check(ROWS.sign, async () => {
    const ran = await machine.run(node, [main, '--json', 'sync', 's.yml'], { cwd: home, codes: [3] })
    const { images } = JSON.parse(ran.text) as { images: SyncedImage[] }
    const said = Object.fromEntries(images.map(({ tag, result, why }) => [tag, `${result}: ${why ?? ''}`]))
    const isRight =
      said['ours']?.startsWith('copied') === true &&
      /^failed: .*no key of the policy made the signature/.test(said['theirs'] ?? '') &&
      /^failed: .*it is not signed/.test(said['nobodys'] ?? '')
    if (!isRight) throw new Error(JSON.stringify(said))
  })
  await recorder.check(ROWS.verify, async () => {
    const tarn = await startRegistry(machine, makeTarnProgram(checkout, node), { data: join(home, 'data') })
    const image = `${tarn.address}/lab/signed:ours`
    const verified = await run(['verify', '--key', 'ours.pub', ...VERIFY, image])
    const [claim] = JSON.parse(verified.text) as { critical?: { image?: Record<string, string> } }[]
    const digest = claim?.critical?.image?.['docker-manifest-digest']
    const head = await fetch(`${tarn.url}/v2/lab/signed/manifests/ours`, { method: 'HEAD' })
    if (digest === undefined || digest !== head.headers.get('docker-content-digest'))
      throw new Error(`cosign verified ${digest ?? 'nothing'}`)
    const refused = await run(['verify', '--key', 'theirs.pub', ...VERIFY, image], [1, 10, 11, 12])
    if (refused.code === 0) throw new Error('cosign took another key')
    await tarn.stop()
  })
  await upstream.stop()
}
