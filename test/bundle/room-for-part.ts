import { writeFileSync } from 'node:fs'
import t from 'tap'
import { applyBundle } from '../../src/bundle/apply-bundle.ts'
import { countNewBytes } from '../../src/bundle/room-for-part.ts'
import { digestOf } from '../../src/oci/digest.ts'
import { makeBundle } from '../helpers/bundle.ts'
import { inPieces, testImage } from '../helpers/data-tar.ts'
import { makeContext, makeStore } from '../helpers/store.ts'

const OPTIONS = { dryRun: false, policy: { signers: undefined, required: false, now: 1_800_000_000_000 } }

t.test('what a try that broke off left is not counted again', async (t) => {
  const image = testImage('team/a', 'v1', 'one', [600_000, 700_000])
  const { index, parts } = makeBundle([image])
  const store = makeStore(t.testdir())
  const all = index.blobs.reduce((sum, { size }) => sum + size, 0)
  t.equal(countNewBytes(store, { index, part: 1 }), all)
  const tar = parts[0] as Buffer
  async function* breaking() {
    yield* inPieces(tar.subarray(0, 900_000))
    throw new Error('the line broke')
  }
  await t.rejects(applyBundle(makeContext(store), breaking(), OPTIONS), { message: 'the line broke' })
  t.equal(countNewBytes(store, { index, part: 1 }), all - 600_000)
  await applyBundle(makeContext(store), inPieces(tar), OPTIONS)
  t.equal(countNewBytes(store, { index, part: 1 }), 0)
})

t.test('slices are counted until they are here, and the part that completes a blob brings it once more', async (t) => {
  const image = testImage('team/a', 'v1', 'one', [100_000])
  const cut = digestOf(image.layers[0] as Buffer)
  const { index, parts } = makeBundle([image], { parts: 3, sliceSize: 40_000, partOf: () => 3 })
  const others = index.blobs.reduce((sum, { digest, size }) => sum + (digest === cut ? 0 : size), 0)
  const store = makeStore(t.testdir())
  const count = () => [1, 2, 3].map((part) => countNewBytes(store, { index, part }))
  t.same(count(), [40_000, 40_000, 20_000 + others])
  await applyBundle(makeContext(store), inPieces(parts[0] as Buffer), OPTIONS)
  t.same(count(), [0, 40_000, 20_000 + others])
  await applyBundle(makeContext(store), inPieces(parts[2] as Buffer), OPTIONS)
  t.same(count(), [0, 140_000, 0])
  writeFileSync(store.layout.blobSlice(cut, 2, 3), Buffer.alloc(40_000))
  t.same(count(), [100_000, 100_000, 100_000], 'by tar, which joins nothing')
})
