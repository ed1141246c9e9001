import t from 'tap'
import { digestOf } from '../../src/oci/digest.ts'
import { verifySignatures } from '../../src/openshift/verify-signatures.ts'
import { atomicSignature, makeReleaseKey } from '../fixtures/release-key.ts'

const DIGEST = digestOf(Buffer.from('a release'))
const OTHER = digestOf(Buffer.from('another'))
const NAME = 'quay.io/openshift-release-dev/ocp-release:4.4.10-x86_64'
const LATER = (): Date => new Date(Date.now() + 60_000)

const [redhat, stranger] = [await makeReleaseKey('redhat'), await makeReleaseKey('stranger')]
const ring = { name: 'verifier-public-key-redhat', text: redhat.publicKey }
const found = (bytes: Buffer) => ({ bytes, from: 'store' })

t.test('a release is verified by a signature of its digest, whatever name stands in it', async (t) => {
  for (const name of [NAME, 'localhost:5000/any:other']) {
    const signature = found(await redhat.signRelease(DIGEST, name))
    const verdict = await verifySignatures(DIGEST, [signature], [ring], LATER())
    t.equal(verdict.verified, true)
    t.same(
      verdict.good.map(({ keyring, reference }) => [keyring, reference]),
      [[ring.name, name]],
    )
  }
})

t.test('one good signature among bad ones is enough, and the others are told with their reasons', async (t) => {
  const signatures = [
    found(await stranger.signRelease(DIGEST, NAME)),
    found(Buffer.from('junk')),
    found(await redhat.signRelease(DIGEST, NAME)),
  ]
  const verdict = await verifySignatures(DIGEST, signatures, [ring], LATER())
  t.same([verdict.verified, verdict.good.length, verdict.rejected.length], [true, 1, 2])
})

t.test('what a stranger signed, and what was signed for another image, verifies nothing', async (t) => {
  const refused = async (bytes: Buffer, reason: RegExp) => {
    const verdict = await verifySignatures(DIGEST, [found(bytes)], [ring], LATER())
    t.same([verdict.verified, verdict.unsatisfied], [false, [ring.name]])
    t.match(verdict.rejected[0]?.reason, reason)
  }
  await refused(await stranger.signRelease(DIGEST, NAME), /Could not find signing key/)
  await refused(await redhat.signRelease(OTHER, NAME), /another image/)
  const right = atomicSignature(DIGEST, NAME)
  const texts: [string, RegExp][] = [
    ['{', /no JSON/],
    ['[]', /no atomic container signature/],
    [right.replace('atomic container signature', 'simple signature'), /no atomic container signature/],
    [right.replace('"optional"', '"more":1,"optional"'), /fields that nobody knows/],
    [right.replace('"identity"', '"Identity"'), /fields that nobody knows/],
    [right.replace('"type"', '"note":1,"type"'), /fields that nobody knows/],
    [
      right.replace(`"docker-manifest-digest":"${DIGEST}"`, `"docker-manifest-digest":"${DIGEST}","x":1`),
      /nobody knows/,
    ],
    [right.replace(`{"docker-manifest-digest":"${DIGEST}"}`, '{}'), /another image/],
    [right.replace(NAME, ''), /no name/],
    [right.replace(`"${DIGEST}"`, `"${OTHER}","docker-manifest-digest":"${DIGEST}"`), /no JSON that all read alike/],
  ]
  for (const [text, reason] of texts) await refused(await redhat.signText(text), reason)
})

t.test('every keyring must be satisfied, and none at all verifies nothing', async (t) => {
  const signature = found(await redhat.signRelease(DIGEST, NAME))
  const second = { name: 'verifier-public-key-other', text: stranger.publicKey }
  const verdict = await verifySignatures(DIGEST, [signature], [ring, second], LATER())
  t.same([verdict.verified, verdict.unsatisfied], [false, [second.name]])
  const both = [signature, found(await stranger.signRelease(DIGEST, NAME))]
  t.equal((await verifySignatures(DIGEST, both, [ring, second], LATER())).verified, true)
  t.equal((await verifySignatures(DIGEST, both, [], LATER())).verified, false)
  const broken = { name: 'verifier-public-key-broken', text: 'no key' }
  t.same((await verifySignatures(DIGEST, both, [ring, broken], LATER())).unsatisfied, [broken.name])
})
