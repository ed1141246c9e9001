import t from 'tap'
import { parseDigest } from '../../src/oci/digest.ts'
import { parseRepositoryName } from '../../src/oci/name.ts'
import { parseReference } from '../../src/oci/reference.ts'
import { hashOf } from '../helpers/digest.ts'
import { catchUpstream, findClosedPort, openUpstream, send, startFake, startRaw } from '../helpers/upstream.ts'

const NAME = parseRepositoryName('team/app')
const TAG = parseReference('latest')
const MANIFEST = '{"schemaVersion":2}'
const TYPE = 'application/vnd.oci.image.manifest.v1+json'
const BLOB = 'a blob of some bytes'
const DIGEST = parseDigest(hashOf(BLOB))

async function readAll(stream: AsyncIterable<Buffer>): Promise<string> {
  const pieces: Buffer[] = []
  for await (const piece of stream) pieces.push(piece)
  return Buffer.concat(pieces).toString()
}

t.test('a manifest comes by tag with its digest, type and source', async (t) => {
  const fake = await startFake(t, (_, response) => send(response, 200, { 'content-type': `${TYPE}; x=y` }, MANIFEST))
  const client = openUpstream(t, [fake.origin])
  const manifest = await client.getManifest(NAME, TAG)
  t.equal(manifest.bytes.toString(), MANIFEST)
  t.equal(manifest.digest, hashOf(MANIFEST))
  t.equal(manifest.mediaType, TYPE)
  t.equal(manifest.source, `${fake.origin}/`)
  const [request] = fake.seen
  t.equal(request?.url, '/v2/team/app/manifests/latest')
  t.equal(request?.headers['accept-encoding'], 'identity')
  t.match(request?.headers.accept, /vnd\.oci\.image\.index.*docker\.distribution\.manifest\.list/)
})

t.test('a manifest comes by a sha512 digest and is verified by it', async (t) => {
  const fake = await startFake(t, (_, response) => send(response, 200, {}, MANIFEST))
  const wanted = parseReference(hashOf(MANIFEST, 'sha512'))
  const { digest } = await openUpstream(t, [fake.origin]).getManifest(NAME, wanted)
  t.equal(digest, hashOf(MANIFEST, 'sha512'))
})

t.test('HEAD of a manifest tells digest, type and size', async (t) => {
  const headers = { 'docker-content-digest': hashOf(MANIFEST), 'content-type': TYPE, 'content-length': '19' }
  const fake = await startFake(t, (_, response) => send(response, 200, headers))
  const head = await openUpstream(t, [fake.origin]).headManifest(NAME, TAG)
  t.same(head, { digest: hashOf(MANIFEST), mediaType: TYPE, size: 19, source: `${fake.origin}/` })
  t.equal(fake.seen[0]?.method, 'HEAD')
})

t.test('HEAD of a manifest without a digest says that it is not known', async (t) => {
  const fake = await startFake(t, (_, response) => send(response, 200))
  t.equal((await openUpstream(t, [fake.origin]).headManifest(NAME, TAG)).digest, undefined)
})

t.test('an upstream that takes no HEAD is asked by GET', async (t) => {
  const fake = await startFake(t, ({ method }, response) =>
    method === 'HEAD' ? send(response, 405) : send(response, 200, {}, MANIFEST),
  )
  const head = await openUpstream(t, [fake.origin]).headManifest(NAME, TAG)
  t.equal(head.digest, hashOf(MANIFEST))
  t.equal(head.size, MANIFEST.length)
})

t.test('a blob comes whole with its size', async (t) => {
  const fake = await startFake(t, (_, response) => send(response, 200, { 'content-length': `${BLOB.length}` }, BLOB))
  const blob = await openUpstream(t, [fake.origin]).getBlob({ repository: NAME, digest: DIGEST, size: BLOB.length })
  t.match(blob, { status: 200, from: 0, length: BLOB.length, total: BLOB.length })
  t.equal(await readAll(blob.body), BLOB)
  t.equal(fake.seen[0]?.url, `/v2/team/app/blobs/${DIGEST}`)
  t.notOk(fake.seen[0]?.headers.range)
})

