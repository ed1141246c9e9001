// Pulling a blob of a mirrored repository: from here when it is here, else from the transfer that brings it, as it comes.
import type { Digest } from '../oci/digest.ts'
import { RegistryError, registryError } from '../oci/errors.ts'
import type { Context } from '../registry/context.ts'
import type { PulledBlob } from '../registry/pull-blob.ts'
import { pullBlob, statBlob } from '../registry/pull-blob.ts'
import { UpstreamError } from '../upstream/upstream-error.ts'
import { answerFor } from './answer.ts'
import type { BlobFetcher } from './fetch-blob.ts'
import type { Fills } from './fills.ts'
import type { Readers } from './readers.ts'
import type { Located } from './route.ts'
import { sendGrowing } from './send-growing.ts'
import type { Tally } from './tally.ts'
import type { Transfer } from './transfer.ts'
import type { BlobWish } from './transfers.ts'

export interface BlobPullerParts {
  readonly context: Context
  readonly blobs: BlobFetcher
  readonly fills: Pick<Fills, 'sizeOf'>
  readonly readers: Readers
  readonly tally: Tally
  /** Whether the upstream may be asked now. */
  readonly mayAsk: (located: Located) => boolean
  /** Whether any upstream may be asked, whether or not it answers. */
  readonly mayFetch: () => boolean
}

// Each time another transfer ended as it was joined.
const MOST_TRIES = 3

export class BlobPuller {
  readonly #parts: BlobPullerParts

  constructor(parts: BlobPullerParts) {
    this.#parts = parts
  }

  /** As `pullBlob` of registry/. Throws BLOB_UNKNOWN, or what `answerFor` makes of the upstream's failure. */
  async pull(located: Located, digest: Digest, inPart: boolean): Promise<PulledBlob> {
    return this.#parts.readers.count(located.name, await this.#open(located, digest, inPart))
  }

  async #open(located: Located, digest: Digest, inPart: boolean): Promise<PulledBlob> {
    const { context, blobs, tally } = this.#parts
    const here = (): Promise<PulledBlob> => pullBlob(context, located.name, digest, inPart)
    const local = await this.#unlessUnknown(located, digest, here)
    if (local !== undefined) {
      tally.blobs.hits += 1
      tally.blobs.saved += local.size
      return local
    }
    const wish = this.#wishFor(located, digest)
    if (!this.#mayReach(located, wish)) throw blobUnknown(digest)
    tally.blobs.misses += 1
    try {
      for (let tries = 1; tries <= MOST_TRIES; tries += 1) {
        const transfer = await blobs.open(located, wish)
        if (transfer === undefined) break
        const followed = follow(transfer)
        if (followed !== undefined) return followed
        // It was begun for another repository, and ended in this moment: the next look links what it brought.
        await blobs.settle(digest)
      }
      return await here()
    } catch (error) {
      throw answerFor(error, wish.patient ? unavailable(error) : blobUnknown(digest))
    }
  }

  /**
   * Bytes of the blob; what only the upstream has is on its way when this returns. Throws BLOB_UNKNOWN for every failure
   * of the upstream: a client that is about to push then sends the blob, which is always right.
   */
  async stat(located: Located, digest: Digest): Promise<number> {
    const { context, blobs, tally } = this.#parts
    const local = await this.#unlessUnknown(located, digest, () => statBlob(context, located.name, digest))
    if (local !== undefined) {
      tally.blobs.hits += 1
      return local
    }
    const wish = this.#wishFor(located, digest)
    if (!this.#mayReach(located, wish)) throw blobUnknown(digest)
    tally.blobs.misses += 1
    try {
      return await blobs.stat(located, wish)
    } catch (error) {
      if (error instanceof UpstreamError) throw blobUnknown(digest)
      throw error
    }
  }

  // Asked for only where there is a link, so that a miss is no damage to anybody's verdict.
  async #unlessUnknown<T>(located: Located, digest: Digest, act: () => Promise<T>): Promise<T | undefined> {
    if (!this.#parts.blobs.isHere(located, digest)) return undefined
    try {
      return await act()
    } catch (error) {
      if (error instanceof RegistryError && error.code === 'BLOB_UNKNOWN') return undefined
      throw error
    }
  }

  // A client that got the manifest of an image on its way comes for its blobs: it is worth waiting for.
  #wishFor({ name }: Located, digest: Digest): BlobWish {
    const size = this.#parts.fills.sizeOf(name, digest)
    return { digest, size, patient: size !== undefined }
  }

  // An upstream that broke off a moment ago counts as away, and what is coming from it comes all the same.
  #mayReach(located: Located, { digest, patient }: BlobWish): boolean {
    const { blobs, mayAsk, mayFetch } = this.#parts
    return mayAsk(located) || blobs.find(located, digest) !== undefined || (patient && mayFetch())
  }
}

// Not 404: the client would give up an image that is being completed.
function unavailable(error: unknown): RegistryError {
  const message = error instanceof UpstreamError ? error.message : 'the upstream does not answer'
  return registryError('UNAVAILABLE', { message, headers: { 'retry-after': '5' } })
}

// The bytes as they arrive; the transfer goes on when the client leaves.
function follow(transfer: Transfer): PulledBlob | undefined {
  const { file, digest, size } = transfer
  // It ended a moment ago.
  if (size === undefined || !file.use()) return undefined
  let isLeft = false
  return {
    digest,
    size,
    send: (range, sink) => sendGrowing(transfer, range, sink, () => isLeft),
    leave() {
      isLeft = true
      file.tell()
    },
    close: () => file.release(),
  }
}

function blobUnknown(digest: Digest): RegistryError {
  return registryError('BLOB_UNKNOWN', { detail: digest })
}
