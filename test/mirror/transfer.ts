import { randomBytes } from 'node:crypto'
import { existsSync, readdirSync, statSync } from 'node:fs'
import { request } from 'node:http'
import { join } from 'node:path'
import t from 'tap'
import { UP, pushLayers, startMirror, startUpstream, until } from '../helpers/mirror.ts'

const blobOf = (digest = '-'): string => `/v2/${UP}/team/app/blobs/${digest}`

/** Reads an answer until it ends or breaks. */
async function stream(url: string): Promise<{ status: number; bytes: Buffer; clean: boolean }> {
  return new Promise((resolve) => {
    request(url, (answer) => {
      const pieces: Buffer[] = []
      const end = (clean: boolean): void =>
        resolve({ status: answer.statusCode ?? 0, bytes: Buffer.concat(pieces), clean })
      answer.on('data', (piece: Buffer) => pieces.push(piece))
      answer.on('error', () => end(false))
      answer.on('end', () => end(true))
    })
      .on('error', () => resolve({ status: 0, bytes: Buffer.alloc(0), clean: false }))
      .end()
  })
}

t.test('the first bytes reach a client before the last ones left the upstream', async (t) => {
  const { client, gateway } = await startUpstream(t)
  const image = await pushLayers(client, 'team/app', [randomBytes(1_000_000)])
  const [digest] = image.layers
  const gate = Promise.withResolvers<void>()
  gateway.hold = ({ url }) => (url.endsWith(digest ?? '-') ? { after: 300_000, until: gate.promise } : undefined)
  const mirror = await startMirror(t, [gateway])
  let received = 0
  const whole = new Promise<void>((resolve) => {
    request(`${mirror.url}${blobOf(digest)}`, (answer) => {
      answer.on('data', (piece: Buffer) => (received += piece.length))
      answer.on('end', resolve)
    }).end()
  })
  await until('all that came was handed on', () => received >= 300_000)
  gate.resolve()
  await whole
  t.equal(received, 1_000_000)
})

t.test('a transfer goes on where it stopped when its connection breaks', async (t) => {
  const { client, gateway } = await startUpstream(t)
  const layer = randomBytes(2_000_000)
  const image = await pushLayers(client, 'team/app', [layer])
  const [digest] = image.layers
  gateway.cutAfter = ({ range }) => (range === undefined ? 700_000 : undefined)
  const mirror = await startMirror(t, [gateway])
  const answer = await mirror.client.send('GET', blobOf(digest))
  t.ok(answer.body.equals(layer))
  t.match(
    gateway.seen.filter(({ url }) => url.endsWith(digest ?? '-')),
    [{}, { range: /^bytes=\d+-$/ }],
  )
  t.ok(gateway.blobBytes() <= layer.length * 1.1, `${gateway.blobBytes()} bytes came`)
})

t.test('an upstream that dies in the middle and comes back ends the blob', async (t) => {
  const { client, gateway } = await startUpstream(t)
  const layer = randomBytes(2_000_000)
  const image = await pushLayers(client, 'team/app', [layer])
  const [digest] = image.layers
  gateway.hold = ({ url, range }) =>
    url.endsWith(digest ?? '-') && range === undefined
      ? { after: 900_000, until: new Promise(() => undefined) }
      : undefined
  const mirror = await startMirror(t, [gateway])
  const answer = stream(`${mirror.url}${blobOf(digest)}`)
  await until('it is under way', () => gateway.blobBytes() >= 900_000)
  await gateway.down()
  setTimeout(() => void gateway.up(), 500)
  const { bytes, clean } = await answer
  t.ok(clean)
  t.ok(bytes.equals(layer))
  t.ok(gateway.blobBytes() <= layer.length * 1.1, `${gateway.blobBytes()} bytes came`)
})

