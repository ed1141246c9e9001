// A blob of a mirrored repository: linked when it is here under another repository and the upstream confirms that it is
// one of this repository too, else transferred. Nobody gets another repository's blob by its digest alone (R9).
import type { Digest } from '../oci/digest.ts'
import type { Context } from '../registry/context.ts'
import { mountBlob } from '../registry/push-blob.ts'
import { UpstreamError } from '../upstream/upstream-error.ts'
import { Absences } from './absences.ts'
import type { Located } from './route.ts'
import type { BlobSource, Transfer } from './transfer.ts'
import type { Transfers } from './transfers.ts'

export interface BlobFetcherParts {
  readonly context: Context
  readonly transfers: Transfers
  /** Milliseconds that only run forward. */
  readonly elapsed: () => number
}

export class BlobFetcher {
  readonly #parts: BlobFetcherParts
  readonly #absences: Absences

  constructor(parts: BlobFetcherParts) {
    this.#parts = parts
    this.#absences = new Absences(parts.elapsed)
  }

  /** Whether the repository has the blob, as far as that is known without reading it. */
  isHere({ name }: Located, digest: Digest): boolean {
    const { links, blobs } = this.#parts.context.store
    const stored = links.resolve(name, digest)
    return stored !== undefined && blobs.state(digest, stored) !== undefined
  }

  /** Brings the blob into the repository. Throws an UpstreamError, or what the disk said. */
  async fetch(located: Located, digest: Digest, size: number | undefined): Promise<void> {
    if (this.isHere(located, digest)) return
    const { context, transfers } = this.#parts
    if (await this.#linkOther(located, digest, size)) return
    await transfers.fetch(located.name, digest, size, sourceOf(located))
    // It may have ended just as this repository joined.
    if (!this.isHere(located, digest)) await mountBlob(context, located.name, digest, undefined)
  }

  /**
   * Begins the same and gives the transfer to read from as it arrives; undefined when the blob is here now. Throws an
   * UpstreamError.
   */
  async open(located: Located, digest: Digest, size: number | undefined): Promise<Transfer | undefined> {
    const key = `${located.name}@${digest}`
    this.#absences.check(key)
    try {
      if (await this.#linkOther(located, digest, size)) return undefined
      const transfer = this.#parts.transfers.join(located.name, digest, size, sourceOf(located))
      await transfer.sized()
      return transfer
    } catch (error) {
      this.#absences.note(key, error)
      throw error
    }
  }

  /** Bytes of the blob as the upstream says; the blob is on its way when this returns. Throws an UpstreamError. */
  async stat(located: Located, digest: Digest, size: number | undefined): Promise<number> {
    const transfer = await this.open(located, digest, size)
    if (transfer?.size !== undefined) return transfer.size
    const { store } = this.#parts.context
    const stored = store.links.resolve(located.name, digest) ?? digest
    const facts = await store.blobs.ensureWhole(digest, stored)
    if (facts === undefined) throw new UpstreamError('notFound', `${digest} went away as it was asked for`)
    return facts.size
  }

  // True when the repository has the blob now. Its own transfer confirms itself; one for another repository does not.
  async #linkOther(located: Located, digest: Digest, size: number | undefined): Promise<boolean> {
    const { context, transfers } = this.#parts
    const { name, upstream, repository } = located
    if (transfers.has(name, digest)) return false
    const isStored = context.store.blobs.state(digest) !== undefined
    if (!isStored && !transfers.isRunning(digest)) return false
    await upstream.client.headBlob(repository, digest, size === undefined ? {} : { size })
    return isStored && mountBlob(context, name, digest, undefined)
  }
}

function sourceOf({ upstream, repository }: Located): BlobSource {
  return { client: upstream.client, repository }
}
