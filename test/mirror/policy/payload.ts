import t from 'tap'
import { ATOMIC, COSIGN, readPayload } from '../../../src/mirror/policy/payload.ts'

const DIGEST = `sha256:${'a'.repeat(64)}`
const CRITICAL = {
  type: ATOMIC,
  image: { 'docker-manifest-digest': DIGEST },
  identity: { 'docker-reference': 'quay.io/a/b:1' },
}
const read = (value: unknown, type = ATOMIC) => readPayload(Buffer.from(JSON.stringify(value)), type)

t.test('the digest and the name of what was signed are read, with anything below "optional"', async (t) => {
  const claim = { digest: DIGEST, reference: 'quay.io/a/b:1' }
  t.same(read({ critical: CRITICAL, optional: { creator: 'x', timestamp: 5, more: [1] } }), claim)
  t.same(read({ critical: CRITICAL }), claim)
  t.same(read({ critical: { ...CRITICAL, type: COSIGN }, optional: null }, COSIGN), claim)
})

t.test('a payload of another type, with more or less in it, or written twice is none', async (t) => {
  const wrong: unknown[] = [
    { critical: { ...CRITICAL, type: COSIGN } },
    { critical: CRITICAL, other: 1 },
    { critical: { ...CRITICAL, more: 1 } },
    { critical: { ...CRITICAL, image: { 'docker-manifest-digest': DIGEST, more: 1 } } },
    { critical: { ...CRITICAL, image: {} } },
    { critical: { ...CRITICAL, image: { 'docker-manifest-digest': 'sha256:1' } } },
    { critical: { ...CRITICAL, identity: { 'docker-reference': 1 } } },
    { critical: [CRITICAL] },
    {},
    null,
    'x',
  ]
  for (const value of wrong) t.equal(read(value), undefined, JSON.stringify(value))
  const twice = JSON.stringify({ critical: CRITICAL }).replace('{"critical"', '{"critical":{},"critical"')
  t.equal(readPayload(Buffer.from(twice), ATOMIC), undefined, 'a member that stands there twice')
  t.equal(readPayload(Buffer.from('{'), ATOMIC), undefined)
})
