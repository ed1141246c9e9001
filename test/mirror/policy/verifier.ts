// Images in a real registry, signed as cosign and as containers/image do, and a policy that is asked about them.
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import t from 'tap'
import type { Test } from 'tap'
import { Verifier } from '../../../src/mirror/policy/verifier.ts'
import type { SignedManifest } from '../../../src/mirror/policy/verifier.ts'
import { parseDigest } from '../../../src/oci/digest.ts'
import { parseRepositoryName } from '../../../src/oci/name.ts'
import { parseReference } from '../../../src/oci/reference.ts'
import { openFetcher } from '../../../src/upstream/fetch-small.ts'
import { makeReleaseKey } from '../../fixtures/release-key.ts'
import { openClient } from '../../helpers/client.ts'
import type { Client } from '../../helpers/client.ts'
import { OCI_INDEX, OCI_MANIFEST, pushBlob, pushImage, pushManifest } from '../../helpers/push.ts'
import type { Pushed } from '../../helpers/push.ts'
import { startTarn } from '../../helpers/server.ts'
import type { SigningKey } from '../../helpers/signing.ts'
import { cosignPayload, makeSignatureImage, makeSigningKey, signPayload } from '../../helpers/signing.ts'
import { catchUpstream, openUpstream, send, startFake } from '../../helpers/upstream.ts'

const REPOSITORY = parseRepositoryName('org/app')
const NAME = 'quay.io/org/app'

interface Scene {
  readonly client: Client
  readonly directory: string
  /** Pushes a signature of cosign beside an image. */
  attach(image: Pushed, key: SigningKey, reference: string): Promise<void>
  /** Why not, by a policy that asks this of every image. */
  ask(
    requirement: object,
    image: Pushed,
    more?: { children?: Pushed[]; onlySigned?: boolean; reference?: string },
  ): Promise<string | undefined>
}

async function setScene(t: Test, lookaside?: string): Promise<Scene> {
  const { url } = await startTarn(t)
  const client = openClient({ url })
  t.teardown(() => client.close())
  const directory = t.testdir({})
  const places = join(directory, 'registries.d')
  mkdirSync(places)
  const address = lookaside ?? pathToFileURL(join(directory, 'signatures')).href
  writeFileSync(join(places, 'default.yaml'), `docker: {quay.io: {lookaside: "${address}"}}\n`)
  const fetcher = openFetcher({ reach: 'anywhere' })
  t.teardown(() => fetcher.close())
  const upstream = openUpstream(t, [url])
  return {
    client,
    directory,
    async attach({ digest }, key, reference) {
      const payload = cosignPayload(digest, reference)
      const image = makeSignatureImage(digest, [{ payload, signature: signPayload(payload, key) }])
      for (const blob of [image.config, ...image.payloads]) await pushBlob(client, REPOSITORY, blob)
      await pushManifest(client, REPOSITORY, OCI_MANIFEST, image.manifest, image.tag)
    },
    async ask(requirement, image, { children = [], onlySigned = false, reference = 'v1' } = {}) {
      const path = join(directory, 'policy.json')
      writeFileSync(
        path,
        JSON.stringify({ default: [{ type: 'reject' }], transports: { docker: { '': [requirement] } } }),
      )
      return new Verifier(path, { fetcher, clock: () => Date.now() + 60_000 }).whyNot({
        client: upstream,
        host: 'quay.io',
        repository: REPOSITORY,
        reference: parseReference(reference),
        root: toManifest(image),
        children: children.map(toManifest),
        onlySigned,
        signal: new AbortController().signal,
      })
    },
  }
}

function toManifest({ digest, body }: Pushed): SignedManifest {
  return { digest: parseDigest(digest), bytes: body }
}

function cosigned({ publicKey }: SigningKey, more: object = {}): object {
  return { type: 'sigstoreSigned', keyData: Buffer.from(publicKey).toString('base64'), ...more }
}

t.test('an image that cosign signed is taken, and without that it is not', async (t) => {
  const scene = await setScene(t)
  const key = makeSigningKey()
  const [signed, other] = [
    await pushImage(scene.client, REPOSITORY, 'a'),
    await pushImage(scene.client, REPOSITORY, 'b'),
  ]
  await scene.attach(signed, key, `${NAME}:v1`)
  t.equal(await scene.ask(cosigned(key), signed, { onlySigned: true }), undefined)
  t.match(await scene.ask(cosigned(key), other), 'it is not signed')
  t.match(await scene.ask(cosigned(makeSigningKey()), signed), /no key of the policy/)
  t.match(await scene.ask(cosigned(key), signed, { reference: 'v2' }), /for "quay\.io\/org\/app:v1"/)
  t.equal(
    await scene.ask(cosigned(key, { signedIdentity: { type: 'matchRepository' } }), signed, { reference: 'v2' }),
    undefined,
  )
})

