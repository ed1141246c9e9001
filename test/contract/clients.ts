// The odd shapes in which real clients ask, each on its own: what breaks one of them breaks that client.
import { randomBytes } from 'node:crypto'
import t from 'tap'
import type { Answer } from '../helpers/client.ts'
import { addQuery, codeOf, headerOf, locationOf, openClient } from '../helpers/client.ts'
import { hashOf } from '../helpers/digest.ts'
import { OCI_INDEX, OCI_MANIFEST, pushBlob, pushImage } from '../helpers/push.ts'
import { startTarn } from '../helpers/server.ts'

const { url } = await startTarn(t, { storage: { delete: { enabled: true } } })
const client = openClient({ url })
t.teardown(() => client.close())
const REPO = 'ocp4/openshift4'
const UPLOADS = `/v2/${REPO}/blobs/uploads/`

const open = async (headers: Record<string, string> = {}, path = UPLOADS): Promise<Answer> => {
  const answer = await client.send('POST', path, { headers })
  t.equal(answer.status, 202, `POST ${path} ${JSON.stringify(headers)}`)
  return answer
}

t.test('oc and docker: one chunked PATCH without length, type or range, then an empty PUT', async (t) => {
  const bytes = randomBytes(300_000)
  const opened = await open()
  const sent = await client.send('PATCH', locationOf(opened), {
    chunks: [bytes.subarray(0, 1), bytes.subarray(1, 70_000), bytes.subarray(70_000)],
  })
  t.equal(sent.status, 202)
  t.equal(headerOf(sent, 'range'), '0-299999', 'docker computes the size of the layer from this')
  const done = await client.send('PUT', addQuery(locationOf(sent), { digest: hashOf(bytes) }))
  t.equal(done.status, 201)
  const head = await client.send('HEAD', `/v2/${REPO}/blobs/${hashOf(bytes)}`)
  t.equal(head.status, 200)
  t.equal(headerOf(head, 'content-length'), '300000')
})

t.test('docker: a PATCH of nothing has Range 0-0, never 0--1', async (t) => {
  const sent = await client.send('PATCH', locationOf(await open()), { chunks: [] })
  t.equal(sent.status, 202)
  t.equal(headerOf(sent, 'range'), '0-0')
  t.equal((await client.send('PUT', addQuery(locationOf(sent), { digest: hashOf('') }))).status, 201)
})

t.test('oc 4.4: an empty Content-Type, and one that is none, is like none at all', async (t) => {
  for (const type of ['', 'bytes', ';']) {
    const bytes = randomBytes(1000)
    const headers = { 'content-type': type }
    const opened = await open(headers)
    const sent = await client.send('PATCH', locationOf(opened), { headers, chunks: [bytes] })
    t.equal(sent.status, 202, `PATCH with ${JSON.stringify(type)}`)
    const done = await client.send('PUT', addQuery(locationOf(sent), { digest: hashOf(bytes) }), { headers })
    t.equal(done.status, 201, `PUT with ${JSON.stringify(type)}`)
  }
})

t.test('oc: DELETE of an upload that is finished is a quiet 404', async (t) => {
  const location = locationOf(await open())
  t.equal((await client.send('PUT', addQuery(location, { digest: hashOf('done') }), { body: 'done' })).status, 201)
  const answer = await client.send('DELETE', location)
  t.equal(answer.status, 404)
  t.equal(codeOf(answer), 'BLOB_UPLOAD_UNKNOWN')
})

t.test('oc: an untagged PUT by digest says its digest and makes no tag', async (t) => {
  const { digest } = await pushImage(client, 'untagged/image', 'untagged')
  t.equal((await client.send('GET', `/v2/untagged/image/manifests/${digest}`)).status, 200)
  const { body } = await client.send('GET', '/v2/untagged/image/tags/list')
  t.same(JSON.parse(body.toString()), { name: 'untagged/image', tags: [] })
})

t.test('oc: a manifest that cannot be taken is never MANIFEST_INVALID where the client would convert it', async (t) => {
  const big = Buffer.from(JSON.stringify({ schemaVersion: 2, manifests: [], annotations: { a: 'x'.repeat(4 << 20) } }))
  const answer = await client.send('PUT', `/v2/${REPO}/manifests/big`, {
    headers: { 'content-type': OCI_INDEX },
    body: big,
  })
  t.equal(answer.status, 413)
  t.equal(codeOf(answer), 'SIZE_INVALID')
})

