// The hash of bytes that come piece by piece: of few at once, of many in a thread, beside the reading of the next.
import { createHash } from 'node:crypto'
import type { Algorithm } from '../oci/digest.ts'
import type { HashThread } from '../storage/hash-thread.ts'

export interface PieceHash {
  /** Takes the next bytes; resolves when they may change. */
  update(piece: Uint8Array): Promise<void>
  /** The hash of all of them in hexadecimal. */
  digest(): Promise<string>
}

export function hashHere(algorithm: Algorithm): PieceHash {
  const hash = createHash(algorithm)
  return {
    async update(piece) {
      hash.update(piece)
    },
    digest: async () => hash.digest('hex'),
  }
}

/** In the thread, which has this one hash only until `digest` gave it. */
export function hashThere(thread: HashThread, algorithm: Algorithm): PieceHash {
  thread.start(algorithm)
  return {
    update: (piece) => thread.update(piece),
    digest: () => thread.digest(),
  }
}
