// Requests at random for the property tests: most are almost right, since what is plainly wrong is refused at
// the first look. Every request of `anyRequest` is framed correctly; `mutate` breaks that.
import fc from 'fast-check'

export interface WrittenRequest {
  readonly method: string
  readonly bytes: Buffer
}

const HEX = 'f'.repeat(64)
const DIGEST = `sha256:${HEX}`
const UUID = '12345678-1234-4234-8234-123456789abc'
const OCI_INDEX = 'application/vnd.oci.image.index.v1+json'

const METHODS = [
  'GET',
  'HEAD',
  'POST',
  'PUT',
  'PATCH',
  'DELETE',
  'OPTIONS',
  'TRACE',
  'PROPFIND',
  'QUERY',
  'SEARCH',
  'PURGE',
  'LOCK',
]

/** Characters that a request target may hold without ending the first line. */
const anyText = fc.string({
  unit: fc.constantFrom(...'abz019AZ._-~:/?#@!$&\'()*+,;=%2FeE"<>\\^`{|}'.split('')),
  maxLength: 24,
})
const anyName = fc.oneof(
  { weight: 4, arbitrary: fc.constantFrom('a', 'a/b', 'fuzz/one', 'nothing/here') },
  {
    weight: 2,
    arbitrary: fc.constantFrom('A', '_a', '..', 'a..b', 'a//b', 'a%2Fb', 'a%00', 'a'.repeat(256), '', '%'),
  },
  { weight: 2, arbitrary: anyText },
)
const anyDigest = fc.oneof(
  { weight: 3, arbitrary: fc.constantFrom(DIGEST, `sha512:${HEX}${HEX}`, `sha256%3A${HEX}`) },
  {
    weight: 2,
    arbitrary: fc.constantFrom('sha256:', 'sha256:abc', DIGEST.toUpperCase(), `md5:${HEX}`, `${DIGEST}0`),
  },
  { weight: 1, arbitrary: anyText },
)
const anyReference = fc.oneof(fc.constantFrom('v1', 'latest', 'missing', '.x', 'a'.repeat(129)), anyDigest, anyText)
const anyUpload = fc.oneof(fc.constantFrom(UUID, UUID.toUpperCase(), 'x', '..%2f..', '_state'), anyText)

const anyPath = fc.oneof(
  fc.constantFrom('/', '/v2', '/v2/', '/v2/_catalog', '//v2//', '/v2/..', '/livez', '/v3'),
  fc.tuple(anyName).map(([name]) => `/v2/${name}/tags/list`),
  fc.tuple(anyName, anyReference).map(([name, reference]) => `/v2/${name}/manifests/${reference}`),
  fc.tuple(anyName, anyDigest).map(([name, digest]) => `/v2/${name}/blobs/${digest}`),
  fc.tuple(anyName, anyDigest).map(([name, digest]) => `/v2/${name}/referrers/${digest}`),
  fc.tuple(anyName, anyUpload).map(([name, id]) => `/v2/${name}/blobs/uploads/${id}`),
  fc.tuple(anyName).map(([name]) => `/v2/${name}/blobs/uploads/`),
  anyText.map((text) => `/${text}`),
)

const anyQuery = fc.oneof(
  { weight: 6, arbitrary: fc.constant('') },
  {
    weight: 3,
    arbitrary: fc
      .tuple(
        fc.constantFrom(
          'n',
          'last',
          'digest',
          'mount',
          'from',
          'tag',
          'artifactType',
          'digest-algorithm',
          'ns',
          '__proto__',
          '',
        ),
        fc.oneof(
          fc.constantFrom('0', '-1', '999999999999999999', 'NaN', DIGEST, 'a', '%00', '%zz', '+', 'sha512'),
          anyText,
        ),
      )
      .map(([key, value]) => `?${key}=${value}`),
  },
  { weight: 1, arbitrary: anyText.map((text) => `?${text}`) },
)

const anyValue = fc.string({
  unit: fc.constantFrom(...'abcXYZ0189 .,;:/=*-_"\'()<>{}[]%&+?!~#\t'.split('')),
  maxLength: 30,
})
const anyHeader = fc.oneof(
  fc.constantFrom(
    'Range: bytes=0-1',
    'Range: bytes=9-1',
    'Content-Range: 0-1',
    'Content-Range: 5-1',
    `Content-Type: ${OCI_INDEX}`,
    'Content-Type: application/json',
    `If-None-Match: "${DIGEST}"`,
    'Expect: 100-continue',
    'Authorization: Basic eDp5',
    'Accept: */*',
    'Upgrade: h2c',
  ),
  fc
    .tuple(
      fc.constantFrom(
        'Range',
        'Content-Range',
        'Content-Type',
        'Accept',
        'Authorization',
        'If-None-Match',
        'If-Range',
        'X-Forwarded-For',
        'Origin',
        'Cookie',
        '__proto__',
      ),
      anyValue,
    )
    .map(([name, value]) => `${name}: ${value}`),
)

