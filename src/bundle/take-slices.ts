// Blobs that are cut over parts. A slice lies beside where its blob belongs, where plain tar puts it too; when all of them
// are here they are read into one file, hashed, and only what hashes right becomes the blob.
import { createReadStream } from 'node:fs'
import { open, readdir, rm } from 'node:fs/promises'
import type { Digest } from '../oci/digest.ts'
import { algorithmOf, hexOf } from '../oci/digest.ts'
import type { Context } from '../registry/context.ts'
import { requireWritable } from '../registry/context.ts'
import { hashFile } from '../storage/hash-file.ts'
import type { Incoming } from '../storage/incoming.ts'
import { childOf } from '../storage/layout.ts'
import { statFile } from '../storage/stamp.ts'
import type { Store } from '../storage/store.ts'
import { BadArchive } from './bad-archive.ts'
import type { BundleBlob, BundleSlice } from './bundle-index.ts'
import type { BlobTaker } from './read-archive.ts'
import type { BundlePart, BundleTaker } from './read-bundle.ts'
import { hashBlobs } from './take-blobs.ts'

const PIECE = 1024 * 1024
const SLICE = /^slice-\d{4}-of-\d{4}$/

/** Paths of the slices of a blob, in order. */
function slicePaths({ layout }: Store, { digest, slices = [] }: BundleBlob): string[] {
  return slices.map((_, at) => layout.blobSlice(digest, at + 1, slices.length))
}

/** Whether the slice at that place among those of its blob lies here, by its size. */
export function hasSlice({ layout }: Store, { digest, slices = [] }: BundleBlob, at: number): boolean {
  return statFile(layout.blobSlice(digest, at + 1, slices.length))?.size === slices[at]?.size
}

/**
 * Takes slices like blobs of their own. Where the blob is whole, or the slice lies in its place, nothing has to be written:
 * the archive's bytes are only hashed.
 */
export class SliceTaker {
  readonly #store: Store
  /** Paths at which the right slice lies. */
  readonly #right = new Set<string>()
  readonly #releases: (() => void)[] = []

  constructor(store: Store) {
    this.#store = store
  }

  /** What takes a part: whole blobs are for `taker`. */
  over(taker: BlobTaker): BundleTaker {
    const known = hashBlobs(() => true)
    return {
      take: (digest, size, bytes) => taker.take(digest, size, bytes),
      takeSlice: async (blob, slice, _offset, bytes) => {
        const isHere = await this.#isHere(blob, slice)
        return (isHere ? known : taker).take(slice.digest, slice.size, bytes)
      },
    }
  }

  /** Puts the slices of a part where they belong, and joins the blobs of which there are all now. Throws BadArchive. */
  async join(context: Context, part: BundlePart, incoming: Incoming): Promise<void> {
    const store = this.#store
    const cut = part.head.index.blobs.filter(
      ({ digest, slices }) => slices !== undefined && store.blobs.state(digest)?.verdict !== 'whole',
    )
    await this.#place(context, part, cut, incoming)
    for (const blob of cut) {
      if (blob.slices?.every((_, at) => hasSlice(store, blob, at)) !== true) continue
      const isRight = await incoming.take(blob.digest, blob.size, readAll(slicePaths(store, blob)))
      if (!isRight) {
        // Those of another cut, which may lie there too, are none the worse for it.
        for (const path of slicePaths(store, blob)) await rm(path, { force: true })
        throw new BadArchive(`the slices of ${blob.digest} do not make that blob`)
      }
    }
  }

  /** Lets go of what collection was kept from taking. */
  release(): void {
    for (const release of this.#releases.splice(0)) release()
  }

  async #isHere(blob: BundleBlob, slice: BundleSlice): Promise<boolean> {
    const { blobs, leases } = this.#store
    // Nothing of it is written again, so it must not go meanwhile.
    this.#releases.push(leases.hold([blob.digest]))
    // A file that cannot be read is one to be replaced.
    if ((await blobs.ensureWhole(blob.digest).catch(() => undefined)) !== undefined) return true
    const at = blob.slices?.indexOf(slice) ?? -1
    const path = slicePaths(this.#store, blob)[at]
    if (path === undefined || !hasSlice(this.#store, blob, at)) return false
    if (!(await hashesTo(path, slice.digest).catch(() => false))) return false
    this.#right.add(path)
    return true
  }

  async #place(
    context: Context,
    { head, slices: found }: BundlePart,
    cut: readonly BundleBlob[],
    incoming: Incoming,
  ): Promise<void> {
    const { layout, blobs } = this.#store
    const whole = new Set(head.index.blobs.flatMap(({ digest, slices }) => (slices === undefined ? [digest] : [])))
    // The slices of two blobs may be the same bytes, and those of a blob too: zeros.
    const placed = new Map<Digest, string>()
    for (const blob of cut) {
      const paths = slicePaths(this.#store, blob)
      for (const [at, { digest, part }] of (blob.slices ?? []).entries()) {
        const path = paths[at]
        if (path === undefined || part !== head.part || !found.has(digest) || this.#right.has(path)) continue
        requireWritable(context)
        const twin = placed.get(digest)
        if (twin !== undefined) await incoming.copyOut(twin, path)
        else if (!incoming.waiting.has(digest)) {
          if (blobs.state(digest) === undefined) continue
          await incoming.copyOut(layout.blobData(digest), path)
        } else if (whole.has(digest)) await incoming.copyOut(layout.incomingBlob(digest), path)
        else await incoming.moveOut(digest, path)
        placed.set(digest, path)
      }
    }
  }
}

async function hashesTo(path: string, digest: Digest): Promise<boolean> {
  const handle = await open(path, 'r')
  try {
    return (await hashFile(handle, algorithmOf(digest))) === hexOf(digest)
  } finally {
    await handle.close()
  }
}

/** Removes the slices of a blob that is whole now, whichever bundle cut it. */
export async function removeSlices({ layout }: Store, { digest }: Pick<BundleBlob, 'digest'>): Promise<void> {
  const directory = layout.blob(digest)
  for (const name of await readdir(directory)) {
    if (SLICE.test(name)) await rm(childOf(directory, name), { force: true })
  }
}

async function* readAll(paths: readonly string[]): AsyncGenerator<Uint8Array> {
  for (const path of paths) yield* createReadStream(path, { highWaterMark: PIECE }) as AsyncIterable<Uint8Array>
}
