import fc from 'fast-check'
import t from 'tap'
import { blobName } from '../../src/bundle/entry-name.ts'
import { packBlobs } from '../../src/bundle/pack.ts'
import { headerSize, padSize } from '../../src/bundle/tar-header.ts'
import { digestFor } from '../helpers/bundle-facts.ts'

const blobsOf = (...sizes: readonly number[]) => sizes.map((size, at) => ({ digest: digestFor(`${at}`), size }))
const NONE = new Set<never>()

t.test('blobs fill a part in their order until the next one does not fit', async (t) => {
  const { blobs, parts } = packBlobs(blobsOf(1000, 1000, 1000, 10), { capacity: 3500, tail: 0, uncut: NONE })
  t.same(
    blobs.map(({ part }) => part),
    [1, 1, 2, 2],
  )
  t.equal(parts, 2)
})

t.test('a blob that fits into no part is cut, and what follows fills its last part', async (t) => {
  const { blobs, parts } = packBlobs(blobsOf(1000, 9000, 10), { capacity: 4608, tail: 0, uncut: NONE })
  t.same(
    blobs.map(({ part }) => part),
    [1, 2, 4],
  )
  t.same(blobs[1]?.slices, [4096, 4096, 808])
  t.equal(parts, 4)
})

t.test('links that do not fit behind the last blob have a part of their own', async (t) => {
  t.equal(packBlobs(blobsOf(1000), { capacity: 3000, tail: 1600, uncut: NONE }).parts, 2)
  t.equal(packBlobs(blobsOf(1000), { capacity: 3000, tail: 1400, uncut: NONE }).parts, 1)
  t.equal(packBlobs([], { capacity: 3000, tail: 9000, uncut: NONE }).parts, 1)
})

t.test('a manifest is not cut', async (t) => {
  const uncut = new Set([digestFor('0')])
  t.throws(() => packBlobs(blobsOf(5000), { capacity: 3000, tail: 0, uncut }), { exitCode: 2, message: /too small/ })
})

t.test('whatever the sizes, nothing is lost and no part holds too much', async (t) => {
  const sizes = fc.array(fc.oneof(fc.nat(600), fc.nat(50_000)), { maxLength: 60 })
  fc.assert(
    fc.property(sizes, fc.integer({ min: 1600, max: 20_000 }), (list, capacity) => {
      const { blobs, parts } = packBlobs(blobsOf(...list), { capacity, tail: 0, uncut: NONE })
      const used = Array.from({ length: parts + 1 }, () => 0)
      for (const { digest, size, part, slices = [size] } of blobs) {
        if (slices.reduce((sum, slice) => sum + slice, 0) !== size) return false
        for (const [at, slice] of slices.entries()) used[part + at]! += headerSize(blobName(digest)) + padSize(slice)
      }
      return blobs.length === list.length && used.every((bytes) => bytes <= capacity)
    }),
  )
  t.pass()
})
