// Bytes, lengths and lists of a hostile upstream (R20, R25, R26, R27, R35): nothing that is not what it is said to be
// comes out of the client.
import t from 'tap'
import type { Test } from 'tap'
import { parseDigest } from '../../src/oci/digest.ts'
import { parseRepositoryName } from '../../src/oci/name.ts'
import { parseReference } from '../../src/oci/reference.ts'
import { hashOf } from '../helpers/digest.ts'
import { catchUpstream, openUpstream, send, sendJson, startFake, startRaw } from '../helpers/upstream.ts'

const NAME = parseRepositoryName('team/app')
const TAG = parseReference('latest')
const GOOD = '{"schemaVersion":2}'
const BLOB = 'twenty bytes of blob'
const DIGEST = parseDigest(hashOf(BLOB))
const INDEX = 'application/vnd.oci.image.index.v1+json'
const WRONG = hashOf('something else')

async function drain(stream: AsyncIterable<Buffer>): Promise<Buffer> {
  const pieces: Buffer[] = []
  for await (const piece of stream) pieces.push(piece)
  return Buffer.concat(pieces)
}

const MANIFESTS: Readonly<Record<string, { reference?: string; headers?: Record<string, string>; status?: number }>> = {
  'has other bytes than the digest asked for': { reference: WRONG },
  'has other bytes than the sha512 digest asked for': { reference: hashOf('x', 'sha512') },
  'has other bytes than the digest in its header': { headers: { 'docker-content-digest': WRONG } },
  'has other bytes than the sha512 digest in its header': {
    headers: { 'docker-content-digest': hashOf('x', 'sha512') },
  },
  'comes right but with a wrong digest in its header': {
    reference: hashOf(GOOD),
    headers: { 'docker-content-digest': WRONG },
  },
  'has a digest in its header that is a path': { headers: { 'docker-content-digest': '../../etc/passwd' } },
  'has a digest in its header in capitals': { headers: { 'docker-content-digest': hashOf(GOOD).toUpperCase() } },
  'has a digest in its header of another algorithm': { headers: { 'docker-content-digest': 'md5:0' } },
  'comes in part': { status: 206, headers: { 'content-range': 'bytes 0-18/19' } },
}

for (const [what, { reference = 'latest', headers = {}, status = 200 }] of Object.entries(MANIFESTS)) {
  t.test(`a manifest that ${what} is not taken`, async (t) => {
    const fake = await startFake(t, (_, response) => send(response, status, headers, GOOD))
    const asked = openUpstream(t, [fake.origin]).getManifest(NAME, parseReference(reference))
    t.equal((await catchUpstream(asked)).kind, 'invalid')
  })
}

t.test('a manifest with two digests in its headers is not taken', async (t) => {
  const fake = await startFake(t, (_, response) => {
    response.setHeader('docker-content-digest', [hashOf(GOOD), WRONG])
    response.end(GOOD)
  })
  t.equal((await catchUpstream(openUpstream(t, [fake.origin]).getManifest(NAME, TAG))).kind, 'invalid')
})

t.test('a HEAD that answers another digest than asked for is not taken', async (t) => {
  const fake = await startFake(t, (_, response) => send(response, 200, { 'docker-content-digest': WRONG }))
  const asked = openUpstream(t, [fake.origin]).headManifest(NAME, parseReference(hashOf(GOOD)))
  t.equal((await catchUpstream(asked)).kind, 'invalid')
})

for (const encoding of ['gzip', 'br', 'zstd', 'deflate', 'x-unknown', 'gzip, gzip, gzip', 'identity, gzip', 'GZIP']) {
  t.test(`R35: Content-Encoding ${encoding} is refused on manifests and blobs`, async (t) => {
    const fake = await startFake(t, (_, response) => send(response, 200, { 'content-encoding': encoding }, GOOD))
    const client = openUpstream(t, [fake.origin])
    t.equal((await catchUpstream(client.getManifest(NAME, TAG))).kind, 'invalid')
    t.equal((await catchUpstream(client.getBlob({ repository: NAME, digest: DIGEST }))).kind, 'invalid')
    t.equal(fake.seen[0]?.headers['accept-encoding'], 'identity')
  })
}

t.test('R35: Content-Encoding identity is none', async (t) => {
  const fake = await startFake(t, (_, response) => send(response, 200, { 'content-encoding': 'Identity' }, GOOD))
  t.equal((await openUpstream(t, [fake.origin]).getManifest(NAME, TAG)).bytes.toString(), GOOD)
})

