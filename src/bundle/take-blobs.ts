// Who takes the blobs of an archive: the store, or nobody (to look at an archive, or to try what an apply would do).
import type { Digest } from '../oci/digest.ts'
import { algorithmOf, hexOf } from '../oci/digest.ts'
import type { Context } from '../registry/context.ts'
import { requireWritable } from '../registry/context.ts'
import type { ByteSource } from '../storage/byte-source.ts'
import { hashSource } from '../storage/byte-source.ts'
import type { Incoming } from '../storage/incoming.ts'
import type { BlobTaker } from './read-archive.ts'

/** Only hashes; a blob that is here already is told where `isHere` says so. */
export function hashBlobs(isHere: (digest: Digest) => boolean = () => false): BlobTaker {
  return {
    async take(digest, _size, bytes) {
      if (!(await isRight(digest, bytes))) return 'wrong'
      return isHere(digest) ? 'here' : 'new'
    },
  }
}

export interface StoreTaker extends BlobTaker {
  /** Lets go of what collection was kept from taking. */
  release(): void
}

/**
 * Writes what is not here into `incoming`, and keeps collection from taking what is, until `release` is called (I6). What
 * is here is hashed if nobody did; when it turns out wrong, the archive's copy is taken.
 */
export function takeIntoStore(context: Context, incoming: Incoming): StoreTaker {
  const { store } = context
  const releases: (() => void)[] = []
  return {
    async take(digest, size, bytes) {
      requireWritable(context)
      releases.push(store.leases.hold([digest]))
      // A file that cannot be read is one to be replaced.
      const facts = await store.blobs.ensureWhole(digest).catch(() => undefined)
      if (facts !== undefined) return (await isRight(digest, bytes)) ? 'here' : 'wrong'
      if (await incoming.find(digest, size)) return (await isRight(digest, bytes)) ? 'new' : 'wrong'
      return (await incoming.take(digest, size, bytes)) ? 'new' : 'wrong'
    },
    release() {
      for (const release of releases.splice(0)) release()
    },
  }
}

async function isRight(digest: Digest, bytes: ByteSource): Promise<boolean> {
  return (await hashSource(bytes, algorithmOf(digest))) === hexOf(digest)
}
