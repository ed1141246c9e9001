// How many bytes a copy will move in all, as far as it is known now: what turns out to be there already is taken off again.
import type { Descriptor } from '../oci/descriptor.ts'
import type { Digest } from '../oci/digest.ts'

export class ExpectedBytes {
  #total = 0
  /** Images that are not done and need the blob. */
  readonly #users = new Map<Digest, number>()
  /** Blobs of which bytes went over, or that need none. */
  readonly #settled = new Set<Digest>()

  get total(): number {
    return this.#total
  }

  /** Blobs that one more image needs. */
  add(blobs: readonly Descriptor[]): void {
    for (const { digest, size } of blobs) {
      const users = this.#users.get(digest) ?? 0
      if (users === 0 && !this.#settled.has(digest)) this.#total += size
      this.#users.set(digest, users + 1)
    }
  }

  /** Bytes of it went over. */
  moved(digest: Digest): void {
    this.#settled.add(digest)
  }

  /** No bytes of it are needed. */
  spare({ digest, size }: Descriptor): void {
    if (this.#settled.has(digest) || !this.#users.has(digest)) return
    this.#settled.add(digest)
    this.#total -= size
  }

  /** An image that needed them is done, however it ended. */
  leave(blobs: readonly Descriptor[]): void {
    for (const blob of blobs) {
      const users = (this.#users.get(blob.digest) ?? 0) - 1
      if (users === 0) this.spare(blob)
      if (users > 0) this.#users.set(blob.digest, users)
      else this.#users.delete(blob.digest)
    }
  }
}
