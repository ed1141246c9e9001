// §2C "Content": an upstream that sends the wrong bytes. Whatever it does, nothing of them is kept, no client is given
// them as a whole answer, no tag names them, and what was pushed here stays.
import { randomBytes } from 'node:crypto'
import type { ServerResponse } from 'node:http'
import { gzipSync } from 'node:zlib'
import t from 'tap'
import type { Test } from 'tap'
import type { Twist, Victim } from '../helpers/liar.ts'
import { ask, checkMine, isStored, startVictim, tagsHere } from '../helpers/liar.ts'
import { until } from '../helpers/mirror.ts'
import { OCI_INDEX, OCI_MANIFEST } from '../helpers/push.ts'

// More than what is withheld until the digest is right.
const LAYER = randomBytes(300_000)
const WRONG = Buffer.from(LAYER)
WRONG[LAYER.length - 1] = (WRONG.at(-1) ?? 0) ^ 1
const EARLY = Buffer.from(LAYER)
EARLY[0] = (EARLY[0] ?? 0) ^ 1

const whole = (response: ServerResponse, bytes: Buffer, headers: Record<string, string | number> = {}): true => {
  response.writeHead(200, { 'content-type': 'application/octet-stream', 'content-length': bytes.length, ...headers })
  response.end(bytes)
  return true
}

const BLOBS: Readonly<Record<string, (response: ServerResponse) => true>> = {
  'whose last bit is wrong': (response) => whole(response, WRONG),
  'whose first bit is wrong': (response) => whole(response, EARLY),
  'that is another blob of the same length': (response) => whole(response, randomBytes(LAYER.length)),
  'that is all zeros': (response) => whole(response, Buffer.alloc(LAYER.length)),
  'that is shorter than the manifest says': (response) => whole(response, LAYER.subarray(0, -1)),
  'that is one byte longer': (response) => whole(response, Buffer.concat([LAYER, Buffer.alloc(1)])),
  'that is empty': (response) => whole(response, Buffer.alloc(0)),
  'that is a page': (response) => whole(response, Buffer.from('<html>log in</html>'), { 'content-type': 'text/html' }),
  'that is compressed on the way (R35)': (response) => whole(response, gzipSync(LAYER), { 'content-encoding': 'gzip' }),
  'that calls itself identity and gzip': (response) => whole(response, LAYER, { 'content-encoding': 'identity, gzip' }),
  'in chunks, longer than the manifest says': (response) => {
    response.writeHead(200)
    response.write(LAYER)
    response.end(Buffer.alloc(100_000))
    return true
  },
  'in chunks, with the wrong end': (response) => {
    response.writeHead(200)
    response.end(WRONG)
    return true
  },
  'as a part that nobody asked for': (response) => {
    response.writeHead(206, { 'content-range': `bytes 0-99/${LAYER.length}`, 'content-length': 100 })
    response.end(LAYER.subarray(0, 100))
    return true
  },
  'with status 203 and the wrong bytes': (response) => {
    response.writeHead(203, { 'content-length': WRONG.length })
    response.end(WRONG)
    return true
  },
}

const isBlob: (digest: string, twist: (response: ServerResponse) => true) => Twist =
  (digest, twist) =>
  ({ url, method }, response) =>
    method === 'GET' && url.includes('/blobs/') && decodeURIComponent(url).endsWith(digest) && twist(response)

async function checkNothing(t: Test, victim: Victim, digest: string): Promise<void> {
  t.notOk(isStored(victim, digest), 'nothing of it is in the blob store')
  t.same(tagsHere(victim), ['mine'], 'no tag but the pushed one')
  await checkMine(t, victim)
}

for (const [what, twist] of Object.entries(BLOBS)) {
  t.test(`a blob ${what} is neither kept nor delivered whole`, async (t) => {
    const victim = await startVictim(t)
    const { stock, mirror, log } = victim
    const layer = stock.blob(LAYER)
    stock.image(['latest'], [layer])
    stock.twist = isBlob(layer.digest, twist)
    t.equal((await ask(mirror.client, 'manifests/latest')).status, 200)
    const { clean, status } = await ask(mirror.client, `blobs/${layer.digest}`)
    t.ok(!clean || status >= 400, `the client was given ${status}`)
    await until('the transfer is given up', () => log().includes('blob not fetched from upstream'))
    await checkNothing(t, victim, layer.digest)
  })
}

t.test('a blob that changes in the middle, between two parts, is not kept', async (t) => {
  const victim = await startVictim(t)
  const { stock, mirror, log } = victim
  const layer = stock.blob(LAYER)
  let asked = 0
  stock.twist = isBlob(layer.digest, (response) => {
    asked += 1
    if (asked === 1) {
      response.writeHead(200, { 'content-length': LAYER.length })
      response.write(LAYER.subarray(0, 150_000), () => response.destroy())
      return true
    }
    response.writeHead(206, {
      'content-range': `bytes 150000-${LAYER.length - 1}/${LAYER.length}`,
      'content-length': LAYER.length - 150_000,
    })
    response.end(randomBytes(LAYER.length - 150_000))
    return true
  })
  const { clean, status } = await ask(mirror.client, `blobs/${layer.digest}`)
  t.ok(!clean || status >= 400)
  await until('the transfer is given up', () => log().includes('blob not fetched from upstream'))
  await checkNothing(t, victim, layer.digest)
})

