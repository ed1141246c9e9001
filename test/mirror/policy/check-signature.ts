import { createPublicKey } from 'node:crypto'
import t from 'tap'
import { parseDigest } from '../../../src/oci/digest.ts'
import { whyNotAttached, whyNotSigned } from '../../../src/mirror/policy/check-signature.ts'
import { parseDockerReference } from '../../../src/mirror/policy/docker-reference.ts'
import { readKeyring } from '../../../src/mirror/policy/openpgp.ts'
import { makeReleaseKey } from '../../fixtures/release-key.ts'
import { hashOf } from '../../helpers/digest.ts'
import { cosignPayload, makeSigningKey, signPayload } from '../../helpers/signing.ts'

const BYTES = Buffer.from('{"schemaVersion":2}')
const DIGEST = parseDigest(hashOf(BYTES))
const NAME = 'quay.io/org/app:1'
const IMAGE = { reference: parseDockerReference(NAME) ?? { name: '' }, digest: DIGEST, bytes: BYTES }
const IDENTITY = { type: 'matchRepoDigestOrExact' } as const

t.test('signatures with every kind of key that cosign makes are good, and those of another key are not', async (t) => {
  const stranger = createPublicKey(makeSigningKey().publicKey)
  for (const kind of ['p256', 'p384', 'rsa', 'ed25519'] as const) {
    const key = makeSigningKey(kind)
    const payload = cosignPayload(DIGEST, NAME)
    const signature = signPayload(payload, key)
    const keys = [stranger, createPublicKey(key.publicKey)]
    t.equal(whyNotAttached({ payload, signature }, IMAGE, { keys, identity: IDENTITY }), undefined, kind)
    const foreign = { keys: [stranger], identity: IDENTITY }
    t.match(whyNotAttached({ payload, signature }, IMAGE, foreign), /no key of the policy/, kind)
    const changed = cosignPayload(DIGEST, 'quay.io/org/app:2')
    t.match(whyNotAttached({ payload: changed, signature }, IMAGE, { keys, identity: IDENTITY }), /no key/, kind)
  }
})

t.test('a good signature of another image, under another name, or of something else does not count', async (t) => {
  const key = makeSigningKey()
  const rule = { keys: [createPublicKey(key.publicKey)], identity: IDENTITY }
  const why = (payload: Buffer) => whyNotAttached({ payload, signature: signPayload(payload, key) }, IMAGE, rule)
  t.match(why(cosignPayload(hashOf('other'), NAME)), /for the digest/)
  t.match(why(cosignPayload(DIGEST, 'quay.io/org/app:2')), /for "quay\.io\/org\/app:2"/)
  t.match(why(cosignPayload(DIGEST, 'quay.io/org/app')), /not for quay\.io\/org\/app:1/)
  t.match(why(Buffer.from('{}')), /no statement/)
  t.match(whyNotAttached({ payload: Buffer.from('x'), signature: '?' }, IMAGE, rule), /base64/)
  t.match(whyNotAttached({ payload: Buffer.from('x'), signature: 'AAAA' }, IMAGE, rule), /no key/)
  const sha512 = hashOf(BYTES, 'sha512')
  t.equal(why(cosignPayload(sha512, NAME)), undefined, 'the same bytes by a digest of another algorithm')
})

t.test('a message of containers/image is good by a key of the ring, for this digest and this name', async (t) => {
  const [key, other] = [await makeReleaseKey('one'), await makeReleaseKey('two')]
  const keys = await readKeyring(key.publicKey)
  const rule = { keys, identity: IDENTITY, now: new Date(Date.now() + 60_000) }
  t.equal(await whyNotSigned(await key.signRelease(DIGEST, NAME), IMAGE, rule), undefined)
  t.ok(await whyNotSigned(await other.signRelease(DIGEST, NAME), IMAGE, rule))
  t.match(await whyNotSigned(await key.signRelease(hashOf('other'), NAME), IMAGE, rule), /for the digest/)
  t.match(await whyNotSigned(await key.signRelease(DIGEST, 'quay.io/x/y:1'), IMAGE, rule), /not for/)
  t.match(await whyNotSigned(await key.signText('{}'), IMAGE, rule), /no statement/)
  t.match(await whyNotSigned(Buffer.from('\0sigstore-json\n{}'), IMAGE, rule), /cannot be read/)
})
