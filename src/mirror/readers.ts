// The blobs that clients of mirrored repositories are reading now, by repository: a large one over a slow line takes hours,
// and its image is in use all that time.
import type { Digest } from '../oci/digest.ts'
import type { RepositoryName } from '../oci/name.ts'
import type { PulledBlob } from '../registry/pull-blob.ts'

export class Readers {
  readonly #counts = new Map<string, number>()

  /** Whether somebody is reading the blob from the repository. */
  has(name: RepositoryName, digest: Digest): boolean {
    return this.#counts.size > 0 && this.#counts.has(keyOf(name, digest))
  }

  /** The blob, counted as being read until it is closed, once. */
  count(name: RepositoryName, blob: PulledBlob): PulledBlob {
    const key = keyOf(name, blob.digest)
    this.#counts.set(key, (this.#counts.get(key) ?? 0) + 1)
    const close = async (): Promise<void> => {
      const left = (this.#counts.get(key) ?? 1) - 1
      if (left === 0) this.#counts.delete(key)
      else this.#counts.set(key, left)
      await blob.close()
    }
    return { ...blob, close }
  }
}

function keyOf(name: RepositoryName, digest: Digest): string {
  return `${name}@${digest}`
}