interface BlobCase {
  readonly status?: number
  readonly headers?: Record<string, string>
  readonly body?: string
  readonly offset?: number
  readonly size?: number
}

const REFUSED_AT_ONCE: Readonly<Record<string, BlobCase>> = {
  'of another length than its descriptor says': { headers: { 'content-length': '19' }, body: BLOB.slice(1), size: 20 },
  'larger than any may be': { headers: { 'content-length': '9999999' } },
  'that is a part when the whole was asked for': { status: 206, headers: { 'content-range': 'bytes 0-19/20' } },
  'that is a part without Content-Range': { status: 206, offset: 5 },
  'that is a part from another place': { status: 206, offset: 5, headers: { 'content-range': 'bytes 4-19/20' } },
  'that is a part from the beginning': { status: 206, offset: 5, headers: { 'content-range': 'bytes 0-19/20' } },
  'that is a part that ends before it begins': {
    status: 206,
    offset: 5,
    headers: { 'content-range': 'bytes 5-4/20' },
  },
  'that is a part that ends behind the whole': {
    status: 206,
    offset: 5,
    headers: { 'content-range': 'bytes 5-20/20' },
  },
  'that is a part of another whole': {
    status: 206,
    offset: 5,
    size: 20,
    headers: { 'content-range': 'bytes 5-29/30' },
  },
  'that is a part of something huge': {
    status: 206,
    offset: 5,
    headers: { 'content-range': 'bytes 5-9/999999999999999' },
  },
  'that is a part with endless numbers': {
    status: 206,
    offset: 5,
    headers: { 'content-range': `bytes 5-${'9'.repeat(400)}/*` },
  },
  'that is a part in another unit': { status: 206, offset: 5, headers: { 'content-range': 'items 5-19/20' } },
  'that is a part with a sign': { status: 206, offset: 5, headers: { 'content-range': 'bytes +5-19/20' } },
  'in several parts': { status: 206, offset: 5, headers: { 'content-type': 'multipart/byteranges; boundary=x' } },
  'whose part has another length than it says': {
    status: 206,
    offset: 5,
    headers: { 'content-range': 'bytes 5-19/20', 'content-length': '14' },
    body: BLOB.slice(6),
  },
}

for (const [what, { status = 200, headers = {}, body = '', offset = 0, size }] of Object.entries(REFUSED_AT_ONCE)) {
  t.test(`a blob ${what} is refused before its bytes`, async (t) => {
    const fake = await startFake(t, (_, response) => send(response, status, headers, body))
    const client = openUpstream(t, [fake.origin], { limits: { blobBytes: 1_000_000 } })
    const asked = client.getBlob({ repository: NAME, digest: DIGEST, offset, ...(size !== undefined && { size }) })
    t.equal((await catchUpstream(asked)).kind, 'invalid')
  })
}

t.test('a blob without a length that goes on behind its size is cut off at once', async (t) => {
  const fake = await startFake(t, (_, response) => {
    response.writeHead(200)
    response.write(BLOB)
    response.end('more')
  })
  const { body } = await openUpstream(t, [fake.origin]).getBlob({ repository: NAME, digest: DIGEST, size: 20 })
  t.equal((await catchUpstream(drain(body))).kind, 'invalid')
})

t.test('a part without a length that goes on behind its end is cut off', async (t) => {
  const fake = await startFake(t, (_, response) => {
    response.writeHead(206, { 'content-range': 'bytes 5-19/20' })
    response.end(`${BLOB}more`)
  })
  const { body } = await openUpstream(t, [fake.origin]).getBlob({ repository: NAME, digest: DIGEST, offset: 5 })
  t.equal((await catchUpstream(drain(body))).kind, 'invalid')
})

t.test('a blob without a length that ends before its size does not end cleanly', async (t) => {
  const fake = await startFake(t, (_, response) => {
    response.writeHead(200)
    response.end(BLOB.slice(0, 10))
  })
  const { body } = await openUpstream(t, [fake.origin]).getBlob({ repository: NAME, digest: DIGEST, size: 20 })
  const error = await catchUpstream(drain(body))
  t.equal(error.kind, 'unreachable')
  t.match(error.message, /10 of 20 bytes/)
})

