import { createHash } from 'node:crypto'
import { createServer } from 'node:http'
import { join } from 'node:path'
import t from 'tap'
import type { Test } from 'tap'
import { parseDigest } from '../../src/oci/digest.ts'
import { parseRepositoryName } from '../../src/oci/name.ts'
import { parseReference, parseTag } from '../../src/oci/reference.ts'
import { PushClient } from '../../src/upstream/push-client.ts'
import { openClient } from '../helpers/client.ts'
import { makeLogin, makeTls, PASSWORD, USERNAME } from '../helpers/login.ts'
import type { PushTestOptions } from '../helpers/pushing.ts'
import { makeBlob, openPush } from '../helpers/pushing.ts'
import { OCI_CONFIG, OCI_MANIFEST } from '../helpers/push.ts'
import { makeDirectory, startTarn } from '../helpers/server.ts'
import { catchUpstream, send, startFake } from '../helpers/upstream.ts'

const NAME = parseRepositoryName('team/app')
const OTHER = parseRepositoryName('team/other')

function makeImage(note: string) {
  const config = makeBlob(JSON.stringify({ note }))
  const bytes = Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: OCI_MANIFEST,
      config: { mediaType: OCI_CONFIG, digest: config.digest, size: config.size },
      layers: [],
    }),
  )
  const digest = parseDigest(`sha256:${createHash('sha256').update(bytes).digest('hex')}`)
  return { config, manifest: { bytes, digest, mediaType: OCI_MANIFEST } }
}

async function startSecure(t: Test): Promise<{ url: string; options: PushTestOptions }> {
  const directory = makeDirectory(t)
  const { tls, ca } = makeTls(directory)
  const auth = makeLogin(directory)
  const { url } = await startTarn(t, { auth, http: { tls } }, directory)
  return { url, options: { ca: [ca], username: USERNAME, password: PASSWORD } }
}

t.test('an image is pushed over TLS with a login, by digest and by tag, and pulled back as it was', async (t) => {
  const { url, options } = await startSecure(t)
  const push = openPush(t, url, options)
  const { config, manifest } = makeImage('one')
  const layer = makeBlob(3_000_000)
  t.equal(await push.hasBlob(NAME, layer.digest), false)
  t.equal(await push.pushBlob({ repository: NAME, ...layer }), 'pushed')
  t.equal(await push.pushBlob({ repository: NAME, ...config }), 'pushed')
  t.equal(await push.pushBlob({ repository: NAME, ...config }), 'present')
  t.equal(await push.hasBlob(NAME, layer.digest), true)
  const { digest } = manifest
  await push.pushManifest({ repository: NAME, reference: { kind: 'digest', digest }, ...manifest })
  await push.pushManifest({ repository: NAME, reference: parseReference('v1'), ...manifest })
  t.equal(await push.hasManifest(NAME, digest), true)
  t.equal(await push.hasManifest(NAME, digest, { tag: parseTag('v1') }), true)
  t.equal(await push.hasManifest(NAME, digest, { tag: parseTag('v2') }), false)
  const reader = openClient({ url, ca: options.ca?.[0] ?? '', username: USERNAME, password: PASSWORD })
  t.teardown(() => reader.close())
  const blob = await reader.send('GET', `/v2/${NAME}/blobs/${layer.digest}`)
  t.ok(blob.body.equals(layer.bytes))
  const pulled = await reader.send('GET', `/v2/${NAME}/manifests/v1`)
  t.ok(pulled.body.equals(manifest.bytes))
  t.equal(pulled.headers['content-type'], OCI_MANIFEST)
})

t.test('a wrong password is told as that, without showing it', async (t) => {
  const { url, options } = await startSecure(t)
  const push = openPush(t, url, { ...options, password: 'canary' })
  const error = await catchUpstream(push.pushBlob({ repository: NAME, ...makeBlob('x') }))
  t.match(error, { kind: 'unauthorized', status: 401 })
  t.notMatch(JSON.stringify(error) + error.message + String(error.hint), 'canary')
})

t.test('a blob that another repository has is linked, and no byte of it is sent', async (t) => {
  const { url } = await startTarn(t)
  const push = openPush(t, url)
  const layer = makeBlob(500_000)
  await push.pushBlob({ repository: OTHER, ...layer })
  let sent = 0
  const how = await push.pushBlob({ repository: NAME, ...layer, from: [OTHER], onBytes: (bytes) => (sent += bytes) })
  t.equal(how, 'mounted')
  t.equal(sent, 0)
  t.equal(await push.hasBlob(NAME, layer.digest), true)
})

t.test('a blob that the other repository turns out not to have is sent', async (t) => {
  const { url } = await startTarn(t)
  const push = openPush(t, url)
  const layer = makeBlob(500_000)
  t.equal(await push.pushBlob({ repository: NAME, ...layer, from: [OTHER] }), 'pushed')
})

t.test('an empty blob and one of a single byte are pushed', async (t) => {
  const { url } = await startTarn(t)
  const push = openPush(t, url)
  for (const content of ['', 'x']) {
    const blob = makeBlob(content)
    t.equal(await push.pushBlob({ repository: NAME, ...blob }), 'pushed')
    t.equal(await push.hasBlob(NAME, blob.digest), true)
  }
})

t.test('bytes that are not what their digest says are refused by the registry and leave nothing', async (t) => {
  const { url } = await startTarn(t)
  const push = openPush(t, url)
  const layer = makeBlob(500_000)
  const other = makeBlob(500_000)
  const error = await catchUpstream(push.pushBlob({ repository: NAME, ...layer, open: other.open }))
  t.match(error, { kind: 'failed', status: 400, code: 'DIGEST_INVALID' })
  t.equal(await push.hasBlob(NAME, layer.digest), false)
})

