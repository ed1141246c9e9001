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
import type { Located } from './route.ts'
import { sendGrowing } from './send-growing.ts'
import type { Tally } from './tally.ts'
import type { Transfer } from './transfer.ts'

export interface BlobPullerParts {
  readonly context: Context
  readonly blobs: BlobFetcher
  readonly fills: Pick<Fills, 'sizeOf'>
  readonly tally: Tally
  /** Whether the upstream may be asked now. */
  readonly mayAsk: (located: Located) => boolean
}

export class BlobPuller {
  readonly #parts: BlobPullerParts

  constructor(parts: BlobPullerParts) {
    this.#parts = parts
  }

  /** As `pullBlob` of registry/. Throws BLOB_UNKNOWN, or what `answerFor` makes of the upstream's failure. */
  async pull(located: Located, digest: Digest, inPart: boolean): Promise<PulledBlob> {
    const { context, blobs, tally, mayAsk } = this.#parts
    const here = (): Promise<PulledBlob> => pullBlob(context, located.name, digest, inPart)
    const local = await this.#unlessUnknown(located, digest, here)
    if (local !== undefined) {
      tally.hits += 1
      tally.saved += local.size
      return local
    }
    if (!mayAsk(located)) throw blobUnknown(digest)
    tally.misses += 1
    try {
      const transfer = await blobs.open(located, digest, this.#sizeOf(located, digest))
      return transfer === undefined ? await here() : follow(transfer)
    } catch (error) {
      throw answerFor(error, blobUnknown(digest))
    }
  }

  /**
   * Bytes of the blob; what only the upstream has is on its way when this returns. Throws BLOB_UNKNOWN for every failure
   * of the upstream: a client that is about to push then sends the blob, which is always right.
   */
  async stat(located: Located, digest: Digest): Promise<number> {
    const { context, blobs, tally, mayAsk } = this.#parts
    const local = await this.#unlessUnknown(located, digest, () => statBlob(context, located.name, digest))
    if (local !== undefined) {
      tally.hits += 1
      return local
    }
    if (!mayAsk(located)) throw blobUnknown(digest)
    tally.misses += 1
    try {
      return await blobs.stat(located, digest, this.#sizeOf(located, digest))
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

  #sizeOf({ name }: Located, digest: Digest): number | undefined {
    return this.#parts.fills.sizeOf(name, digest)
  }
}

// The bytes as they arrive; the transfer goes on when the client leaves.
function follow(transfer: Transfer): PulledBlob {
  const { file, digest, size } = transfer
  if (size === undefined) throw new Error('a transfer without size is followed')
  file.use()
  return {
    digest,
    size,
    send: (range, sink) => sendGrowing(transfer, range, sink),
    close: () => file.release(),
  }
}

function blobUnknown(digest: Digest): RegistryError {
  return registryError('BLOB_UNKNOWN', { detail: digest })
}