t.test('a blob comes from an offset on', async (t) => {
  const headers = { 'content-range': `bytes 7-${BLOB.length - 1}/${BLOB.length}` }
  const fake = await startFake(t, (_, response) => send(response, 206, headers, BLOB.slice(7)))
  const blob = await openUpstream(t, [fake.origin]).getBlob({ repository: NAME, digest: DIGEST, offset: 7 })
  t.match(blob, { status: 206, from: 7, length: BLOB.length - 7, total: BLOB.length })
  t.equal(await readAll(blob.body), BLOB.slice(7))
  t.equal(fake.seen[0]?.headers.range, 'bytes=7-')
})

t.test('an upstream without ranges starts the blob again and says so', async (t) => {
  const fake = await startFake(t, (_, response) => send(response, 200, {}, BLOB))
  const blob = await openUpstream(t, [fake.origin]).getBlob({ repository: NAME, digest: DIGEST, offset: 7 })
  t.match(blob, { status: 200, from: 0 })
  t.equal(await readAll(blob.body), BLOB)
})

t.test('a redirect to another host hands out the blob with its range', async (t) => {
  const store = await startFake(
    t,
    (_, response) =>
      send(response, 206, { 'content-range': `bytes 7-${BLOB.length - 1}/${BLOB.length}` }, BLOB.slice(7)),
    { tls: true },
  )
  const fake = await startFake(t, (_, response) => send(response, 307, { location: `${store.origin}/signed?sig=1` }), {
    tls: true,
  })
  const client = openUpstream(t, [fake.origin])
  const blob = await client.getBlob({ repository: NAME, digest: DIGEST, offset: 7, size: BLOB.length })
  t.equal(await readAll(blob.body), BLOB.slice(7))
  t.equal(store.seen[0]?.url, '/signed?sig=1')
  t.equal(store.seen[0]?.headers.range, 'bytes=7-')
})

t.test('HEAD of a blob tells its size', async (t) => {
  const fake = await startFake(t, (_, response) => send(response, 200, { 'content-length': '20' }))
  t.equal((await openUpstream(t, [fake.origin]).headBlob(NAME, DIGEST)).size, 20)
})

for (const [status, kind] of [
  [401, 'unauthorized'],
  [403, 'unauthorized'],
  [404, 'notFound'],
  [410, 'notFound'],
  [429, 'limited'],
  [400, 'failed'],
  [500, 'failed'],
  [503, 'failed'],
] as const) {
  t.test(`status ${status} is ${kind}`, async (t) => {
    const fake = await startFake(t, (_, response) => send(response, status))
    const error = await catchUpstream(openUpstream(t, [fake.origin]).getManifest(NAME, TAG))
    t.equal(error.kind, kind)
    t.equal(error.status, status)
  })
}

t.test('a host that refuses connections is unreachable, and making the client did not need it', async (t) => {
  const client = openUpstream(t, [`http://127.0.0.1:${await findClosedPort()}`])
  t.notOk(client.isAway)
  const error = await catchUpstream(client.getManifest(NAME, TAG))
  t.equal(error.kind, 'unreachable')
  t.match(error.message, /ECONNREFUSED/)
})

t.test('the next url is asked when the first does not answer', async (t) => {
  const fake = await startFake(t, (_, response) => send(response, 200, {}, MANIFEST))
  const client = openUpstream(t, [`http://127.0.0.1:${await findClosedPort()}`, fake.origin])
  t.equal((await client.getManifest(NAME, TAG)).source, `${fake.origin}/`)
})

t.test('the next url is asked when the first gives wrong bytes', async (t) => {
  const liar = await startFake(t, (_, response) => send(response, 200, {}, 'other bytes'))
  const fake = await startFake(t, (_, response) => send(response, 200, {}, MANIFEST))
  const client = openUpstream(t, [liar.origin, fake.origin])
  t.equal((await client.getManifest(NAME, parseReference(hashOf(MANIFEST)))).source, `${fake.origin}/`)
  t.equal(liar.seen.length, 1)
})

