// Bundles from strangers: each class is refused with a sentence, in no time, and nothing is changed.
import { createPublicKey, generateKeyPairSync } from 'node:crypto'
import t from 'tap'
import { applyBundle } from '../../src/bundle/apply-bundle.ts'
import { parseAllowedSigners } from '../../src/bundle/allowed-signers.ts'
import { signIndex } from '../../src/bundle/signature.ts'
import { describePublicKey, formatPublicKey } from '../../src/bundle/ssh-key.ts'
import { BundleVerifier } from '../../src/bundle/verify-bundle.ts'
import { Problem } from '../../src/config/problem.ts'
import { makeBundle } from '../helpers/bundle.ts'
import { inPieces } from '../helpers/data-tar.ts'
import { hashTree } from '../helpers/hash-tree.ts'
import { HOSTILE_BUNDLES, IMAGES } from '../helpers/hostile-bundles.ts'
import { HOSTILE_TARS } from '../helpers/hostile-archives.ts'
import { makeContext, makeStore } from '../helpers/store.ts'

const MOST_MS = 2000
const NOBODY = { signers: undefined, required: false, now: Date.UTC(2026, 0, 1) }

for (const { name, says, make } of HOSTILE_BUNDLES) {
  t.test(`${name} is refused`, async (t) => {
    const directory = t.testdir()
    const context = makeContext(makeStore(directory))
    const before = hashTree(directory)
    const bytes = await make()
    for (const act of [
      () => new BundleVerifier().verify(inPieces(bytes, 65_536), { policy: NOBODY }),
      () => applyBundle(context, inPieces(bytes, 65_536), { dryRun: false, policy: NOBODY }),
    ]) {
      const begun = performance.now()
      const error: unknown = await act().catch((e: unknown) => e)
      t.ok(error instanceof Problem, 'with words for a person')
      t.match((error as Error).message, says)
      t.ok(performance.now() - begun < MOST_MS, `in less than ${MOST_MS} ms`)
    }
    t.equal(hashTree(directory), before)
  })
}

t.test('what is no tar of a registry is no bundle either', async (t) => {
  const directory = t.testdir()
  const context = makeContext(makeStore(directory))
  const before = hashTree(directory)
  for (const { name, make } of HOSTILE_TARS) {
    const bytes = await make()
    const error: unknown = await applyBundle(context, inPieces(bytes, 65_536), { dryRun: false, policy: NOBODY }).catch(
      (e: unknown) => e,
    )
    t.match(error, { exitCode: 4 }, name)
  }
  t.equal(hashTree(directory), before)
})

t.test('a bundle that is cut at any block is refused', async (t) => {
  const directory = t.testdir()
  const context = makeContext(makeStore(directory))
  const before = hashTree(directory)
  const bytes = makeBundle(IMAGES).parts[0] as Buffer
  let refused = 0
  for (let end = 0; end < bytes.length; end += 512) {
    const cut = applyBundle(context, inPieces(bytes.subarray(0, end), 65_536), { dryRun: false, policy: NOBODY })
    const error: unknown = await cut.catch((e: unknown) => e)
    if (error instanceof Problem && error.exitCode === 4) refused += 1
  }
  t.equal(refused, Math.ceil(bytes.length / 512))
  t.equal(hashTree(directory), before)
})

t.test('a signature whose time is over, or has not come, is none', async (t) => {
  const { privateKey } = generateKeyPairSync('ed25519')
  const line = formatPublicKey(describePublicKey(createPublicKey(privateKey)))
  const bytes = makeBundle(IMAGES, { sign: (index) => signIndex(index, privateKey) }).parts[0] as Buffer
  for (const option of ['valid-before="20250101"', 'valid-after="20270101"', 'namespaces="file"']) {
    const signers = parseAllowedSigners(`tarn ${option} ${line}\n`, 'allowed_signers')
    const verified = new BundleVerifier().verify(inPieces(bytes), { policy: { ...NOBODY, signers } })
    await t.rejects(verified, { exitCode: 4, message: /is not for now, or not for bundles/ }, option)
  }
})
