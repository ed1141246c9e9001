// Digests: only whole, lower-case sha256 and sha512 ones come through.
import { createHash } from 'node:crypto'
import fc from 'fast-check'
import t from 'tap'
import { ALGORITHMS, algorithmOf, digestOf, hexOf, isDigest, joinDigest, parseDigest } from '../../src/oci/digest.ts'
import { catchRefusal } from '../fixtures/manifest-parts.ts'

const HEX = 'a1'.repeat(32)

t.test('the digest of bytes is read back to its parts', async (t) => {
  fc.assert(
    fc.property(fc.uint8Array(), fc.constantFrom(...ALGORITHMS), (bytes, algorithm) => {
      const digest = digestOf(bytes, algorithm)
      return (
        parseDigest(digest) === digest &&
        algorithmOf(digest) === algorithm &&
        hexOf(digest) === createHash(algorithm).update(bytes).digest('hex') &&
        joinDigest(algorithm, hexOf(digest)) === digest
      )
    }),
  )
  t.equal(algorithmOf(digestOf(new Uint8Array())), 'sha256', 'sha256 unless asked otherwise')
})

const BAD: readonly string[] = [
  '',
  'sha256',
  'sha256:',
  HEX,
  `sha256:${HEX.slice(1)}`,
  `sha256:${HEX}0`,
  `sha256:${HEX.toUpperCase()}`,
  `SHA256:${HEX}`,
  `sha512:${HEX}`,
  `sha256:${HEX}${HEX}`,
  `sha384:${'0'.repeat(96)}`,
  `sha256+b64:${HEX}`,
  ` sha256:${HEX}`,
  `sha256:${HEX}\n`,
  `sha256:${HEX}\0`,
  `sha256:${'../'.repeat(21)}a`,
  'sha256:baddigeststring',
]

for (const text of BAD)
  t.test(`${JSON.stringify(text)} is no digest`, async (t) => {
    t.notOk(isDigest(text))
    const refusal = catchRefusal(() => parseDigest(text))
    t.equal(refusal?.code, 'DIGEST_INVALID')
    t.equal(refusal?.status, 400)
  })

t.test('parts that make no digest are not joined', async (t) => {
  t.equal(joinDigest('sha256', HEX), `sha256:${HEX}`)
  t.equal(joinDigest('sha512', HEX), undefined)
  t.equal(joinDigest('md5', HEX), undefined)
  t.equal(joinDigest('sha256', `${HEX}/..`), undefined)
})