for (const [name, headers] of [
  ['crane and cosign: POST with JSON type and no body', { 'content-type': 'application/json' }],
  ['POST with a form type and no body', { 'content-type': 'application/x-www-form-urlencoded' }],
  ['oc of OpenShift 4.4: POST with an empty type and a length of 0', { 'content-type': '', 'content-length': '0' }],
  ['POST with a text type and no body', { 'content-type': 'text/plain' }],
  ['POST with octet-stream and no body', { 'content-type': 'application/octet-stream' }],
] as const) {
  t.test(`${name} opens an upload`, async (t) => {
    const location = locationOf(await open(headers))
    t.equal((await client.send('DELETE', location)).status, 204)
  })
}

t.test('a POST without Content-Length opens an upload', async (t) => {
  const answer = await client.send('POST', UPLOADS, { chunks: [] })
  t.equal(answer.status, 202)
})

t.test('an upload takes PATCH and PUT of any content type', async (t) => {
  for (const type of [
    'application/octet-stream',
    'application/json',
    'text/plain',
    'application/x-tar',
    'multipart/form-data; boundary=x',
  ]) {
    const headers = { 'content-type': type }
    const sent = await client.send('PATCH', locationOf(await open()), { headers, body: '{"half' })
    t.equal(sent.status, 202, `PATCH of ${type}`)
    const digest = hashOf('{"half":1}')
    const done = await client.send('PUT', addQuery(locationOf(sent), { digest }), { headers, body: '":1}' })
    t.equal(done.status, 201, `PUT of ${type}`)
  }
})

t.test('regctl: POST with ?digest-algorithm=sha512 and a push by sha512', async (t) => {
  const bytes = randomBytes(5000)
  const digest = hashOf(bytes, 'sha512')
  const opened = await open({}, `${UPLOADS}?digest-algorithm=sha512`)
  const done = await client.send('PUT', addQuery(locationOf(opened), { digest }), { body: bytes })
  t.equal(done.status, 201)
  t.equal(headerOf(done, 'docker-content-digest'), digest)
})

t.test('containerd: ?ns= is taken and ignored on pulls and pushes', async (t) => {
  const { digest } = await pushImage(client, REPO, 'ns', { reference: 'ns' })
  t.equal((await client.send('HEAD', `/v2/${REPO}/manifests/ns?ns=docker.io`)).status, 200)
  t.equal((await client.send('GET', `/v2/${REPO}/manifests/${digest}?ns=docker.io`)).status, 200)
  t.equal((await client.send('POST', `${UPLOADS}?ns=docker.io`)).status, 202)
})

t.test('containerd: mount and from go unencoded, docker and podman encode the colon', async (t) => {
  const digest = await pushBlob(client, 'from/here', randomBytes(64))
  for (const query of [
    `mount=${digest}&from=from/here`,
    `from=from%2Fhere&mount=${digest.replace(':', '%3A')}`,
    `mount=${digest}&from=from/here&origin=x.example`,
  ]) {
    const answer = await client.send('POST', `/v2/to/there/blobs/uploads/?${query}`)
    t.equal(answer.status, 201, query)
    t.equal(headerOf(answer, 'docker-content-digest'), digest)
    t.equal(locationOf(answer), `/v2/to/there/blobs/${digest}`)
  }
})

t.test('manifest types with parameters and odd spacing are taken, and served without them', async (t) => {
  const { body } = await pushImage(client, REPO, 'typed', { reference: 'typed' })
  for (const type of [
    `${OCI_MANIFEST}; charset=utf-8`,
    `${OCI_MANIFEST};charset="utf-8"`,
    OCI_MANIFEST.toUpperCase(),
  ]) {
    const answer = await client.send('PUT', `/v2/${REPO}/manifests/typed`, {
      headers: { 'content-type': type },
      body,
    })
    t.equal(answer.status, 201, type)
    t.equal(headerOf(await client.send('GET', `/v2/${REPO}/manifests/typed`), 'content-type'), OCI_MANIFEST)
  }
})

t.test('podman and docker: a broken download goes on by Range, guarded by If-Range', async (t) => {
  const bytes = randomBytes(10_000)
  const digest = await pushBlob(client, REPO, bytes)
  const path = `/v2/${REPO}/blobs/${digest}`
  const rest = await client.send('GET', path, {
    headers: { range: 'bytes=4000-', 'if-range': `"${digest}"` },
  })
  t.equal(rest.status, 206)
  t.equal(headerOf(rest, 'content-range'), 'bytes 4000-9999/10000')
  t.ok(rest.body.equals(bytes.subarray(4000)))
  for (const other of ['"other"', `W/"${digest}"`, 'Wed, 21 Oct 2015 07:28:00 GMT']) {
    const whole = await client.send('GET', path, { headers: { range: 'bytes=4000-', 'if-range': other } })
    t.equal(whole.status, 200, `If-Range: ${other}`)
    t.ok(whole.body.equals(bytes))
  }
})

