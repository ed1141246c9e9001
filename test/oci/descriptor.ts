// Descriptors: what a push may say of a blob, and what is left of a doubtful one that is stored.
import t from 'tap'
import { readDescriptor } from '../../src/oci/descriptor.ts'
import { digestOf } from '../../src/oci/digest.ts'
import type { ErrorCode } from '../../src/oci/errors.ts'
import type { Json } from '../fixtures/manifest-parts.ts'
import { A, B, C, FULL_DESCRIPTOR, LAYER, catchRefusal, encode } from '../fixtures/manifest-parts.ts'

const STRICT = { path: 'layers[1]', strictness: 'strict' } as const
const TOLERANT = { path: 'layers[1]', strictness: 'tolerant' } as const

const TAKEN: readonly (readonly [name: string, part: Json])[] = [
  ['the required fields', {}],
  ['every field', FULL_DESCRIPTOR],
  ['the largest size', { size: Number.MAX_SAFE_INTEGER }],
  ['an empty mediaType', { mediaType: '' }],
  ['data by sha512', { digest: C, data: 'Yw==' }],
  ['empty data', { digest: digestOf(new Uint8Array()), size: 0, data: '' }],
]

for (const [name, part] of TAKEN)
  t.test(`a descriptor with ${name} is taken whole`, async (t) => {
    const value = { ...LAYER, ...part }
    t.strictSame(readDescriptor(STRICT, value), value)
    t.strictSame(readDescriptor(TOLERANT, value), value)
  })

const REFUSED: readonly (readonly [name: string, part: Json, message: RegExp, code?: ErrorCode])[] = [
  ['without digest', { digest: undefined }, /layers\[1\]\.digest is missing$/],
  ['whose digest is null', { digest: null }, /layers\[1\]\.digest is missing$/],
  ['whose digest is no string', { digest: 1 }, /layers\[1\]\.digest must be a string$/],
  ['without mediaType', { mediaType: undefined }, /layers\[1\]\.mediaType is missing$/],
  ['whose mediaType is no string', { mediaType: {} }, /layers\[1\]\.mediaType must be a string$/],
  ['without size', { size: undefined }, /layers\[1\]\.size must be a whole number/],
  ['with a negative size', { size: -1 }, /layers\[1\]\.size must be/],
  ['with a fraction of a byte', { size: 1.5 }, /layers\[1\]\.size must be/],
  ['with a size beyond 2^53-1', { size: 2 ** 53 }, /layers\[1\]\.size must be/],
  ['with an infinite size', { size: Infinity }, /layers\[1\]\.size must be/],
  ['with a size in a string', { size: '1' }, /layers\[1\]\.size must be/],
  ['whose urls are a string', { urls: 'x' }, /layers\[1\]\.urls must be an array$/],
  ['whose urls hold a number', { urls: ['x', 1] }, /layers\[1\]\.urls must hold strings only$/],
  ['whose annotations are a list', { annotations: ['x'] }, /layers\[1\]\.annotations must be an object$/],
  ['with a number among its annotations', { annotations: { a: 1 } }, /layers\[1\]\.annotations must hold strings/],
  ['whose artifactType is a list', { artifactType: [] }, /layers\[1\]\.artifactType must be a string$/],
  ['whose platform is a string', { platform: 'linux/amd64' }, /layers\[1\]\.platform must be an object$/],
  ['whose os is a number', { platform: { os: 1 } }, /layers\[1\]\.platform\.os must be a string$/],
  ['whose os.features are a string', { platform: { 'os.features': 'x' } }, /platform\.os\.features must be an array$/],
  ['whose data is not base64', { data: 'Y!g==' }, /layers\[1\]\.data must be base64/],
  ['whose data lacks its padding', { data: 'Yg' }, /layers\[1\]\.data must be base64/],
  ['whose data has spare bits', { data: 'Yh==' }, /layers\[1\]\.data must be base64/],
  ['whose data has a line end', { data: 'Yg==\n' }, /layers\[1\]\.data must be base64/],
  // Well-formed and untrue: a client that converted the manifest and pushed again would only hide it.
  ['with a short digest', { digest: 'sha256:abc' }, /layers\[1\]\.digest is "sha256:abc"/, 'DIGEST_INVALID'],
  ['with a digest in capitals', { digest: A.toUpperCase() }, /digest is "SHA256:/, 'DIGEST_INVALID'],
  ['with an md5 digest', { digest: `md5:${'0'.repeat(32)}` }, /digest is "md5:/, 'DIGEST_INVALID'],
  ['with a path for a digest', { digest: '../../x' }, /digest is "\.\./, 'DIGEST_INVALID'],
  ['with a digest that goes on', { digest: `${B}\n` }, /digest is "sha256:/, 'DIGEST_INVALID'],
  ['whose data has another size', { data: 'YWE=' }, /data holds 2 bytes, its size says 1$/, 'SIZE_INVALID'],
  ['whose data has another digest', { data: 'YQ==' }, /data does not have the digest sha256:/, 'DIGEST_INVALID'],
]

for (const [name, part, message, code = 'MANIFEST_INVALID'] of REFUSED)
  t.test(`a pushed descriptor ${name} is refused with ${code}`, async (t) => {
    const refusal = catchRefusal(() => readDescriptor(STRICT, { ...LAYER, ...part }))
    t.equal(refusal?.code, code)
    t.equal(refusal?.status, 400)
    t.match(refusal?.message, message)
  })

for (const value of [undefined, null, 1, 'x', [], [LAYER]])
  t.test(`${JSON.stringify(value)} is no descriptor`, async (t) => {
    t.match(catchRefusal(() => readDescriptor(STRICT, value))?.message, /layers\[1\] must be an object$/)
    t.equal(readDescriptor(TOLERANT, value), undefined)
  })

t.test('a stored descriptor keeps what is sound', async (t) => {
  const doubtful = {
    mediaType: 1,
    size: -1,
    urls: 'x',
    annotations: [],
    artifactType: 0,
    platform: 7,
    data: null,
  }
  t.strictSame(readDescriptor(TOLERANT, { ...doubtful, digest: B }), { mediaType: '', digest: B, size: 0 })
})

t.test('a stored descriptor whose digest cannot be served counts as absent', async (t) => {
  for (const digest of [undefined, null, 1, 'sha384:0', 'sha256:0'])
    t.equal(readDescriptor(TOLERANT, { ...LAYER, digest }), undefined)
})

t.test('a size of -0 is 0', async (t) => {
  t.ok(Object.is(readDescriptor(STRICT, { ...LAYER, size: -0 })?.size, 0))
})

t.test('members of other names are left out', async (t) => {
  const value: unknown = JSON.parse(new TextDecoder().decode(encode({ ...LAYER, extra: { Digest: 1 } })))
  t.strictSame(readDescriptor(STRICT, value), LAYER)
})
