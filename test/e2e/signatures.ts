// Signatures judged twice: by the real skopeo with its policy.json, and by Tarn with the same file. Images are signed by
// skopeo and gpg, and as cosign signs; whatever one of the two says, the other must say. Then a sync that takes only what
// is signed, a push to the real registry:2 behind a login, and the real cosign where Go is.
import { createHash } from 'node:crypto'
import { mkdir, readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Verifier } from '../../src/mirror/policy/verifier.ts'
import { parseDigest } from '../../src/oci/digest.ts'
import { parseRepositoryName } from '../../src/oci/name.ts'
import { parseReference } from '../../src/oci/reference.ts'
import { UpstreamClient } from '../../src/upstream/client.ts'
import { openFetcher } from '../../src/upstream/fetch-small.ts'
import type { Client } from '../helpers/client.ts'
import { openClient } from '../helpers/client.ts'
import { cosignPayload, makeSignatureImage, makeSigningKey, signPayload } from '../helpers/signing.ts'
import type { SigningKey } from '../helpers/signing.ts'
import { makeDockerRegistryProgram } from './helpers/docker-registry.ts'
import type { E2EContext, Recorder, Row } from './helpers/suite.ts'
import { makeRecorder } from './helpers/suite.ts'
import { startRegistry } from './helpers/tarn.ts'
import { makeImage, makeLayer, pushBlob, pushImage, putManifest, TYPES } from './mirror/images.ts'
import { checkPush } from './signatures/push.ts'
import { checkWithCosign } from './signatures/with-cosign.ts'

export const name = 'signatures'

const REPOSITORY = parseRepositoryName('org/app')
const digestOf = (bytes: Uint8Array): string => `sha256:${createHash('sha256').update(bytes).digest('hex')}`

/** A registry with signed and unsigned images, keys, and both judges. */
interface Court {
  readonly address: string
  readonly client: Client
  readonly folder: string
  readonly keys: { readonly gpg: string; readonly other: string; readonly cosign: SigningKey }
  /** What skopeo says and what Tarn says of the image by this reference: why not, or undefined. */
  judge(requirement: object, reference: string): Promise<{ skopeo: boolean; words: string; tarn: string | undefined }>
}

export async function run(context: E2EContext): Promise<Row[]> {
  const recorder = makeRecorder(name, context)
  const court = await openCourt(context)
  await checkTables(court, recorder)
  await checkSync(context, court, recorder)
  await checkPush(context, recorder)
  await checkWithCosign(context, recorder)
  return recorder.rows
}

async function openCourt({ machine }: E2EContext): Promise<Court> {
  const registry = await startRegistry(machine, makeDockerRegistryProgram())
  const folder = await machine.scratch('signatures')
  const { address } = registry
  const client = openClient({ url: registry.url })
  machine.onEnd(async () => client.close())
  const keys = { gpg: join(folder, 'one.asc'), other: join(folder, 'two.asc'), cosign: makeSigningKey() }
  // Short, since the agent's socket lies in it.
  const gnupg = await machine.scratch('gpg')
  const env = { GNUPGHOME: gnupg }
  const gpg = (...args: string[]) => machine.run('gpg', ['--batch', '--passphrase', '', ...args], { env })
  for (const [who, path] of [
    ['one@example.com', keys.gpg],
    ['two@example.com', keys.other],
  ] as const) {
    await gpg('--quick-generate-key', who, 'rsa2048', 'sign', 'never')
    await writeFile(path, (await gpg('--armor', '--export', who)).stdout)
  }
  machine.onEnd(async () => {
    await machine.run('gpgconf', ['--kill', 'all'], { env, codes: [0, 1, 2] })
  })
  const places = join(folder, 'registries.d')
  const signatures = join(folder, 'sigs')
  await mkdir(places)
  await mkdir(signatures)
  await writeFile(
    join(places, 'default.yaml'),
    `default-docker: {use-sigstore-attachments: true, lookaside: "file://${signatures}", lookaside-staging: "file://${signatures}"}\n`,
  )
  const source = makeImage([makeLayer('a', 2000)])
  await pushImage(client, REPOSITORY, source, 'unsigned')
  const sign = [
    '--registries.d',
    places,
    '--insecure-policy',
    'copy',
    '--src-tls-verify=false',
    '--dest-tls-verify=false',
  ]
  await machine.run(
    'skopeo',
    [
      ...sign,
      '--sign-by',
      'one@example.com',
      `docker://${address}/${REPOSITORY}:unsigned`,
      `docker://${address}/${REPOSITORY}:gpg`,
    ],
    { env },
  )
  // Another image, so that it does not have the signature of the first.
  const other = makeImage([makeLayer('b', 2000)])
  await pushImage(client, REPOSITORY, other, 'cosign')
  const { digest } = other.manifest
  await attach(client, digest, [
    { payload: cosignPayload(digest, `${address}/${REPOSITORY}:cosign`), key: keys.cosign },
    { payload: cosignPayload(digest, `${address}/${REPOSITORY}:third`), key: makeSigningKey('ed25519') },
  ])
  await pushImage(client, REPOSITORY, makeImage([makeLayer('c', 2000)]), 'bare')

  const fetcher = openFetcher({ reach: 'anywhere' })
  const upstream = new UpstreamClient({ host: address, urls: [registry.url], insecure: true, clock: Date.now })
  machine.onEnd(async () => {
    await Promise.all([fetcher.close(), upstream.close()])
  })
  let count = 0
  return {
    address,
    client,
    folder,
    keys,
    async judge(requirement, reference) {
      const path = join(folder, 'policy.json')
      await writeFile(
        path,
        JSON.stringify({ default: [{ type: 'reject' }], transports: { docker: { [address]: [requirement] } } }),
      )
      const separator = reference.includes(':') ? '@' : ':'
      const to = join(folder, `out-${++count}`)
      const ran = await machine.run(
        'skopeo',
        [
          '--policy',
          path,
          '--registries.d',
          places,
          'copy',
          '--src-tls-verify=false',
          `docker://${address}/${REPOSITORY}${separator}${reference}`,
          `dir:${to}`,
        ],
        { codes: [0, 1] },
      )
      const asked = parseReference(reference)
      const { bytes, digest: found } = await upstream.getManifest(REPOSITORY, asked)
      const why = await new Verifier(path, { fetcher, clock: Date.now }).whyNot({
        client: upstream,
        host: address,
        repository: REPOSITORY,
        reference: asked,
        root: { digest: found, bytes },
        children: [],
        onlySigned: false,
        signal: new AbortController().signal,
      })
      return { skopeo: ran.code === 0, words: ran.stderr, tarn: why }
    },
  }
}