t.test('a source that breaks is told with its own words, and so is one of another length', async (t) => {
  // The server may end with nothing left that keeps this process alive.
  const alive = setInterval(() => undefined, 1000)
  t.teardown(() => clearInterval(alive))
  const { url } = await startTarn(t)
  const push = openPush(t, url)
  const layer = makeBlob(500_000)
  async function* breakOff(): AsyncGenerator<Uint8Array> {
    yield layer.bytes.subarray(0, 100_000)
    throw new Error('the disk is gone')
  }
  await t.rejects(push.pushBlob({ repository: NAME, ...layer, open: breakOff }), { message: 'the disk is gone' })
  await t.rejects(push.pushBlob({ repository: NAME, ...layer, size: 400_000 }), /more than the 400000/)
  await t.rejects(push.pushBlob({ repository: NAME, ...layer, size: 600_000 }), /fewer than the 600000/)
  t.equal(await push.hasBlob(NAME, layer.digest), false)
})

t.test('a tag and a manifest are taken away; what is not there is said to be so', async (t) => {
  const { url } = await startTarn(t, { storage: { delete: { enabled: true } } })
  const push = openPush(t, url)
  const { config, manifest } = makeImage('gone')
  await push.pushBlob({ repository: NAME, ...config })
  await push.pushManifest({ repository: NAME, reference: parseReference('v1'), ...manifest })
  t.equal(await push.remove(NAME, parseReference('v1')), true)
  t.equal(await push.remove(NAME, parseReference('v1')), false)
  t.equal(await push.hasManifest(NAME, manifest.digest), true)
  t.equal(await push.remove(NAME, parseReference(manifest.digest)), true)
  t.equal(await push.hasManifest(NAME, manifest.digest), false)
})

t.test('a registry that deletes nothing is told as that, with what to do', async (t) => {
  const { url } = await startTarn(t)
  const push = openPush(t, url)
  const error = await catchUpstream(push.remove(NAME, parseReference('v1')))
  t.match(error, { kind: 'failed', hint: /storage\.delete\.enabled/ })
})

t.test('a manifest whose blobs are missing is refused with the code of the registry', async (t) => {
  const { url } = await startTarn(t)
  const push = openPush(t, url)
  const { manifest } = makeImage('never pushed')
  const error = await catchUpstream(
    push.pushManifest({ repository: NAME, reference: parseReference('v1'), ...manifest }),
  )
  t.match(error, { kind: 'failed', message: /MANIFEST_BLOB_UNKNOWN/ })
})

t.test('an answer that names another digest than was pushed is no success', async (t) => {
  const wrong = `sha256:${'0'.repeat(64)}`
  const fake = await startFake(t, (_, response) => send(response, 201, { 'docker-content-digest': wrong }))
  const { manifest } = makeImage('one')
  const act = openPush(t, fake.origin).pushManifest({ repository: NAME, reference: parseReference('v1'), ...manifest })
  t.match(await catchUpstream(act), { kind: 'invalid', message: /another digest/ })
})

t.test('a registry says whether it keeps what refers to a manifest', async (t) => {
  const { manifest } = makeImage('one')
  for (const headers of [{}, { 'oci-subject': manifest.digest }]) {
    const fake = await startFake(t, (_, response) => send(response, 201, headers))
    const ask = { repository: NAME, reference: parseReference('v1'), ...manifest }
    t.same(await openPush(t, fake.origin).pushManifest(ask), { subject: 'oci-subject' in headers })
  }
})

t.test('429 is waited for as long as the registry says, 503 a while, and 400 not at all', async (t) => {
  const answers: [number, Record<string, string>][] = [
    [429, { 'retry-after': '0' }],
    [503, {}],
    [201, {}],
    [400, {}],
  ]
  const fake = await startFake(t, (_, response) => send(response, ...(answers.shift() ?? [500, {}])))
  const pauses: number[] = []
  const push = openPush(t, fake.origin, { pauses })
  const { manifest } = makeImage('one')
  const ask = { repository: NAME, reference: parseReference('v1'), ...manifest }
  await push.pushManifest(ask)
  t.same(pauses, [1000, 2000])
  t.match(await catchUpstream(push.pushManifest(ask)), { status: 400 })
  t.equal(fake.seen.length, 4)
})

t.test('a registry that stays away is given up after a few tries', async (t) => {
  const fake = await startFake(t, (_, response) => send(response, 502))
  const pauses: number[] = []
  const push = openPush(t, fake.origin, { pauses })
  const { manifest } = makeImage('one')
  const act = push.pushManifest({ repository: NAME, reference: parseReference('v1'), ...manifest })
  t.match(await catchUpstream(act), { kind: 'failed', status: 502 })
  t.same(pauses, [1000, 2000, 4000])
})

t.test('a local socket is pushed to, and nowhere else', async (t) => {
  const socketPath = join(makeDirectory(t), 's')
  const seen: string[] = []
  const server = createServer((request, response) => {
    seen.push(`${request.method} ${request.url} ${request.headers.host}`)
    request.resume()
    request.on('end', () => response.writeHead(201).end())
  })
  await new Promise<void>((resolve) => server.listen(socketPath, resolve))
  t.teardown(() => server.close())
  const push = new PushClient({ host: 'this registry', socketPath, clock: Date.now })
  t.teardown(() => push.close())
  const { manifest } = makeImage('one')
  await push.pushManifest({ repository: NAME, reference: parseReference('v1'), ...manifest })
  t.same(seen, [`PUT /v2/${NAME}/manifests/v1 localhost`])
})
