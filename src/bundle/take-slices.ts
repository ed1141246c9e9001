// Blobs that are cut over parts. A slice lies beside where its blob belongs, where plain tar puts it too; when all of them
// are here they are read into one file, hashed, and only what hashes right becomes the blob.
import { createReadStream } from 'node:fs'
import { copyFile, mkdir, rm } from 'node:fs/promises'
import { dirname } from 'node:path'
import type { Digest } from '../oci/digest.ts'
import type { Context } from '../registry/context.ts'
import { requireWritable } from '../registry/context.ts'
import type { Incoming } from '../storage/incoming.ts'
import { statFile } from '../storage/stamp.ts'
import type { Store } from '../storage/store.ts'
import { BadArchive } from './bad-archive.ts'
import type { BundleBlob } from './bundle-index.ts'
import type { BundlePart } from './read-bundle.ts'

const PIECE = 1024 * 1024

/** Paths of the slices of a blob, in order. */
function slicePaths({ layout }: Store, { digest, slices = [] }: BundleBlob): string[] {
  return slices.map((_, at) => layout.blobSlice(digest, at + 1, slices.length))
}

/** Whether all slices of the blob lie here, by their sizes. */
export function hasAllSlices(store: Store, blob: BundleBlob): boolean {
  const { slices = [] } = blob
  return slices.length > 0 && slicePaths(store, blob).every((path, at) => statFile(path)?.size === slices[at]?.size)
}

/** Puts the slices of a part where they belong, and joins the blobs of which there are all now. Throws BadArchive. */
export async function joinSlices(context: Context, part: BundlePart, incoming: Incoming): Promise<void> {
  const { store } = context
  const cut = part.head.index.blobs.filter(
    ({ digest, slices }) => slices !== undefined && store.blobs.state(digest)?.verdict !== 'whole',
  )
  await placeSlices(context, part, cut, incoming)
  for (const blob of cut) {
    if (!hasAllSlices(store, blob)) continue
    const isRight = await incoming.take(blob.digest, blob.size, readAll(slicePaths(store, blob)))
    if (!isRight) {
      await removeSlices(store, blob)
      throw new BadArchive(`the slices of ${blob.digest} do not make that blob`)
    }
  }
}

async function placeSlices(
  context: Context,
  { head, slices: found }: BundlePart,
  cut: readonly BundleBlob[],
  incoming: Incoming,
): Promise<void> {
  // The slices of two blobs may be the same bytes: zeros.
  const placed = new Map<Digest, string>()
  for (const blob of cut) {
    const paths = slicePaths(context.store, blob)
    for (const [at, { digest, part }] of (blob.slices ?? []).entries()) {
      const path = paths[at]
      if (path === undefined || part !== head.part || !found.has(digest)) continue
      requireWritable(context)
      const twin = placed.get(digest)
      if (incoming.waiting.has(digest)) await incoming.moveOut(digest, path)
      else if (twin !== undefined) await copyTo(path, twin)
      else continue
      placed.set(digest, path)
    }
  }
}

async function copyTo(path: string, from: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true })
  await copyFile(from, path)
}

/** Removes the slices of a blob that is whole now. */
export async function removeSlices(store: Store, blob: BundleBlob): Promise<void> {
  for (const path of slicePaths(store, blob)) await rm(path, { force: true })
}

async function* readAll(paths: readonly string[]): AsyncGenerator<Uint8Array> {
  for (const path of paths) yield* createReadStream(path, { highWaterMark: PIECE }) as AsyncIterable<Uint8Array>
}