async function attach(
  client: Client,
  digest: string,
  signatures: readonly { readonly payload: Buffer; readonly key: SigningKey }[],
): Promise<void> {
  const signed = signatures.map(({ payload, key }) => ({ payload, signature: signPayload(payload, key) }))
  const image = makeSignatureImage(digest, signed)
  for (const bytes of [image.config, ...image.payloads])
    await pushBlob(client, REPOSITORY, { digest: digestOf(bytes), bytes })
  const manifest = { digest: digestOf(image.manifest), bytes: image.manifest, mediaType: TYPES.image }
  await putManifest(client, REPOSITORY, image.tag, manifest)
}

/** Each row: a requirement, an image, and what both must say. */
async function checkTables(court: Court, recorder: Recorder): Promise<void> {
  const { address, keys, client, folder } = court
  const gpg = (keyPath: string, signedIdentity?: object) => ({
    type: 'signedBy',
    keyType: 'GPGKeys',
    keyPath,
    ...(signedIdentity && { signedIdentity }),
  })
  const cosign = ({ publicKey }: SigningKey, signedIdentity?: object) => ({
    type: 'sigstoreSigned',
    keyData: Buffer.from(publicKey).toString('base64'),
    ...(signedIdentity && { signedIdentity }),
  })
  const head = await client.send('HEAD', `/v2/${REPOSITORY}/manifests/cosign`, { headers: { accept: TYPES.image } })
  const byDigest = parseDigest(String(head.headers['docker-content-digest']))
  const mine = `${address}/${REPOSITORY}`
  const remap = { type: 'remapIdentity', prefix: `${address}/org`, signedPrefix: `${address}/org` }
  const foreign = { type: 'remapIdentity', prefix: `${address}/org`, signedPrefix: 'vendor.example/org' }
  const rows: [what: string, requirement: object, reference: string, isAllowed: boolean][] = [
    ['anything', { type: 'insecureAcceptAnything' }, 'bare', true],
    ['nothing', { type: 'reject' }, 'gpg', false],
    ['gpg', gpg(keys.gpg), 'gpg', true],
    ['gpg, another key', gpg(keys.other), 'gpg', false],
    ['gpg, no signature', gpg(keys.gpg), 'bare', false],
    ['gpg, the same bytes under another tag', gpg(keys.gpg), 'unsigned', false],
    ['gpg, the same, for the repository', gpg(keys.gpg, { type: 'matchRepository' }), 'unsigned', true],
    [
      'gpg, exactReference',
      gpg(keys.gpg, { type: 'exactReference', dockerReference: `${mine}:gpg` }),
      'unsigned',
      true,
    ],
    [
      'gpg, exactReference of another',
      gpg(keys.gpg, { type: 'exactReference', dockerReference: `${mine}:x` }),
      'gpg',
      false,
    ],
    ['gpg, exactRepository', gpg(keys.gpg, { type: 'exactRepository', dockerRepository: mine }), 'gpg', true],
    ['gpg, remapIdentity to itself', gpg(keys.gpg, remap), 'gpg', true],
    ['gpg, remapIdentity to a vendor', gpg(keys.gpg, foreign), 'gpg', false],
    ['cosign', cosign(keys.cosign), 'cosign', true],
    ['cosign, matchExact', cosign(keys.cosign, { type: 'matchExact' }), 'cosign', true],
    ['cosign, another key', cosign(makeSigningKey()), 'cosign', false],
    ['cosign, no signature', cosign(keys.cosign), 'bare', false],
    ['cosign, by digest', cosign(keys.cosign), byDigest, true],
    ['cosign, by digest and matchExact', cosign(keys.cosign, { type: 'matchExact' }), byDigest, false],
    [
      'cosign, exactRepository of another',
      cosign(keys.cosign, { type: 'exactRepository', dockerRepository: `${mine}2` }),
      'cosign',
      false,
    ],
  ]
  for (const [what, requirement, reference, isAllowed] of rows) {
    await recorder.check(`skopeo and Tarn agree: ${what}`, async () => {
      const said = await court.judge(requirement, reference)
      const wanted = isAllowed ? 'allowed' : 'not'
      // Debian builds skopeo without the check of cosign's signatures: it finds them and says so.
      if (said.skopeo !== isAllowed && !said.words.includes('sigstore disabled'))
        throw new Error(`skopeo says another thing than ${wanted}: ${said.words}`)
      if ((said.tarn === undefined) !== isAllowed) throw new Error(`Tarn says ${said.tarn ?? 'allowed'}, not ${wanted}`)
    })
  }
  await recorder.check('skopeo and Tarn agree: a changed signature', async () => {
    const image = makeImage([makeLayer('d', 2000)])
    await pushImage(client, REPOSITORY, image, 'changed')
    const { digest } = image.manifest
    const payload = cosignPayload(digest, `${mine}:changed`)
    const signature = signPayload(cosignPayload(digest, `${mine}:other`), keys.cosign)
    const forged = makeSignatureImage(digest, [{ payload, signature }])
    for (const bytes of [forged.config, payload]) await pushBlob(client, REPOSITORY, { digest: digestOf(bytes), bytes })
    await putManifest(client, REPOSITORY, forged.tag, {
      digest: digestOf(forged.manifest),
      bytes: forged.manifest,
      mediaType: TYPES.image,
    })
    const said = await court.judge(cosign(keys.cosign), 'changed')
    if (said.skopeo || said.tarn === undefined)
      throw new Error(`skopeo: ${said.skopeo}, Tarn: ${said.tarn ?? 'allowed'}`)
  })
  if ((await readdir(join(folder, 'sigs'))).length === 0) throw new Error('skopeo stored no signature')
}