t.test('zstd:chunked pulls: several ranges come as multipart/byteranges, or the whole blob', async (t) => {
  const bytes = randomBytes(10_000)
  const path = `/v2/${REPO}/blobs/${await pushBlob(client, REPO, bytes)}`
  for (const [range, parts] of [
    [
      'bytes=0-9,5000-5099',
      [
        [0, 9],
        [5000, 5099],
      ],
    ],
    [
      'bytes=0-0, 2-2, 9990-',
      [
        [0, 0],
        [2, 2],
        [9990, 9999],
      ],
    ],
    [
      'bytes=100-199,-5',
      [
        [100, 199],
        [9995, 9999],
      ],
    ],
    ['bytes=0-9,20000-30000', [[0, 9]]],
  ] as const) {
    const answer = await client.send('GET', path, { headers: { range } })
    if (answer.status === 200) {
      t.ok(answer.body.equals(bytes), `${range}: the whole blob`)
      continue
    }
    t.equal(answer.status, 206, range)
    t.equal(headerOf(answer, 'content-length'), String(answer.body.length))
    t.same(
      readParts(answer),
      parts.map(([first, last]) => [`bytes ${first}-${last}/10000`, bytes.toString('latin1', first, last + 1)]),
      range,
    )
  }
  const none = await client.send('GET', path, { headers: { range: 'bytes=20000-20001,30000-30001' } })
  t.ok([200, 416].includes(none.status), `no range can be given: ${none.status}`)
})

function readParts(answer: Answer): [range: string, body: string][] {
  const boundary = /^multipart\/byteranges; *boundary="?([^";]+)"?$/.exec(headerOf(answer, 'content-type'))?.[1]
  if (boundary === undefined) return [[headerOf(answer, 'content-range'), answer.body.toString('latin1')]]
  const pieces = `\r\n${answer.body.toString('latin1')}`.split(`\r\n--${boundary}`)
  return pieces.slice(1, -1).map((piece) => {
    const end = piece.indexOf('\r\n\r\n')
    return [/content-range: *(.*)/i.exec(piece.slice(0, end))?.[1]?.trim() ?? '', piece.slice(end + 4)]
  })
}

t.test('curl: Expect: 100-continue is asked for the body, and an early refusal is not', async (t) => {
  const bytes = randomBytes(100_000)
  const location = locationOf(await open())
  const done = await client.send('PUT', addQuery(location, { digest: hashOf(bytes) }), {
    body: bytes,
    expectContinue: true,
  })
  t.equal(done.status, 201)
  t.ok(done.continued)
  const manifest = await client.send('PUT', `/v2/${REPO}/manifests/expected`, {
    headers: { 'content-type': OCI_INDEX },
    body: '{"schemaVersion":2,"manifests":[]}',
    expectContinue: true,
  })
  t.equal(manifest.status, 201)
  t.ok(manifest.continued)
})

t.test(
  'oras: the referrers of sha256:000…0 in an unknown repository are an empty index with the exact type',
  async (t) => {
    const answer = await client.send('GET', `/v2/never/pushed/referrers/sha256:${'0'.repeat(64)}`)
    t.equal(answer.status, 200)
    t.equal(headerOf(answer, 'content-type'), OCI_INDEX)
    t.same(JSON.parse(answer.body.toString()), { schemaVersion: 2, mediaType: OCI_INDEX, manifests: [] })
  },
)

t.test('buildkit: an index whose children are blobs of other kinds and have no platform is taken', async (t) => {
  const repo = 'build/cache'
  const layer = randomBytes(900)
  const digest = await pushBlob(client, repo, layer)
  const config = Buffer.from('{"layers":[]}')
  const body = JSON.stringify({
    schemaVersion: 2,
    mediaType: OCI_INDEX,
    manifests: [
      { mediaType: 'application/vnd.oci.image.layer.v1.tar+gzip', digest, size: layer.length },
      {
        mediaType: 'application/vnd.buildkit.cacheconfig.v0',
        digest: await pushBlob(client, repo, config),
        size: config.length,
      },
    ],
  })
  const answer = await client.send('PUT', `/v2/${repo}/manifests/cache`, {
    headers: { 'content-type': OCI_INDEX },
    body,
  })
  t.equal(answer.status, 201)
  t.equal((await client.send('GET', `/v2/${repo}/manifests/cache`)).body.toString(), body)
})

t.test('cosign: a tag sha256-<hex>.sig is a tag like any other', async (t) => {
  const tag = `sha256-${'a'.repeat(64)}.sig`
  await pushImage(client, REPO, 'signature', { reference: tag })
  t.equal((await client.send('GET', `/v2/${REPO}/manifests/${tag}`)).status, 200)
  t.equal((await client.send('GET', `/v2/${REPO}/manifests/sha256-${'b'.repeat(64)}`)).status, 404)
})