t.test('a url that is to be avoided is not asked for a blob', async (t) => {
  const liar = await startFake(t, (_, response) => send(response, 200, {}, 'x'))
  const fake = await startFake(t, (_, response) => send(response, 200, {}, BLOB))
  const client = openUpstream(t, [liar.origin, fake.origin])
  const blob = await client.getBlob({ repository: NAME, digest: DIGEST, avoid: [`${liar.origin}/`] })
  t.equal(await readAll(blob.body), BLOB)
  t.equal(liar.connections, 0)
  const all = [`${liar.origin}/`, `${fake.origin}/`]
  t.equal((await catchUpstream(client.getBlob({ repository: NAME, digest: DIGEST, avoid: all }))).kind, 'invalid')
})

t.test('"not found" is believed only when every url says so', async (t) => {
  const one = await startFake(t, (_, response) => send(response, 404))
  const two = await startFake(t, (_, response) => send(response, 404))
  t.equal((await catchUpstream(openUpstream(t, [one.origin, two.origin]).getManifest(NAME, TAG))).kind, 'notFound')
  await two.stop()
  t.equal((await catchUpstream(openUpstream(t, [one.origin, two.origin]).getManifest(NAME, TAG))).kind, 'unreachable')
})

t.test('after failures in a row the upstream is away at once, and comes back by one new try', async (t) => {
  let down = true
  let now = 1_000_000
  const fake = await startFake(t, (_, response) => (down ? send(response, 503) : send(response, 200, {}, MANIFEST)))
  const client = openUpstream(t, [fake.origin], { clock: () => now, breaker: { threshold: 2, first: 5000 } })
  for (let number = 0; number < 2; number += 1) await catchUpstream(client.getManifest(NAME, TAG))
  const error = await catchUpstream(client.getManifest(NAME, TAG))
  t.equal(error.kind, 'unreachable')
  t.equal(error.retryAfter, 5000)
  t.ok(client.isAway)
  t.equal(fake.seen.length, 2, 'the third request never left')
  now += 5000
  down = false
  t.equal((await client.getManifest(NAME, TAG)).digest, hashOf(MANIFEST))
  t.notOk(client.isAway)
  t.equal(client.state[0]?.breaker.state, 'closed')
})

t.test('Retry-After of a 429 keeps manifests away for that long, and blobs go on', async (t) => {
  let now = 1_000_000
  const fake = await startFake(t, ({ url }, response) =>
    url.includes('/manifests/') ? send(response, 429, { 'retry-after': '7' }) : send(response, 200, {}, BLOB),
  )
  const client = openUpstream(t, [fake.origin], { clock: () => now })
  t.equal((await catchUpstream(client.getManifest(NAME, TAG))).retryAfter, 7000)
  const second = await catchUpstream(client.getManifest(NAME, TAG))
  t.match(second, { kind: 'limited', retryAfter: 7000 })
  t.equal(fake.seen.length, 1)
  t.equal(await readAll((await client.getBlob({ repository: NAME, digest: DIGEST })).body), BLOB)
  now += 7001
  await catchUpstream(client.getManifest(NAME, TAG))
  t.equal(fake.seen.length, 3)
})

t.test('the rate that an upstream tells is there to be read', async (t) => {
  const headers = { 'ratelimit-limit': '100;w=21600', 'ratelimit-remaining': '76;w=21600' }
  const fake = await startFake(t, (_, response) => send(response, 200, headers, MANIFEST))
  const client = openUpstream(t, [fake.origin])
  await client.getManifest(NAME, TAG)
  t.same(client.state[0]?.rate, { limit: 100, remaining: 76, window: 21_600 })
})

t.test(
  'an upstream that always says that no request is left is asked on: that it lacks something is an answer',
  async (t) => {
    let now = 1_000_000
    const fake = await startFake(t, (_, response) => send(response, 404, { 'ratelimit-remaining': '0' }))
    const client = openUpstream(t, [fake.origin], { clock: () => now })
    const ask = async (): Promise<string> => (await catchUpstream(client.getManifest(NAME, TAG))).kind
    t.same([await ask(), await ask()], ['notFound', 'limited'])
    now += 30_001
    t.same([await ask(), await ask(), await ask()], ['notFound', 'notFound', 'notFound'])
  },
)