/** `tarn sync` with onlySigned, under a policy that wants gpg for one image and would refuse the rest. */
async function checkSync(
  { machine, node, checkout }: E2EContext,
  { address, folder, keys }: Court,
  recorder: Recorder,
) {
  await recorder.check('tarn sync with onlySigned takes what gpg signed and names the rest', async () => {
    const home = await machine.scratch('signed-home')
    const main = join(checkout, 'src', 'main.ts')
    await machine.run(node, [main, 'init', home, '--host', '127.0.0.1', '--user', 'alice', '--password-stdin'], {
      input: 'secret word\n',
    })
    const rule = { type: 'signedBy', keyType: 'GPGKeys', keyPath: keys.gpg }
    await writeFile(join(folder, 'sync-policy.json'), JSON.stringify({ default: [rule] }))
    const lines = [
      'version: 1',
      `registries: {"${address}": {insecure: true, url: ["http://${address}"]}}`,
      `sync: [{from: "${address}/${REPOSITORY}", to: lab/app, tags: [gpg, bare, cosign], onlySigned: true, policy: ${folder}/sync-policy.json}]`,
    ]
    await writeFile(join(home, 's.yml'), `${lines.join('\n')}\n`)
    const ran = await machine.run(node, [main, '--json', 'sync', 's.yml'], { cwd: home, codes: [3] })
    const { images } = JSON.parse(ran.text) as { images: { tag: string; result: string }[] }
    const results = Object.fromEntries(images.map(({ tag, result }) => [tag, result]))
    const said = JSON.stringify(results)
    if (results['gpg'] !== 'copied' || results['bare'] !== 'failed' || results['cosign'] !== 'failed')
      throw new Error(said)
  })
}
