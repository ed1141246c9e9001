// The media types and the reading of Content-Type.
import fc from 'fast-check'
import t from 'tap'
import {
  DOCKER_LIST,
  DOCKER_MANIFEST,
  MANIFEST_TYPES,
  OCI_INDEX,
  OCI_MANIFEST,
  SCHEMA1_PLAIN,
  SCHEMA1_SIGNED,
  isDockerType,
  isImageType,
  isIndexType,
  isSchema1Type,
  parseMediaType,
} from '../../src/oci/media-type.ts'

const TAKEN: readonly (readonly [header: string, type: string])[] = [
  [OCI_MANIFEST, OCI_MANIFEST],
  ['Application/VND.OCI.Image.Index.V1+JSON', OCI_INDEX],
  [`${OCI_INDEX}; charset=utf-8`, OCI_INDEX],
  [`${OCI_INDEX};charset="a, b; \\"c"`, OCI_INDEX],
  [`${OCI_INDEX} ;`, OCI_INDEX],
  [`${OCI_INDEX} `, OCI_INDEX],
  [`${OCI_INDEX};;q=1;nonsense`, OCI_INDEX],
  ['text/plain', 'text/plain'],
  ['*/*', '*/*'],
]

for (const [header, type] of TAKEN)
  t.test(`the header ${JSON.stringify(header)} holds a media type`, async (t) => {
    t.equal(parseMediaType(header), type)
  })

const VOID: readonly (string | undefined)[] = [
  undefined,
  '',
  'json',
  '/',
  'application/',
  '/json',
  'a/b/c',
  ' text/plain',
  'text /plain',
  'text/plain, text/html',
  'text/plain\t',
  'text/plain;\tcharset=utf-8',
  'text/plain; charset=\u00e9',
  'text/plain\r\nX: y',
  'text/plain;\0',
  'text/pl\u00e4in',
  '"text"/plain',
]

for (const header of VOID)
  t.test(`the header ${JSON.stringify(header)} holds no media type`, async (t) => {
    t.equal(parseMediaType(header), undefined)
  })

t.test('any header gives a lower-case type without spaces or parameters, or nothing', async (t) => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), fc.string(), (left, right) => {
      const type = parseMediaType(`${left}/${right}`)
      return type === undefined || (/^[^\s;/,"A-Z]+\/[^\s;/,"A-Z]+$/.test(type) && parseMediaType(type) === type)
    }),
    { numRuns: 2000 },
  )
  t.pass('held for every header')
})

t.test('a long hostile header is read in linear time', async (t) => {
  const started = process.cpuUsage()
  for (const unit of [' ', ';', '; ', '/', 'a/']) parseMediaType(`a/b${unit.repeat(1 << 20)}\0`)
  const { user } = process.cpuUsage(started)
  t.ok(user < 2_000_000, `took ${user} microseconds of processor time`)
})

t.test('each manifest type is an image or an index, and of Docker or of OCI', async (t) => {
  t.strictSame(MANIFEST_TYPES.filter(isImageType), [OCI_MANIFEST, DOCKER_MANIFEST])
  t.strictSame(MANIFEST_TYPES.filter(isIndexType), [OCI_INDEX, DOCKER_LIST])
  t.strictSame(MANIFEST_TYPES.filter(isDockerType), [DOCKER_MANIFEST, DOCKER_LIST])
  t.strictSame(MANIFEST_TYPES.filter(isSchema1Type), [])
  t.ok([SCHEMA1_SIGNED, SCHEMA1_PLAIN].every(isSchema1Type))
})