t.test('no more blobs at a time than the concurrency, and manifests do not wait for them', async (t) => {
  const open: (() => void)[] = []
  const fake = await startFake(t, ({ url }, response) => {
    if (url.includes('/manifests/')) send(response, 200, {}, MANIFEST)
    else open.push(() => response.end(BLOB))
    if (!url.includes('/manifests/')) response.writeHead(200).write('')
  })
  const client = openUpstream(t, [fake.origin], { concurrency: 2 })
  const reads = [1, 2, 3].map(async () => {
    const { body } = await client.getBlob({ repository: NAME, digest: DIGEST })
    return readAll(body)
  })
  await client.getManifest(NAME, TAG)
  while (open.length < 2) await client.getManifest(NAME, TAG)
  t.equal(open.length, 2, 'the third waits')
  open.shift()?.()
  await Promise.race(reads)
  while (open.length < 2) await client.getManifest(NAME, TAG)
  for (const finish of open) finish()
  t.same(await Promise.all(reads), [BLOB, BLOB, BLOB])
})

t.test('a destroyed body ends the request and gives its turn on', async (t) => {
  const fake = await startFake(t, (_, response) => void response.writeHead(200).write('x'))
  const client = openUpstream(t, [fake.origin], { concurrency: 1 })
  for (let number = 0; number < 3; number += 1) {
    const { body } = await client.getBlob({ repository: NAME, digest: DIGEST })
    body.destroy()
  }
  t.equal(fake.seen.length, 3)
})

t.test('a caller who leaves gets his own reason, and the upstream is not blamed', async (t) => {
  const controller = new AbortController()
  const reason = new Error('left')
  const fake = await startFake(t, () => controller.abort(reason))
  const client = openUpstream(t, [fake.origin], { breaker: { threshold: 1 } })
  const asked = client.getManifest(NAME, TAG, { signal: controller.signal })
  await t.rejects(asked, reason)
  t.equal(client.state[0]?.breaker.state, 'closed')
})

t.test('a blob that breaks off ends with an error that says how far it came', async (t) => {
  const fake = await startRaw(t, (socket) => {
    socket.write('HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\nabcde', () => socket.destroy())
  })
  const { body } = await openUpstream(t, [fake.origin]).getBlob({ repository: NAME, digest: DIGEST })
  t.equal((await catchUpstream(readAll(body))).kind, 'unreachable')
})

t.test('a path of the url stands before /v2, and one that begins with /v2 before the name', async (t) => {
  const fake = await startFake(t, (_, response) => send(response, 200, {}, MANIFEST))
  await openUpstream(t, [`${fake.origin}/api/docker/quay`]).getManifest(NAME, TAG)
  await openUpstream(t, [`${fake.origin}/v2/quay-proxy/`]).getManifest(NAME, TAG)
  t.same(
    fake.seen.map(({ url }) => url),
    ['/api/docker/quay/v2/team/app/manifests/latest', '/v2/quay-proxy/team/app/manifests/latest'],
  )
})

t.test('the bandwidth bounds the bytes of a blob', async (t) => {
  const fake = await startFake(t, (_, response) => send(response, 200, {}, 'x'.repeat(20_000)))
  const client = openUpstream(t, [fake.origin], { bandwidth: 100_000 })
  const start = performance.now()
  const { body } = await client.getBlob({ repository: NAME, digest: DIGEST })
  await readAll(body)
  t.ok(performance.now() - start > 150, 'a fifth of a second')
})

t.test('a url of plain http needs insecure', async (t) => {
  t.throws(() => openUpstream(t, ['http://registry.test'], { insecure: false }), /plain http/)
})

t.test('R13: a server whose certificate nobody vouches for is unreachable, unless insecure says so', async (t) => {
  const fake = await startFake(t, (_, response) => send(response, 200, {}, MANIFEST), { tls: true })
  const error = await catchUpstream(openUpstream(t, [fake.origin], { ca: [] }).getManifest(NAME, TAG))
  t.equal(error.kind, 'unreachable')
  t.match(error.hint, /ca/)
  t.equal(fake.seen.length, 0)
  const { digest } = await openUpstream(t, [fake.origin], { ca: [], insecure: true }).getManifest(NAME, TAG)
  t.equal(digest, hashOf(MANIFEST))
})
