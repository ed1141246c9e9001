// The blobs of one run from a source to a target: each is sent once however many images and repositories need it, what is
// there already is not sent at all, and no more than a few are on their way at a time.
import type { Readable } from 'node:stream'
import type { Descriptor } from '../oci/descriptor.ts'
import type { Digest } from '../oci/digest.ts'
import type { RepositoryName } from '../oci/name.ts'
import { Mutex } from '../storage/mutex.ts'
import type { Turns } from '../upstream/turns.ts'
import { makeTurns } from '../upstream/turns.ts'
import type { ImageSource } from './image-source.ts'
import type { ImageTarget } from './image-target.ts'
import { tryAgain } from './try-again.ts'
import { verified } from './verified.ts'

/** What became of a blob: it was there, the target had it elsewhere, or its bytes went over. */
export type BlobOutcome = 'here' | 'linked' | 'sent'

export interface CopyBlobsParts {
  readonly source: ImageSource
  readonly target: ImageTarget
  /** Blobs at a time. */
  readonly most: number
  readonly signal: AbortSignal | undefined
  /** Told of bytes as they go over. */
  readonly onBytes: (count: number, digest: Digest) => void
  /** A repository of the target that has the bytes; what this run brings is added. */
  readonly places: Map<Digest, RepositoryName>
}

export interface BlobWish {
  /** Where the source has it. */
  readonly from: RepositoryName | undefined
  readonly to: RepositoryName
  readonly blob: Descriptor
  /** Told of bytes that go over for this wish. */
  readonly onBytes?: (count: number) => void
}

export class BlobCopies {
  readonly #parts: CopyBlobsParts
  readonly #turns: Turns
  readonly #mutex = new Mutex()
  /** What each repository of the target got in this run, or had. */
  readonly #done = new Map<string, Promise<BlobOutcome>>()

  constructor(parts: CopyBlobsParts) {
    this.#parts = parts
    this.#turns = makeTurns(parts.most)
  }

  /**
   * Sees to it that the target's repository has the blob. Gives 'here' for one that this run brought already. Throws what
   * source and target throw; another image that needs the blob tries again, since its repository may have a right copy.
   * `beforeCommit` is called, if at all, when the bytes are right and nobody sees them yet.
   */
  async copy(wish: BlobWish, beforeCommit?: () => Promise<void>): Promise<BlobOutcome> {
    const { to, blob } = wish
    const key = `${to}@${blob.digest} ${blob.size}`
    const earlier = this.#done.get(key)
    if (earlier !== undefined) return earlier.then(() => 'here')
    const copying = this.#mutex.run(blob.digest, () => this.#copy(wish, beforeCommit))
    this.#done.set(key, copying)
    try {
      return await copying
    } catch (error) {
      this.#done.delete(key)
      throw error
    }
  }

  async #copy({ from, to, blob, onBytes: tell }: BlobWish, beforeCommit?: () => Promise<void>): Promise<BlobOutcome> {
    const { source, target, signal, places, ...parts } = this.#parts
    const onBytes = (count: number): void => {
      parts.onBytes(count, blob.digest)
      tell?.(count)
    }
    const release = await this.#turns.take(signal)
    // What waits for others does not keep them from their turn.
    const waiting = beforeCommit && (async () => (release(), beforeCommit()))
    try {
      const open = async (): Promise<Readable> => {
        const raw = await source.openBlob(from, blob, { signal })
        return verified(raw, blob, { onBytes, hashed: target.hashes === true })
      }
      const outcome = await tryAgain(async () => {
        if (await target.hasBlob(to, blob, { signal })) return 'here'
        return target.putBlob(to, blob, open, { signal, from: places.get(blob.digest), beforeCommit: waiting })
      }, signal)
      places.set(blob.digest, to)
      return outcome
    } finally {
      release()
    }
  }
}
