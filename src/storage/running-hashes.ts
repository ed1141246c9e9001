// The hash over the bytes that an upload has received so far, so that its end need not read them all again. Kept for the
// uploads of this process that were used last; one that is missing costs that reading and nothing else.
import type { Hash } from 'node:crypto'
import type { Algorithm } from '../oci/digest.ts'
import type { UploadId } from './upload-id.ts'

export interface RunningHash {
  readonly algorithm: Algorithm
  readonly hash: Hash
  /** Bytes that went into the hash. */
  readonly offset: number
}

const MOST = 1000

export class RunningHashes {
  readonly #hashes = new Map<UploadId, RunningHash>()

  get(id: UploadId): RunningHash | undefined {
    return this.#hashes.get(id)
  }

  set(id: UploadId, running: RunningHash): void {
    this.#hashes.set(id, running)
    for (const [oldest] of this.#hashes) {
      if (this.#hashes.size <= MOST) break
      this.#hashes.delete(oldest)
    }
  }

  delete(id: UploadId): void {
    this.#hashes.delete(id)
  }
}