t.test('the rest comes from the next address when the first one dies', async (t) => {
  const { client, gateway } = await startUpstream(t)
  const { gateway: second, client: other } = await startUpstream(t)
  const layer = randomBytes(2_000_000)
  const image = await pushLayers(client, 'team/app', [layer])
  await pushLayers(other, 'team/app', [layer])
  const [digest] = image.layers
  gateway.cutAfter = () => 600_000
  gateway.hook = ({ range }, response) => (range === undefined ? undefined : (response.destroy(), true))
  const mirror = await startMirror(t, [gateway, second])
  const answer = await mirror.client.send('GET', blobOf(digest))
  t.ok(answer.body.equals(layer))
  t.match(second.seen.find(({ url }) => url.endsWith(digest ?? '-'))?.range, /^bytes=/)
})

t.test('an upstream that knows no Range begins again and the client gets each byte once', async (t) => {
  const { client, gateway } = await startUpstream(t)
  const layer = randomBytes(1_500_000)
  const image = await pushLayers(client, 'team/app', [layer])
  const [digest] = image.layers
  let first = true
  gateway.hook = ({ range, url }, response) => {
    if (!url.endsWith(digest ?? '-')) return undefined
    response.writeHead(200, { 'content-length': layer.length })
    if (range === undefined && first) response.write(layer.subarray(0, 500_000), () => response.destroy())
    else response.end(layer)
    first = false
    return true
  }
  const mirror = await startMirror(t, [gateway])
  t.ok((await mirror.client.send('GET', blobOf(digest))).body.equals(layer))
})

t.test('wrong bytes never end cleanly, and nothing of them is kept', async (t) => {
  const { client, gateway } = await startUpstream(t)
  const layer = randomBytes(800_000)
  const image = await pushLayers(client, 'team/app', [layer])
  const [digest] = image.layers
  let spoilt = 0
  gateway.spoil = ({ url }, bytes) => {
    if (!url.endsWith(digest ?? '-') || spoilt > 0) return bytes
    spoilt += 1
    const copy = Buffer.from(bytes)
    copy[0] = (copy[0] ?? 0) ^ 1
    return copy
  }
  const mirror = await startMirror(t, [gateway])
  const results = await Promise.all([1, 2, 3].map(() => stream(`${mirror.url}${blobOf(digest)}`)))
  for (const { clean } of results) t.notOk(clean)
  t.equal(spoilt, 1)
  t.same(readdirSync(join(mirror.data, '.tarn/tmp/mirror/blobs')), [])
  t.notOk(existsSync(join(mirror.data, 'docker/registry/v2/blobs')))
})

t.test('an address that gave wrong bytes is passed over, and the next one gives them right', async (t) => {
  const { client, gateway } = await startUpstream(t)
  const { gateway: second, client: other } = await startUpstream(t)
  const layer = randomBytes(300_000)
  const image = await pushLayers(client, 'team/app', [layer])
  await pushLayers(other, 'team/app', [layer])
  const [digest] = image.layers
  gateway.spoil = (_, bytes) => Buffer.alloc(bytes.length)
  const mirror = await startMirror(t, [gateway, second])
  t.notOk((await stream(`${mirror.url}${blobOf(digest)}`)).clean)
  const again = await mirror.client.send('GET', blobOf(digest))
  t.ok(again.body.equals(layer))
})

t.test('a Range of what is still coming is answered from it, its end only when all is right', async (t) => {
  const { client, gateway } = await startUpstream(t)
  const layer = randomBytes(1_000_000)
  const image = await pushLayers(client, 'team/app', [layer])
  const [digest] = image.layers
  const gate = Promise.withResolvers<void>()
  gateway.hold = ({ url }) => (url.endsWith(digest ?? '-') ? { after: 500_000, until: gate.promise } : undefined)
  const mirror = await startMirror(t, [gateway])
  let received = 0
  const part = new Promise<Buffer>((resolve) => {
    request(`${mirror.url}${blobOf(digest)}`, { headers: { range: 'bytes=100000-299999' } }, (answer) => {
      t.equal(answer.statusCode, 206)
      const pieces: Buffer[] = []
      answer.on('data', (piece: Buffer) => {
        received += piece.length
        pieces.push(piece)
      })
      answer.on('end', () => resolve(Buffer.concat(pieces)))
    }).end()
  })
  await until('most of the part is here', () => received === 200_000 - 65_536)
  gate.resolve()
  t.ok((await part).equals(layer.subarray(100_000, 300_000)))
})