t.test('an endless blob is cut off at the cap', async (t) => {
  const fake = await startFake(t, (_, response) => {
    const pump = (): void => {
      while (!response.destroyed && response.write('x'.repeat(65_536)));
      if (!response.destroyed) response.once('drain', pump)
    }
    pump()
  })
  const client = openUpstream(t, [fake.origin], { limits: { blobBytes: 1_000_000 } })
  const { body } = await client.getBlob({ repository: NAME, digest: DIGEST })
  let received = 0
  const error = await catchUpstream(
    (async () => {
      for await (const piece of body as AsyncIterable<Buffer>) received += piece.length
    })(),
  )
  t.equal(error.kind, 'invalid')
  t.ok(received <= 1_000_000)
})

const RAW: Readonly<Record<string, string>> = {
  'two lengths': 'HTTP/1.1 200 OK\r\nContent-Length: 19\r\nContent-Length: 5\r\n\r\n',
  'two lengths in one line': 'HTTP/1.1 200 OK\r\nContent-Length: 19, 5\r\n\r\n',
  'a length and chunks': 'HTTP/1.1 200 OK\r\nContent-Length: 19\r\nTransfer-Encoding: chunked\r\n\r\n',
  'a negative length': 'HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n',
  'a chunk that has no size': 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n',
  'no HTTP': 'SSH-2.0-OpenSSH_9.2\r\n',
  'HTTP of another kind': 'ICY 200 OK\r\n\r\n',
  'a header without a name': 'HTTP/1.1 200 OK\r\n: x\r\n\r\n',
  'a NUL in a header': 'HTTP/1.1 200 OK\r\nX-A: \u0000\r\n\r\n',
  'an upgrade that nobody asked for': 'HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n',
  nothing: '',
}

for (const [what, head] of Object.entries(RAW)) {
  t.test(`an answer with ${what} gives no manifest`, async (t) => {
    const raw = await startRaw(t, (socket) => socket.end(head === '' ? '' : `${head}${GOOD}`))
    const error = await catchUpstream(openUpstream(t, [raw.origin]).getManifest(NAME, TAG))
    t.match(error.kind, /^(?:invalid|unreachable|failed)$/)
  })
}

const NO_ANSWER = [401, 403, 408, 429, 500, 502, 503, 504]

for (const status of NO_ANSWER) {
  t.test(`R20: status ${status} for referrers is not "nobody signed this"`, async (t) => {
    const fake = await startFake(t, (_, response) => send(response, status))
    t.equal((await catchUpstream(openUpstream(t, [fake.origin]).listReferrers(NAME, DIGEST))).status, status)
  })
  t.test(`R20: status ${status} for the tag that stands in for referrers is not "nobody signed this"`, async (t) => {
    const fake = await startFake(t, ({ url }, response) => send(response, url.includes('/referrers/') ? 404 : status))
    t.equal((await catchUpstream(openUpstream(t, [fake.origin]).listReferrers(NAME, DIGEST))).status, status)
  })
}

t.test('R20: silence for referrers is not "nobody signed this"', async (t) => {
  const fake = await startFake(t, (_, response) => void response.destroy())
  t.equal((await catchUpstream(openUpstream(t, [fake.origin]).listReferrers(NAME, DIGEST))).kind, 'unreachable')
})

for (const [what, body] of Object.entries({
  'a page of HTML': '<html>log in</html>',
  'an empty body': '',
  'an image': '{"schemaVersion":2,"config":{},"layers":[]}',
  'a word': '"index"',
  'something nested too deep': '['.repeat(5000) + ']'.repeat(5000),
})) {
  t.test(`R20: ${what} in place of referrers is not "nobody signed this"`, async (t) => {
    const fake = await startFake(t, (_, response) => send(response, 200, { 'content-type': INDEX }, body))
    t.equal((await catchUpstream(openUpstream(t, [fake.origin]).listReferrers(NAME, DIGEST))).kind, 'invalid')
  })
}

t.test('R26: referrers whose digest is none are left out', async (t) => {
  const entry = (digest: string) => ({ mediaType: 'application/vnd.oci.image.manifest.v1+json', digest, size: 3 })
  const manifests = [entry('sha256:../../x'), entry(WRONG), entry(`${WRONG}/..`), entry('sha256:abc'), 7, null]
  const fake = await startFake(t, (_, response) =>
    sendJson(response, { schemaVersion: 2, mediaType: INDEX, manifests }),
  )
  const { descriptors } = await openUpstream(t, [fake.origin]).listReferrers(NAME, DIGEST)
  t.same(
    descriptors.map(({ digest }) => digest),
    [WRONG],
  )
})

