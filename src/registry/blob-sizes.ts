// How much room blobs take and which of them several repositories hold, for `tarn ls`. Synchronous: never in the server.
import type { Digest } from '../oci/digest.ts'
import type { Layout } from '../storage/layout.ts'
import { statFile } from '../storage/stamp.ts'

export interface Sizes {
  /** Bytes on disk, each blob counted once. */
  readonly bytes: number
  /** How many of them another repository holds as well. */
  readonly sharedBytes: number
}

/** How many repositories hold each blob, and its size, asked once. */
export class BlobSizes {
  readonly #layout: Layout
  readonly #holders = new Map<Digest, number>()
  readonly #sizes = new Map<Digest, number>()

  constructor(layout: Layout) {
    this.#layout = layout
  }

  has(digest: Digest): boolean {
    return this.#holders.has(digest)
  }

  /** Counts one repository that holds `digests`. */
  add(digests: readonly Digest[]): void {
    for (const digest of digests) this.#holders.set(digest, (this.#holders.get(digest) ?? 0) + 1)
  }

  measure(digests: readonly Digest[]): Sizes {
    let bytes = 0
    let sharedBytes = 0
    for (const digest of digests) {
      const size = this.#sizeOf(digest)
      bytes += size
      if ((this.#holders.get(digest) ?? 0) > 1) sharedBytes += size
    }
    return { bytes, sharedBytes }
  }

  total(digests: ReadonlySet<Digest>): { blobs: number; bytes: number } {
    let blobs = 0
    let bytes = 0
    for (const digest of digests) {
      const size = this.#sizeOf(digest)
      bytes += size
      if (size > 0) blobs += 1
    }
    return { blobs, bytes }
  }

  #sizeOf(digest: Digest): number {
    let size = this.#sizes.get(digest)
    if (size === undefined) {
      try {
        size = statFile(this.#layout.blobData(digest))?.size ?? 0
      } catch {
        size = 0
      }
      this.#sizes.set(digest, size)
    }
    return size
  }
}