t.test('an image that skopeo signed is taken from the place that registries.d names', async (t) => {
  const scene = await setScene(t)
  const key = await makeReleaseKey()
  const image = await pushImage(scene.client, REPOSITORY, 'a')
  writeFileSync(join(scene.directory, 'key.asc'), key.publicKey)
  const rule = { type: 'signedBy', keyType: 'GPGKeys', keyPath: 'key.asc' }
  t.match(await scene.ask(rule, image), 'it is not signed')
  const place = join(scene.directory, 'signatures', 'org', `app@${image.digest.replace(':', '=')}`)
  mkdirSync(place, { recursive: true })
  const stranger = await makeReleaseKey('stranger')
  writeFileSync(join(place, 'signature-1'), await stranger.signRelease(image.digest, `${NAME}:v1`))
  t.ok(await scene.ask(rule, image))
  writeFileSync(join(place, 'signature-2'), await key.signRelease(image.digest, `${NAME}:v1`))
  t.equal(await scene.ask(rule, image, { onlySigned: true }), undefined, 'one good signature is enough')
})

t.test('signatures come over http too, and a place that does not answer is no "not signed"', async (t) => {
  let status = 200
  const key = await makeReleaseKey()
  let signature: Buffer = Buffer.alloc(0)
  const fake = await startFake(t, ({ url }, response) => {
    if (status === 200 && url.endsWith('/signature-1')) response.end(signature)
    else send(response, status === 200 ? 404 : status)
  })
  const scene = await setScene(t, `${fake.origin}/sigs/`)
  const image = await pushImage(scene.client, REPOSITORY, 'a')
  signature = await key.signRelease(image.digest, `${NAME}:v1`)
  const rule = { type: 'signedBy', keyType: 'GPGKeys', keyData: Buffer.from(key.publicKey).toString('base64') }
  t.equal(await scene.ask(rule, image), undefined)
  t.equal(fake.seen[0]?.url, `/sigs/${REPOSITORY}@${image.digest.replace(':', '=')}/signature-1`)
  status = 503
  t.match(await catchUpstream(scene.ask(rule, image)), { status: 503 })
})

t.test('an index is signed by itself or by all that is taken of it', async (t) => {
  const scene = await setScene(t)
  const key = makeSigningKey()
  const children = [await pushImage(scene.client, REPOSITORY, 'a'), await pushImage(scene.client, REPOSITORY, 'b')]
  const manifests = children.map(({ digest, body, mediaType }) => ({ mediaType, digest, size: body.length }))
  const body = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: OCI_INDEX, manifests }))
  const index = await pushManifest(scene.client, REPOSITORY, OCI_INDEX, body)
  t.match(await scene.ask(cosigned(key), index, { children }), 'it is not signed')
  const [first, second] = children
  if (first === undefined || second === undefined) throw new Error('no children')
  await scene.attach(first, key, `${NAME}:v1`)
  t.match(await scene.ask(cosigned(key), index, { children }), 'it is not signed')
  t.equal(await scene.ask(cosigned(key), index, { children: [first] }), undefined)
  await scene.attach(second, key, `${NAME}:v1`)
  t.equal(await scene.ask(cosigned(key), index, { children }), undefined)
  const other = makeSigningKey()
  await scene.attach(index, other, `${NAME}:v1`)
  t.equal(await scene.ask(cosigned(other), index, { children }), undefined)
})

t.test(
  'a policy that accepts anything is enough, unless something must be signed; one that rejects never is',
  async (t) => {
    const scene = await setScene(t)
    const image = await pushImage(scene.client, REPOSITORY, 'a')
    t.equal(await scene.ask({ type: 'insecureAcceptAnything' }, image), undefined)
    t.match(await scene.ask({ type: 'insecureAcceptAnything' }, image, { onlySigned: true }), /asks for no signature/)
    t.match(await scene.ask({ type: 'reject' }, image), /rejects/)
  },
)

t.test('a key that is not there keeps the image and says so', async (t) => {
  const scene = await setScene(t)
  const image = await pushImage(scene.client, REPOSITORY, 'a')
  t.match(
    await scene.ask({ type: 'sigstoreSigned', keyPath: 'gone.pub' }, image),
    /cannot read the public key .*gone\.pub/,
  )
  writeFileSync(join(scene.directory, 'bad.pub'), 'no key')
  t.match(await scene.ask({ type: 'sigstoreSigned', keyPath: 'bad.pub' }, image), /no public key in PEM/)
  t.match(
    await scene.ask({ type: 'signedBy', keyType: 'GPGKeys', keyPath: 'bad.pub' }, image),
    /keyring cannot be read/,
  )
})
