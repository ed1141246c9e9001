// How far one image is: the bytes of the blobs that it needs, also of those that others brought, and the bytes that came
// from an upstream for it.
import type { Digest } from '../../oci/digest.ts'
import type { Transfer } from '../transfer.ts'

export type FollowedTransfer = Pick<Transfer, 'digest' | 'received' | 'resumedFrom'>

export class BlobsUnderWay {
  /** Bytes of all blobs that it needs and that were not here. */
  readonly total: number
  readonly #sizes: ReadonlyMap<Digest, number>
  readonly #running = new Map<Digest, FollowedTransfer>()
  readonly #ended = new Set<Digest>()
  readonly #own = new Set<FollowedTransfer>()
  #endedBytes = 0

  constructor(blobs: Iterable<{ readonly digest: Digest; readonly size: number }>) {
    this.#sizes = new Map([...blobs].map(({ digest, size }) => [digest, size]))
    this.total = [...this.#sizes.values()].reduce((sum, size) => sum + size, 0)
  }

  /** A transfer brings one of them; `isOwn`: it was begun for this image. */
  follow(transfer: FollowedTransfer, isOwn: boolean): void {
    this.#running.set(transfer.digest, transfer)
    if (isOwn) this.#own.add(transfer)
  }

  /** One of them is here. */
  end(digest: Digest): void {
    this.#running.delete(digest)
    if (this.#ended.has(digest)) return
    this.#ended.add(digest)
    this.#endedBytes += this.#sizes.get(digest) ?? 0
  }

  /** Of `total`. */
  get done(): number {
    let done = this.#endedBytes
    for (const [digest, { received }] of this.#running) {
      if (!this.#ended.has(digest)) done += Math.min(received, this.#sizes.get(digest) ?? received)
    }
    return done
  }

  /** Bytes that came from upstreams because of this image, without those of an earlier life. */
  get fetched(): number {
    let fetched = 0
    for (const { received, resumedFrom } of this.#own) fetched += Math.max(0, received - resumedFrom)
    return fetched
  }

  /** How many blobs of it came, wholly or in part, because of this image. */
  get fetchedBlobs(): number {
    return new Set([...this.#own].map(({ digest }) => digest)).size
  }
}
