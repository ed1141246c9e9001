// How much room a part of a bundle needs, asked before any of it is read. A try that broke off left bytes here that are not
// written again, and a blob that is cut lies here twice while its slices are joined.
import { Problem } from '../config/problem.ts'
import { statFile } from '../storage/stamp.ts'
import type { Store } from '../storage/store.ts'
import type { BundleBlob } from './bundle-index.ts'
import type { BundleHead } from './read-bundle.ts'
import { hasSlice } from './take-slices.ts'

/** Throws a Problem when what the part brings does not fit. */
export function requireRoomFor(store: Store, head: BundleHead): void {
  const bytes = countNewBytes(store, head)
  const { free, total } = store.room.read()
  if (total === 0 || bytes === 0 || free > bytes) return
  throw new Problem(`the bundle takes ${bytes} bytes more than are here, and ${free} are free`, {
    hint: 'nothing was changed; free some space, or have the bundle made in smaller parts: --part-size',
  })
}

/** Bytes that will be written when the part is applied. */
export function countNewBytes(store: Store, { index, part }: Pick<BundleHead, 'index' | 'part'>): number {
  return index.blobs
    .filter(({ digest }) => store.blobs.state(digest) === undefined)
    .reduce((sum, blob) => sum + (blob.slices === undefined ? ofWhole(store, blob, part) : ofCut(store, blob, part)), 0)
}

function ofWhole(store: Store, blob: BundleBlob, part: number): number {
  return blob.part !== part || isWaiting(store, blob) ? 0 : blob.size
}

function ofCut(store: Store, blob: BundleBlob, part: number): number {
  const { size, slices = [] } = blob
  let bytes = 0
  let isJoined = true
  for (const [at, slice] of slices.entries()) {
    if (hasSlice(store, blob, at)) continue
    if (slice.part !== part) isJoined = false
    else if (!isWaiting(store, slice)) bytes += slice.size
  }
  return isJoined ? bytes + size : bytes
}

/** Whether a try that broke off left it. Should its bytes be wrong, the writing itself finds out whether there is room. */
function isWaiting({ layout }: Store, { digest, size }: Pick<BundleBlob, 'digest' | 'size'>): boolean {
  return statFile(layout.incomingBlob(digest))?.size === size
}
