import t from 'tap'
import { BlobsUnderWay } from '../../../src/mirror/sync/blobs-under-way.ts'
import type { Digest } from '../../../src/oci/digest.ts'
import { digestOf } from '../../../src/oci/digest.ts'

const digestFor = (name: string): Digest => digestOf(Buffer.from(name))

const [A, B, C] = [digestFor('a'), digestFor('b'), digestFor('c')]
const transfer = (digest = A, received = 0, resumedFrom = 0) => ({ digest, received, resumedFrom })

t.test('what others bring counts for the bar, and not for what was fetched', async (t) => {
  const blobs = new BlobsUnderWay([
    { digest: A, size: 100 },
    { digest: B, size: 50 },
    { digest: C, size: 25 },
  ])
  t.equal(blobs.total, 175)
  const [own, theirs] = [transfer(A, 0, 0), transfer(B, 0, 0)]
  blobs.follow(own, true)
  blobs.follow(theirs, false)
  own.received = 60
  theirs.received = 20
  t.equal(blobs.done, 80)
  t.equal(blobs.fetched, 60)
  blobs.end(own.digest)
  own.received = 100
  t.equal(blobs.done, 120)
  t.equal(blobs.fetched, 100)
  blobs.end(digestFor('c'))
  blobs.end(digestFor('c'))
  t.equal(blobs.done, 145, 'what was linked is done too, once')
  t.equal(blobs.fetchedBlobs, 1)
})

t.test('what an earlier life left was not fetched again', async (t) => {
  const blobs = new BlobsUnderWay([{ digest: digestFor('a'), size: 100 }])
  blobs.follow(transfer(A, 100, 70), true)
  t.equal(blobs.fetched, 30)
  t.equal(blobs.done, 100)
})

t.test('a blob that is fetched twice costs twice, and is one blob', async (t) => {
  const blobs = new BlobsUnderWay([{ digest: digestFor('a'), size: 100 }])
  blobs.follow(transfer(A, 100), true)
  blobs.follow(transfer(A, 100), true)
  t.equal(blobs.fetched, 200)
  t.equal(blobs.fetchedBlobs, 1)
})
