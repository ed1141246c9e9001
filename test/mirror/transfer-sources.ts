// Blobs for which several repositories, addresses or lives are at hand.
import { randomBytes } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import type { Test } from 'tap'
import { hashOf } from '../helpers/digest.ts'
import type { Gateway } from '../helpers/gateway.ts'
import { UP, pushLayers, startMirror, startUpstream, until } from '../helpers/mirror.ts'
import { pushBlob } from '../helpers/push.ts'

const APP = `/v2/${UP}/team/app`
const PATIENCE = { parts: { upstream: { patience: { first: 300, later: 300 } } } }

const linkOf = (data: string, repo: string, digest: string): string =>
  join(data, `docker/registry/v2/repositories/${UP}/${repo}/_layers/sha256/${digest.slice(7)}/link`)
const tagOf = (data: string, tag: string): string =>
  join(data, `docker/registry/v2/repositories/${UP}/team/app/_manifests/tags/${tag}/current/link`)
const partialOf = (data: string, digest: string): string =>
  join(data, '.tarn/tmp/mirror/blobs', digest.replace(':', '-'))

async function startBlob(t: Test, bytes: number, repo = 'team/app') {
  const { client, gateway } = await startUpstream(t)
  const blob = randomBytes(bytes)
  return { client, gateway, blob, digest: await pushBlob(client, repo, blob) }
}

/** Answers GETs of blobs with garbage that breaks off. */
function breakOffWithGarbage(gateway: Gateway, size: number): void {
  gateway.hook = ({ method, range }, response) => {
    if (method === 'HEAD') response.writeHead(200, { 'content-length': size }).end()
    else if (range !== undefined) response.writeHead(503).end()
    else response.writeHead(200, { 'content-length': size }).write(randomBytes(size / 8), () => response.destroy())
    return true
  }
}

t.test('what a hostile upstream began of a digest does not keep an honest one from giving it', async (t) => {
  const { gateway, blob, digest } = await startBlob(t, 800_000)
  const { gateway: evil } = await startUpstream(t)
  breakOffWithGarbage(evil, blob.length)
  const upstreams = [
    { host: UP, url: [gateway.origin], insecure: true },
    { host: 'evil.test', url: [evil.origin], insecure: true },
  ]
  const mirror = await startMirror(t, [gateway], { ...PATIENCE, mirror: { upstreams } })
  await mirror.client.send('GET', `/v2/evil.test/x/blobs/${digest}`).catch(() => undefined)
  await until('it is right', async () => {
    const answer = await mirror.client.send('GET', `${APP}/blobs/${digest}`).catch(() => undefined)
    return answer?.body.equals(blob) === true
  })
})

t.test('wrong bytes of the first address do not give an image up that the second has', async (t) => {
  const { client, gateway } = await startUpstream(t)
  const { client: other, gateway: second } = await startUpstream(t)
  const layer = randomBytes(300_000)
  await pushLayers(client, 'team/app', [layer], { reference: 'one' })
  const image = await pushLayers(other, 'team/app', [layer], { reference: 'one' })
  gateway.spoil = ({ url }, bytes) => (url.endsWith(image.layers[0] ?? '-') ? Buffer.alloc(bytes.length) : bytes)
  const mirror = await startMirror(t, [gateway, second], { upstream: { referrers: false } })
  await mirror.client.send('GET', `${APP}/manifests/one`)
  await until('it is whole', () => existsSync(tagOf(mirror.data, 'one')))
})

t.test('a repository whose upstream has no such blob gets none that another one waits for', async (t) => {
  const { gateway, digest } = await startBlob(t, 200_000, 'secret/app')
  const gate = Promise.withResolvers<void>()
  gateway.hook = ({ url, method }, response) => {
    if (!url.startsWith('/v2/open/app/blobs/') || method !== 'GET') return undefined
    void gate.promise.then(() => response.writeHead(404).end())
    return true
  }
  const mirror = await startMirror(t, [gateway])
  const open = mirror.client.send('GET', `/v2/${UP}/open/app/blobs/${digest}`)
  await until('the first asks', () => gateway.count('GET /v2/open/app/blobs/') > 0)
  const secret = mirror.client.send('GET', `/v2/${UP}/secret/app/blobs/${digest}`)
  await until('the second asks', () => gateway.count('HEAD /v2/secret/app/blobs/') > 0)
  gate.resolve()
  t.equal((await open).status, 404)
  t.equal((await secret).status, 200)
  await until('it is linked', () => existsSync(linkOf(mirror.data, 'secret/app', digest)))
  t.notOk(existsSync(linkOf(mirror.data, 'open/app', digest)))
})

t.test('a transfer that ends while another repository asks about its blob is not made twice', async (t) => {
  const { client, gateway, blob, digest } = await startBlob(t, 1_000_000, 'a/app')
  await pushBlob(client, 'b/app', blob)
  const [body, head] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
  gateway.hold = ({ url }) => (url.startsWith('/v2/a/app/blobs/') ? { after: 500_000, until: body.promise } : undefined)
  gateway.hook = ({ url, method }, response) => {
    if (method !== 'HEAD' || !url.startsWith('/v2/b/app/')) return undefined
    void head.promise.then(() => response.writeHead(200, { 'content-length': blob.length }).end())
    return true
  }
  const mirror = await startMirror(t, [gateway])
  const first = mirror.client.send('GET', `/v2/${UP}/a/app/blobs/${digest}`)
  await until('it is on its way', () => gateway.blobBytes() >= 500_000)
  const second = mirror.client.send('GET', `/v2/${UP}/b/app/blobs/${digest}`)
  await until('the other asks', () => gateway.count('HEAD /v2/b/app/') > 0)
  body.resolve()
  await first
  await until('it is here', () => !existsSync(partialOf(mirror.data, digest)))
  head.resolve()
  t.equal((await second).status, 200)
  t.equal(gateway.blobBytes(), blob.length)
})