const anyBody = fc.oneof(
  { weight: 3, arbitrary: fc.constant('') },
  {
    weight: 3,
    arbitrary: fc.constantFrom(
      '{}',
      '[]',
      'null',
      '{"schemaVersion":2,"manifests":[]}',
      `{"schemaVersion":2,"mediaType":"${OCI_INDEX}","manifests":[]}`,
      `{"schemaVersion":2,"manifests":[],"Manifests":[]}`,
      `{"schemaVersion":2,"config":{"digest":"${DIGEST}","size":1},"layers":[]}`,
      '['.repeat(500),
    ),
  },
  { weight: 1, arbitrary: fc.json() },
  { weight: 1, arbitrary: anyText },
)

/** A request with correct framing, for a connection that is kept open. */
export const anyRequest: fc.Arbitrary<WrittenRequest> = fc
  .record({
    method: fc.oneof(
      { weight: 9, arbitrary: fc.constantFrom(...METHODS.slice(0, 6)) },
      { weight: 1, arbitrary: fc.constantFrom(...METHODS) },
    ),
    path: anyPath,
    query: anyQuery,
    headers: fc.array(anyHeader, { maxLength: 3 }),
    body: anyBody,
    chunked: fc.boolean(),
  })
  .map(({ method, path, query, headers, body, chunked }) => {
    const bytes = Buffer.from(body)
    const framing = chunked ? 'Transfer-Encoding: chunked' : `Content-Length: ${bytes.length}`
    const head = `${method} ${path}${query} HTTP/1.1\r\n${['Host: x', ...headers, framing].join('\r\n')}\r\n\r\n`
    const piece = bytes.length === 0 ? '' : `${bytes.length.toString(16)}\r\n${bytes.toString('latin1')}\r\n`
    const sent = chunked ? Buffer.from(`${piece}0\r\n\r\n`, 'latin1') : bytes
    return { method, bytes: Buffer.concat([Buffer.from(head, 'latin1'), sent]) }
  })

const SPLICES = [
  '\r\n',
  '\n',
  '\r',
  '\0',
  ' ',
  '\t',
  ':',
  '%',
  '%00',
  '%2e%2e/',
  '../',
  '\r\n\r\n',
  'Content-Length: 5\r\n',
  'Transfer-Encoding: chunked\r\n',
  'HTTP/1.1',
  '\u00ff',
  '0\r\n\r\n',
  '"',
  '-',
  '9'.repeat(40),
  'x'.repeat(3000),
]

/** The bytes of a request with up to five places overwritten, cut, doubled or filled with something awkward. */
export const anyMutant: fc.Arbitrary<WrittenRequest> = fc
  .tuple(
    anyRequest,
    fc.array(
      fc.record({
        at: fc.double({ min: 0, max: 0.999, noNaN: true }),
        length: fc.nat(12),
        act: fc.constantFrom('flip', 'cut', 'double', 'splice', 'end'),
        byte: fc.nat(255),
        splice: fc.constantFrom(...SPLICES),
      }),
      { minLength: 1, maxLength: 5 },
    ),
  )
  .map(([{ method, bytes }, changes]) => {
    let mutant = bytes
    for (const { at, length, act, byte, splice } of changes) {
      const place = Math.floor(at * mutant.length)
      const [before, cut, after] = [
        mutant.subarray(0, place),
        mutant.subarray(place, place + length),
        mutant.subarray(place + length),
      ]
      const middle = {
        flip: Buffer.concat([Buffer.from([byte]), cut.subarray(1)]),
        cut: Buffer.alloc(0),
        double: Buffer.concat([cut, cut]),
        splice: Buffer.concat([Buffer.from(splice, 'latin1'), cut]),
        end: Buffer.alloc(0),
      }[act]
      mutant = act === 'end' && place > 20 ? before : Buffer.concat([before, middle, after])
    }
    // Line ends before the first line are skipped by servers.
    const isHead = /^[\r\n]*HEAD /.test(mutant.toString('latin1', 0, 40))
    return { method: isHead ? 'HEAD' : method === 'HEAD' ? 'GET' : method, bytes: mutant }
  })
