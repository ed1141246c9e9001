// A signed bundle, changed by chance in thousands of ways: whatever the change, nothing of it comes in. More of them:
// TARN_MUTATIONS; a run again: TARN_SEED.
import { createPublicKey, generateKeyPairSync } from 'node:crypto'
import fc from 'fast-check'
import t from 'tap'
import { applyBundle } from '../../src/bundle/apply-bundle.ts'
import { parseAllowedSigners } from '../../src/bundle/allowed-signers.ts'
import { signIndex } from '../../src/bundle/signature.ts'
import { describePublicKey, formatPublicKey } from '../../src/bundle/ssh-key.ts'
import { Problem } from '../../src/config/problem.ts'
import { makeBundle } from '../helpers/bundle.ts'
import { inPieces } from '../helpers/data-tar.ts'
import { hashTree } from '../helpers/hash-tree.ts'
import { IMAGES } from '../helpers/hostile-bundles.ts'
import { makeContext, makeStore } from '../helpers/store.ts'

const RUNS = Number(process.env['TARN_MUTATIONS'] ?? 400)
const SEED = process.env['TARN_SEED']
const BLOCK = 512
const { privateKey } = generateKeyPairSync('ed25519')
const LINE = `tarn ${formatPublicKey(describePublicKey(createPublicKey(privateKey)))}\n`
const POLICY = { signers: parseAllowedSigners(LINE, 'allowed_signers'), required: true, now: Date.UTC(2026, 0, 1) }

const { parts, indexBytes } = makeBundle(IMAGES, { sign: (index) => signIndex(index, privateKey) })
const GOOD = parts[0] as Buffer
const BLOCKS = GOOD.length / BLOCK
// The text of the signature can be written in more ways than one that say the same.
const SIGNATURE_AT = BLOCK + Math.ceil(indexBytes.length / BLOCK) * BLOCK
const SIGNATURE_END = SIGNATURE_AT + 2 * BLOCK

const place = fc.nat({ max: GOOD.length - 1 }).filter((at) => at < SIGNATURE_AT || at >= SIGNATURE_END)
const block = fc.nat({ max: BLOCKS - 1 }).filter((at) => at * BLOCK < SIGNATURE_AT || at * BLOCK >= SIGNATURE_END)

type Change = (good: Buffer) => Buffer

const sumAgain = (bytes: Buffer, at: number): void => {
  bytes.write('        ', at + 148, 'latin1')
  const sum = bytes.subarray(at, at + BLOCK).reduce((total, byte) => total + byte, 0)
  bytes.write(`${sum.toString(8).padStart(6, '0')}\0 `, at + 148, 'latin1')
}

const change: fc.Arbitrary<Change> = fc.oneof(
  fc.tuple(place, fc.integer({ min: 1, max: 255 })).map(([at, by]): Change => (good) => {
    const bytes = Buffer.from(good)
    bytes[at] = (bytes[at] ?? 0) ^ by
    return bytes
  }),
  fc.nat({ max: GOOD.length - 1 }).map(
    (end): Change =>
      (good) =>
        good.subarray(0, end),
  ),
  fc.tuple(block, fc.uint8Array({ minLength: 1, maxLength: 1024 })).map(
    ([at, more]): Change =>
      (good) =>
        Buffer.concat([good.subarray(0, at * BLOCK), more, good.subarray(at * BLOCK)]),
  ),
  block.map(
    (at): Change =>
      (good) =>
        Buffer.concat([good.subarray(0, at * BLOCK), good.subarray((at + 1) * BLOCK)]),
  ),
  block.map(
    (at): Change =>
      (good) =>
        Buffer.concat([good.subarray(0, (at + 1) * BLOCK), good.subarray(at * BLOCK)]),
  ),
  fc
    .tuple(block, block)
    .filter(([a, b]) => !GOOD.subarray(a * BLOCK, (a + 1) * BLOCK).equals(GOOD.subarray(b * BLOCK, (b + 1) * BLOCK)))
    .map(([a, b]): Change => (good) => {
      const bytes = Buffer.from(good)
      good.copy(bytes, a * BLOCK, b * BLOCK, (b + 1) * BLOCK)
      return bytes
    }),
  // A header that was changed by somebody who knows how its sum is made.
  fc
    .tuple(block, fc.nat({ max: BLOCK - 1 }), fc.integer({ min: 1, max: 255 }))
    .map(([at, offset, by]): Change => (good) => {
      const bytes = Buffer.from(good)
      bytes[at * BLOCK + offset] = (bytes[at * BLOCK + offset] ?? 0) ^ by
      if (good.toString('latin1', at * BLOCK + 257, at * BLOCK + 262) === 'ustar') sumAgain(bytes, at * BLOCK)
      return bytes
    }),
  fc.uint8Array({ minLength: 1, maxLength: 2048 }).map(
    (more): Change =>
      (good) =>
        Buffer.concat([good, more]),
  ),
)

t.test(`of ${RUNS} bundles that were changed by chance none comes in, and none changes anything`, async (t) => {
  const directory = t.testdir()
  const context = makeContext(makeStore(directory))
  const before = hashTree(directory)
  let refused = 0
  let slowest = 0
  await fc.assert(
    fc.asyncProperty(change, async (make) => {
      const bytes = make(GOOD)
      if (bytes.equals(GOOD)) return
      const begun = performance.now()
      const error: unknown = await applyBundle(context, inPieces(bytes, 65_536), {
        dryRun: false,
        policy: POLICY,
      }).catch((e: unknown) => e)
      slowest = Math.max(slowest, performance.now() - begun)
      if (!(error instanceof Problem)) throw new Error(`it was taken, or failed: ${String(error)}`)
      refused += 1
    }),
    { numRuns: RUNS, ...(SEED !== undefined && { seed: Number(SEED) }) },
  )
  t.ok(refused > RUNS / 2, `${refused} refused`)
  t.ok(slowest < 2000, `the slowest took ${Math.round(slowest)} ms`)
  t.equal(hashTree(directory), before)
})