t.test('questions about what is nowhere leave no files', async (t) => {
  const { gateway } = await startUpstream(t)
  const mirror = await startMirror(t, [gateway])
  for (let i = 0; i < 5; i += 1) await mirror.client.send('HEAD', `${APP}/blobs/${hashOf(`no ${i}`)}`)
  await until('none is left', () => readdirSync(join(mirror.data, '.tarn/tmp/mirror/blobs')).length === 0)
})

t.test('a whole file of an earlier life is the blob', async (t) => {
  const { gateway, blob, digest } = await startBlob(t, 100_000)
  const mirror = await startMirror(t, [gateway])
  mkdirSync(join(mirror.data, '.tarn/tmp/mirror/blobs'), { recursive: true })
  writeFileSync(partialOf(mirror.data, digest), blob)
  const answer = await mirror.client.send('GET', `${APP}/blobs/${digest}`)
  t.ok(answer.body.equals(blob))
  t.equal(gateway.blobBytes(), 0)
})

t.test('a file of an earlier life that is too long is begun anew', async (t) => {
  const { gateway, blob, digest } = await startBlob(t, 100_000)
  const mirror = await startMirror(t, [gateway])
  mkdirSync(join(mirror.data, '.tarn/tmp/mirror/blobs'), { recursive: true })
  writeFileSync(partialOf(mirror.data, digest), Buffer.concat([blob, blob]))
  const answer = await mirror.client.send('GET', `${APP}/blobs/${digest}`)
  t.ok(answer.body.equals(blob))
})

t.test('an upstream that gives parts shorter than asked for is asked for the rest', async (t) => {
  const { gateway, blob, digest } = await startBlob(t, 500_000)
  gateway.hook = ({ url, range }, response) => {
    if (!url.endsWith(digest)) return undefined
    if (range === undefined) {
      response.writeHead(200, { 'content-length': blob.length })
      response.write(blob.subarray(0, 100_000), () => response.destroy())
      return true
    }
    const from = Number(/\d+/.exec(range)?.[0])
    const to = Math.min(blob.length, from + 150_000)
    const headers = { 'content-length': to - from, 'content-range': `bytes ${from}-${to - 1}/${blob.length}` }
    response.writeHead(206, headers).end(blob.subarray(from, to))
    return true
  }
  const mirror = await startMirror(t, [gateway])
  t.ok((await mirror.client.send('GET', `${APP}/blobs/${digest}`)).body.equals(blob))
})

t.test('a transfer under way is handed out though its upstream counts as away', async (t) => {
  const { gateway, blob, digest } = await startBlob(t, 1_000_000)
  gateway.hold = ({ range }) =>
    range === undefined ? { after: 500_000, until: new Promise(() => undefined) } : undefined
  const mirror = await startMirror(t, [gateway])
  const whole = mirror.client.send('GET', `${APP}/blobs/${digest}`)
  await until('it is on its way', () => gateway.blobBytes() >= 500_000)
  await gateway.down()
  await until('it counts as away', async () => {
    const { status } = await mirror.client.send('GET', `${APP}/manifests/none`)
    return status === 404
  })
  const part = mirror.client.send('GET', `${APP}/blobs/${digest}`, { headers: { range: 'bytes=0-99' } })
  await gateway.up()
  t.ok((await whole).body.equals(blob))
  t.ok((await part).body.equals(blob.subarray(0, 100)))
})

t.test('a process that lost the lock ends its transfers, and never stores what two wrote', async (t) => {
  const { gateway, blob, digest } = await startBlob(t, 3_000_000)
  const gate = Promise.withResolvers<void>()
  gateway.hold = () => ({ after: 1_000_000, until: gate.promise })
  const mirror = await startMirror(t, [gateway])
  const first = mirror.client.send('GET', `${APP}/blobs/${digest}`).then(
    ({ body }) => hashOf(body) === digest,
    () => 'cut',
  )
  await until('it is on its way', () => gateway.blobBytes() >= 1_000_000)
  const own = join(mirror.data, '.tarn')
  for (const name of readdirSync(own).filter((entry) => entry.startsWith('lock-'))) rmSync(join(own, name))
  const second = await startMirror(t, [gateway], { directory: mirror.directory })
  const again = second.client.send('GET', `${APP}/blobs/${digest}`).then(
    ({ body, status }) => status !== 200 || hashOf(body) === digest,
    () => 'cut',
  )
  gate.resolve()
  t.not(await first, false)
  t.not(await again, false)
  const stored = join(mirror.data, 'docker/registry/v2/blobs/sha256', digest.slice(7, 9), digest.slice(7), 'data')
  if (existsSync(stored)) t.ok(readFileSync(stored).equals(blob))
})