t.test('a transfer outlives the client that began it', async (t) => {
  const { client, gateway } = await startUpstream(t)
  const layer = randomBytes(1_000_000)
  const image = await pushLayers(client, 'team/app', [layer])
  const [digest] = image.layers
  const gate = Promise.withResolvers<void>()
  gateway.hold = ({ url }) => (url.endsWith(digest ?? '-') ? { after: 500_000, until: gate.promise } : undefined)
  const mirror = await startMirror(t, [gateway])
  await new Promise<void>((resolve) => {
    const leaving = request(`${mirror.url}${blobOf(digest)}`, (answer) => {
      answer.once('data', () => leaving.destroy())
      answer.on('error', () => undefined)
    })
    leaving.on('error', () => undefined)
    leaving.on('close', resolve)
    leaving.end()
  })
  gate.resolve()
  const answer = await mirror.client.send('GET', blobOf(digest))
  t.ok(answer.body.equals(layer))
  t.equal(gateway.count(`GET /v2/team/app/blobs/${digest}`), 1)
})

t.test('what a mirror had of a blob when it ended is not read again by the next one', async (t) => {
  const { client, gateway } = await startUpstream(t)
  const layer = randomBytes(2_000_000)
  const image = await pushLayers(client, 'team/app', [layer], { reference: 'one' })
  const [digest] = image.layers
  gateway.hold = ({ url, range }) =>
    url.endsWith(digest ?? '-') && range === undefined
      ? { after: 1_200_000, until: new Promise(() => undefined) }
      : undefined
  const first = await startMirror(t, [gateway])
  await first.client.send('GET', `/v2/${UP}/team/app/manifests/one`)
  const partial = join(first.data, '.tarn/tmp/mirror/blobs', (digest ?? '').replace(':', '-'))
  await until(
    'what left the upstream is here',
    () => (statSync(partial, { throwIfNoEntry: false })?.size ?? 0) >= 1_200_000,
  )
  await first.close()
  const second = await startMirror(t, [gateway], { directory: first.directory })
  const tag = join(second.data, `docker/registry/v2/repositories/${UP}/team/app/_manifests/tags/one/current/link`)
  await until('the image was taken up and is whole', () => existsSync(tag))
  t.ok(gateway.blobBytes() <= layer.length * 1.1, `${gateway.blobBytes()} bytes came`)
  await gateway.down()
  t.ok((await second.client.send('GET', blobOf(digest))).body.equals(layer))
})

t.test('a blob that another repository has is linked, not fetched, when the upstream confirms it', async (t) => {
  const { client, gateway } = await startUpstream(t)
  const layer = randomBytes(500_000)
  await pushLayers(client, 'team/base', [layer], { reference: 'one' })
  const image = await pushLayers(client, 'team/app', [layer], { reference: 'one' })
  const [digest] = image.layers
  const mirror = await startMirror(t, [gateway])
  await mirror.client.send('GET', `/v2/${UP}/team/base/blobs/${digest}`)
  t.equal((await mirror.client.send('GET', blobOf(digest))).status, 200)
  t.equal(gateway.count(`GET /v2/team/base/blobs/${digest}`), 1)
  t.equal(gateway.count(`HEAD /v2/team/app/blobs/${digest}`), 1)
  t.equal(gateway.count(`GET /v2/team/app/blobs/${digest}`), 0)
})

t.test('R9: a blob that is here under another repository is nobody else’s by its digest alone', async (t) => {
  const { client, gateway } = await startUpstream(t)
  const image = await pushLayers(client, 'team/secret', [randomBytes(1000)], { reference: 'one' })
  const [digest] = image.layers
  const mirror = await startMirror(t, [gateway])
  await mirror.client.send('GET', `/v2/${UP}/team/secret/blobs/${digest}`)
  const answer = await mirror.client.send('GET', blobOf(digest))
  t.equal(answer.status, 404)
})