for (const [what, range] of Object.entries({
  'a later place': `bytes 150001-${LAYER.length - 1}/${LAYER.length}`,
  'an earlier place': `bytes 149999-${LAYER.length - 2}/${LAYER.length}`,
  'a blob of another size': `bytes 150000-${LAYER.length - 1}/${LAYER.length + 1}`,
  nowhere: 'bytes */*',
})) {
  t.test(`a part that is said to be of ${what} is not put behind the first part`, async (t) => {
    const victim = await startVictim(t)
    const { stock, mirror, log } = victim
    const layer = stock.blob(LAYER)
    let asked = 0
    stock.twist = isBlob(layer.digest, (response) => {
      asked += 1
      const isFirst = asked === 1
      response.writeHead(isFirst ? 200 : 206, {
        'content-length': isFirst ? LAYER.length : LAYER.length - 150_000,
        ...(!isFirst && { 'content-range': range }),
      })
      if (isFirst) response.write(LAYER.subarray(0, 150_000), () => response.destroy())
      else response.end(randomBytes(LAYER.length - 150_000))
      return true
    })
    const { clean, status } = await ask(mirror.client, `blobs/${layer.digest}`)
    t.ok(!clean || status >= 400)
    await until('the transfer is given up', () => log().includes('blob not fetched from upstream'))
    await checkNothing(t, victim, layer.digest)
  })
}

t.test('a HEAD that promises a blob which GET does not have leaves no torn push behind', async (t) => {
  const victim = await startVictim(t)
  const { stock, mirror } = victim
  const layer = stock.blob(LAYER)
  stock.twist = isBlob(layer.digest, (response) => {
    response.writeHead(404).end()
    return true
  })
  await ask(mirror.client, `blobs/${layer.digest}`, 'HEAD')
  const config = stock.blob(Buffer.from('{}'), 'application/vnd.oci.image.config.v1+json')
  const body = JSON.stringify({ schemaVersion: 2, mediaType: OCI_MANIFEST, config, layers: [layer] })
  const put = await mirror.client.send('PUT', '/v2/up.test/team/app/manifests/torn', {
    headers: { 'content-type': OCI_MANIFEST },
    body,
  })
  t.match(put.body.toString(), /MANIFEST_BLOB_UNKNOWN/)
  await checkNothing(t, victim, layer.digest)
})

const MANIFESTS: Readonly<Record<string, (response: ServerResponse) => true>> = {
  'the wrong bytes': (response: ServerResponse) =>
    whole(response, Buffer.from('{"schemaVersion":2}'), { 'content-type': OCI_MANIFEST }),
  'the right bytes and a byte more': (response: ServerResponse) =>
    whole(response, Buffer.from(`${JSON.stringify({ schemaVersion: 2 })} `), { 'content-type': OCI_MANIFEST }),
  nothing: (response: ServerResponse) => whole(response, Buffer.alloc(0), { 'content-type': OCI_MANIFEST }),
  'a page': (response: ServerResponse) => whole(response, Buffer.from('<html>'), { 'content-type': 'text/html' }),
  'an index in its place': (response: ServerResponse) =>
    whole(response, Buffer.from(`{"schemaVersion":2,"manifests":[]}`), { 'content-type': OCI_INDEX }),
}

for (const [what, twist] of Object.entries(MANIFESTS)) {
  t.test(`a manifest by digest that comes as ${what} is refused`, async (t) => {
    const victim = await startVictim(t)
    const { stock, mirror } = victim
    const { digest } = stock.image([], [])
    stock.twist = ({ url }, response) => url.includes('/manifests/') && twist(response)
    const { status, text } = await ask(mirror.client, `manifests/${digest}`)
    t.ok(status === 404 || status === 503, `the client was given ${status}`)
    t.notMatch(text, /<html>/)
    await checkNothing(t, victim, digest)
  })
}

t.test('a tag whose manifest is not what Docker-Content-Digest says is refused', async (t) => {
  const victim = await startVictim(t)
  const { stock, mirror } = victim
  const { digest } = stock.image(['latest'], [])
  stock.twist = ({ url }, response) => {
    if (!url.includes('/manifests/latest')) return false
    response.setHeader('docker-content-digest', `sha256:${'a'.repeat(64)}`)
    return whole(response, Buffer.from('{"schemaVersion":2}'), {
      'content-type': OCI_MANIFEST,
      'docker-content-digest': digest,
    })
  }
  t.equal((await ask(mirror.client, 'manifests/latest')).status, 503)
  await checkNothing(t, victim, digest)
})