for (const [what, body] of Object.entries({
  'a page of HTML': '<html></html>',
  'a list': '["latest"]',
  'a word': '"latest"',
  null: 'null',
  'tags that are an object': '{"tags":{"latest":1}}',
  'tags that are a word': '{"tags":"latest"}',
})) {
  t.test(`${what} in place of a tag list is refused`, async (t) => {
    const fake = await startFake(t, (_, response) => send(response, 200, {}, body))
    t.equal((await catchUpstream(openUpstream(t, [fake.origin]).listTags(NAME))).kind, 'invalid')
  })
}

t.test('R26: what is no tag is left out of a tag list', async (t) => {
  const tags = [
    'good',
    '../../etc',
    'a/b',
    'a b',
    '',
    '.x',
    '-x',
    'a\r\nb',
    'x'.repeat(129),
    WRONG,
    7,
    null,
    ['y'],
    'ok',
  ]
  const fake = await startFake(t, (_, response) => sendJson(response, { name: 'other', tags }))
  t.same((await openUpstream(t, [fake.origin]).listTags(NAME)).tags, ['good', 'ok'])
})

t.test('R25: the urls of a layer are not fetched', async (t) => {
  const trap = await startFake(t, (_, response) => send(response, 200, {}, BLOB))
  const layer = { mediaType: 'application/vnd.oci.image.layer.v1.tar', digest: DIGEST, size: 20, urls: [trap.origin] }
  const fake = await startFake(t, ({ url }, response) =>
    url.includes('/blobs/') ? send(response, 404) : sendJson(response, { schemaVersion: 2, layers: [layer] }),
  )
  const client = openUpstream(t, [fake.origin])
  await client.getManifest(NAME, TAG)
  t.equal((await catchUpstream(client.getBlob({ repository: NAME, digest: DIGEST }))).kind, 'notFound')
  t.equal(trap.connections, 0)
})

/** A first page with a link, and what was asked for after it. */
async function followLink(t: Test, link: string | string[]) {
  const trap = await startFake(t, (_, response) => sendJson(response, { tags: ['stolen'] }))
  const fake = await startFake(t, ({ url }, response) => {
    const fill = (text: string): string => text.replaceAll('TRAP', trap.origin)
    if (url.includes('last=')) {
      sendJson(response, { tags: ['second'] })
      return
    }
    response.setHeader('link', typeof link === 'string' ? fill(link) : link.map(fill))
    sendJson(response, { tags: ['first'] })
  })
  const { tags } = await openUpstream(t, [fake.origin]).listTags(NAME)
  return { trap, asked: fake.seen.map(({ url }) => url), tags }
}

const LINKS: Readonly<Record<string, string>> = {
  'another host': '<TRAP/v2/team/app/tags/list?last=a>; rel="next"',
  'another host by a scheme-relative address': '<//127.0.0.1:1/v2/x?last=a>; rel="next"',
  'another path': '</v2/secret/app/tags/list?last=a>; rel="next"',
  'a path that climbs': '<../../../../etc/passwd?last=a>; rel="next"',
  'a login in it': '<http://u:p@127.0.0.1/?last=a>; rel="next"',
  'no quotes': '</v2/team/app/tags/list?last=a>; rel=next',
}

for (const [what, link] of Object.entries(LINKS)) {
  t.test(`R27: of a Link with ${what} only the query is used`, async (t) => {
    const { trap, asked, tags } = await followLink(t, link)
    t.same(asked, ['/v2/team/app/tags/list?n=1000', '/v2/team/app/tags/list?last=a'])
    t.same(tags, ['first', 'second'])
    t.equal(trap.connections, 0)
  })
}

for (const [what, link] of Object.entries({
  'another relation': '</v2/team/app/tags/list?last=a>; rel="prev"',
  'no query': '</v2/team/app/tags/list>; rel="next"',
  'no brackets': '/v2/team/app/tags/list?last=a; rel="next"',
  'a script': '<javascript:alert(1)>; rel="next"',
  'brackets without end': `<${'<'.repeat(4000)}`,
  '9,000 characters': `</v2/?last=${'a'.repeat(9000)}>; rel="next"`,
})) {
  t.test(`R27: a Link with ${what} leads nowhere`, async (t) => {
    const { trap, asked } = await followLink(t, link)
    t.equal(asked.length, 1)
    t.equal(trap.connections, 0)
  })
}
