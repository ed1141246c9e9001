import { randomBytes } from 'node:crypto'
import t from 'tap'
import { preparePush } from '../../src/mirror/prepare-push.ts'
import type { Located } from '../../src/mirror/route.ts'
import { parseDigest } from '../../src/oci/digest.ts'
import { readManifest } from '../../src/oci/manifest.ts'
import { parseRepositoryName } from '../../src/oci/name.ts'
import { makeTurns } from '../../src/upstream/turns.ts'
import { hashOf } from '../helpers/digest.ts'
import { UP, pushIndex, pushLayers, startMirror, startUpstream } from '../helpers/mirror.ts'
import { OCI_INDEX, OCI_MANIFEST, pushBlob } from '../helpers/push.ts'

const APP = `/v2/${UP}/team/app`

const manifestOf = (config: Buffer, layers: readonly Buffer[]): Buffer => {
  const describe = (mediaType: string, bytes: Buffer) => ({ mediaType, digest: hashOf(bytes), size: bytes.length })
  return Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: OCI_MANIFEST,
      config: describe('application/vnd.oci.image.config.v1+json', config),
      layers: layers.map((layer) => describe('application/vnd.oci.image.layer.v1.tar', layer)),
    }),
  )
}

t.test('a client that skipped a blob because HEAD said yes ends with a whole image', async (t) => {
  const { client, gateway } = await startUpstream(t)
  const base = randomBytes(400_000)
  await pushLayers(client, 'team/app', [base], { reference: 'one' })
  const mirror = await startMirror(t, [gateway])
  const head = await mirror.client.send('HEAD', `${APP}/blobs/${hashOf(base)}`)
  t.equal(head.status, 200)
  t.equal(head.headers['content-length'], String(base.length))
  const [config, own] = [Buffer.from('{"own":1}'), randomBytes(1000)]
  for (const bytes of [config, own]) await pushBlob(mirror.client, `${UP}/team/app`, bytes)
  const put = await mirror.client.send('PUT', `${APP}/manifests/mine`, {
    headers: { 'content-type': OCI_MANIFEST },
    body: manifestOf(config, [base, own]),
  })
  t.equal(put.status, 201)
  await gateway.down()
  const blob = await mirror.client.send('GET', `${APP}/blobs/${hashOf(base)}`)
  t.ok(blob.body.equals(base))
})

t.test('a manifest that names a blob which only the upstream has is taken with it', async (t) => {
  const { client, gateway } = await startUpstream(t)
  const base = randomBytes(1000)
  await pushLayers(client, 'team/app', [base], { reference: 'one' })
  const mirror = await startMirror(t, [gateway])
  const config = Buffer.from('{"own":2}')
  await pushBlob(mirror.client, `${UP}/team/app`, config)
  const put = await mirror.client.send('PUT', `${APP}/manifests/mine`, {
    headers: { 'content-type': OCI_MANIFEST },
    body: manifestOf(config, [base]),
  })
  t.equal(put.status, 201)
})

t.test('a manifest that names a blob which is nowhere is refused', async (t) => {
  const { gateway } = await startUpstream(t)
  const mirror = await startMirror(t, [gateway])
  const put = await mirror.client.send('PUT', `${APP}/manifests/mine`, {
    headers: { 'content-type': OCI_MANIFEST },
    body: manifestOf(Buffer.from('{}'), []),
  })
  t.equal(put.status, 400)
  t.match(put.body.toString(), /MANIFEST_BLOB_UNKNOWN/)
})

t.test('an upstream that fails does not stand in the way of a push that needs nothing of it', async (t) => {
  const { gateway } = await startUpstream(t)
  gateway.hook = (_, response) => (response.writeHead(500).end(), true)
  const mirror = await startMirror(t, [gateway])
  t.equal((await mirror.client.send('HEAD', `${APP}/blobs/${hashOf('x')}`)).status, 404)
  await pushLayers(mirror.client, `${UP}/team/app`, [randomBytes(10)], { reference: 'mine' })
})

t.test('an index waits for its images that are on their way', async (t) => {
  const { client, gateway } = await startUpstream(t)
  const image = await pushLayers(client, 'team/app', [randomBytes(400_000)])
  const mirror = await startMirror(t, [gateway])
  t.equal((await mirror.client.send('HEAD', `${APP}/manifests/${image.digest}`)).status, 200)
  await pushIndex(mirror.client, `${UP}/team/app`, { amd64: image }, 'mine')
  await gateway.down()
  t.equal((await mirror.client.send('GET', `${APP}/manifests/${image.digest}`)).status, 200)
  t.equal((await mirror.client.send('GET', `${APP}/blobs/${image.layers[0]}`)).status, 200)
})

t.test('a push waits for a blob that HEAD promised though its upstream counts as away meanwhile', async (t) => {
  const { client, gateway } = await startUpstream(t)
  const base = randomBytes(400_000)
  await pushLayers(client, 'team/app', [base], { reference: 'one' })
  const gate = Promise.withResolvers<void>()
  gateway.hold = ({ url }) => (url.endsWith(hashOf(base)) ? { after: 100_000, until: gate.promise } : undefined)
  const options = { parts: { upstream: { client: { breaker: { first: 60_000 } } } } }
  const mirror = await startMirror(t, [gateway], options)
  t.equal((await mirror.client.send('HEAD', `${APP}/blobs/${hashOf(base)}`)).status, 200)
  gateway.hook = (_, response) => (response.writeHead(503).end(), true)
  for (const tag of ['a', 'b', 'c', 'd']) await mirror.client.send('GET', `${APP}/manifests/${tag}`)
  const config = Buffer.from('{"own":3}')
  await pushBlob(mirror.client, `${UP}/team/app`, config)
  const put = mirror.client.send('PUT', `${APP}/manifests/mine`, {
    headers: { 'content-type': OCI_MANIFEST },
    body: manifestOf(config, [base]),
  })
  setTimeout(gate.resolve, 300)
  t.equal((await put).status, 201)
})

t.test('an index does not wait for ever for an image whose upstream went away', async (t) => {
  const { client, gateway } = await startUpstream(t)
  const image = await pushLayers(client, 'team/app', [randomBytes(100)])
  const stored = { digest: parseDigest(image.digest), bytes: image.body, manifest: readManifest(image.body) }
  const index = { mediaType: image.mediaType, digest: image.digest, size: image.body.length }
  const bytes = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: OCI_INDEX, manifests: [index] }))
  const never = new Promise<void>(() => undefined)
  let asked = 0
  const fills = { find: () => ({ stored, checkedAt: 0 }), wait: () => ((asked += 1), never) }
  const blobs = { isHere: () => false, find: () => undefined, fetch: async () => undefined }
  const located = {
    name: parseRepositoryName(`${UP}/team/app`),
    repository: parseRepositoryName('team/app'),
  } as Located
  await preparePush(located, bytes, { blobs, fills, turns: makeTurns(1), mayAsk: true, patience: 20 })
  t.equal(asked, 1)
  t.equal(gateway.seen.length, 0)
})
