// References: a tag or a digest, and never one taken for the other.
import fc from 'fast-check'
import t from 'tap'
import { digestOf, isDigest } from '../../src/oci/digest.ts'
import { isTag, parseReference, parseTag } from '../../src/oci/reference.ts'
import { catchRefusal } from '../fixtures/manifest-parts.ts'

const DIGEST = digestOf(new Uint8Array())

const GOOD: readonly string[] = ['latest', '4.4.10', '_', 'A-b_c.D', '0', DIGEST.replace(':', '-'), 'a'.repeat(128)]

for (const text of GOOD)
  t.test(`${JSON.stringify(text)} is a tag`, async (t) => {
    t.equal(parseTag(text), text)
    t.strictSame(parseReference(text), { kind: 'tag', tag: text })
  })

const BAD: readonly string[] = [
  '',
  '.',
  '..',
  '.a',
  '-a',
  'a/b',
  'a b',
  'a+b',
  'a\n',
  'a\0',
  '\u00e4',
  '%41',
  'a'.repeat(129),
]

for (const text of BAD)
  t.test(`${JSON.stringify(text)} is no tag`, async (t) => {
    t.notOk(isTag(text))
    for (const refusal of [catchRefusal(() => parseTag(text)), catchRefusal(() => parseReference(text))]) {
      t.equal(refusal?.code, 'TAG_INVALID')
      t.equal(refusal?.status, 400)
    }
  })

t.test('a digest is a reference by digest', async (t) => {
  t.strictSame(parseReference(DIGEST), { kind: 'digest', digest: DIGEST })
})

t.test('a malformed digest is never a tag', async (t) => {
  for (const text of ['sha256:baddigeststring', 'sha256:', ':', 'latest:1', `${DIGEST}0`, DIGEST.toUpperCase()])
    t.equal(catchRefusal(() => parseReference(text))?.code, 'DIGEST_INVALID', text)
})

t.test('no text is both a tag and a digest', async (t) => {
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string(),
        fc.uint8Array().map((bytes) => digestOf(bytes)),
      ),
      (text) => {
        return !(isTag(text) && isDigest(text))
      },
    ),
  )
  t.pass('held for every text')
})
