// A blob of a mirrored repository: linked when it is here under another repository and the upstream confirms that it is
// one of this repository too, else transferred. Nobody gets another repository's blob by its digest alone (R9).
import type { Digest } from '../oci/digest.ts'
import type { Context } from '../registry/context.ts'
import { mountBlob } from '../registry/push-blob.ts'
import { UpstreamError } from '../upstream/upstream-error.ts'
import { Absences } from './absences.ts'
import type { Located } from './route.ts'
import type { BlobSource, Transfer } from './transfer.ts'
import type { BlobWish, Transfers } from './transfers.ts'
import { WrongBytes } from './wrong-bytes.ts'

export interface BlobFetcherParts {
  readonly context: Context
  readonly transfers: Transfers
  /** Milliseconds that only run forward. */
  readonly elapsed: () => number
  readonly signal: () => AbortSignal
}

// Each time another address of the upstream is left out.
const MOST_TRIES = 5

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

  /** The transfer that is bringing it into the repository. */
  find({ name }: Located, digest: Digest): Transfer | undefined {
    return this.#parts.transfers.get(name, digest)
  }

  /**
   * Brings the blob into the repository; `onTransfer` is told of what brings it, each time that one begins or is joined.
   * Throws an UpstreamError, or what the disk said.
   */
  async fetch(located: Located, wish: BlobWish, onTransfer?: (transfer: Transfer) => void): Promise<void> {
    const { digest } = wish
    let wrong: WrongBytes | undefined
    for (let tries = 1; ; tries += 1) {
      try {
        const transfer = await this.#reach(located, wish)
        if (transfer === undefined) return
        onTransfer?.(transfer)
        await this.#parts.transfers.wait(digest)
        if (this.isHere(located, digest)) return
      } catch (error) {
        // That no address is left says less than what the last one sent.
        if (!(error instanceof WrongBytes)) throw wrong !== undefined && isInvalid(error) ? wrong : error
        wrong = error
        if (tries >= MOST_TRIES) throw error
      }
      if (tries >= MOST_TRIES) throw new UpstreamError('failed', `${digest} does not stay in ${located.name}`)
    }
  }

  /**
   * Begins the same and gives the transfer to read from as it arrives; undefined when the blob is here now. Throws an
   * UpstreamError.
   */
  async open(located: Located, wish: BlobWish): Promise<Transfer | undefined> {
    const key = `${located.name}@${wish.digest}`
    this.#absences.check(key)
    try {
      const transfer = await this.#reach(located, wish)
      await transfer?.sized()
      return transfer
    } catch (error) {
      this.#absences.note(key, error)
      throw error
    }
  }

  /** Waits until no transfer of the blob is under way, however it ends. */
  async settle(digest: Digest): Promise<void> {
    await this.#parts.transfers.wait(digest).catch(() => undefined)
  }

  /** Bytes of the blob as the upstream says; the blob is on its way when this returns. Throws an UpstreamError. */
  async stat(located: Located, wish: BlobWish): Promise<number> {
    const transfer = await this.open(located, wish)
    if (transfer?.size !== undefined) return transfer.size
    const { digest } = wish
    const { store } = this.#parts.context
    const facts = await store.blobs.ensureWhole(digest, store.links.resolve(located.name, digest) ?? digest)
    if (facts === undefined) throw new UpstreamError('notFound', `${digest} went away as it was asked for`)
    return facts.size
  }

  // Between two awaits it looks and acts: so nobody else begins a transfer meanwhile, and none is joined unconfirmed.
  async #reach(located: Located, wish: BlobWish): Promise<Transfer | undefined> {
    const { context, transfers, signal } = this.#parts
    const { name, upstream, repository } = located
    const { digest, size } = wish
    const source: BlobSource = { client: upstream.client, repository }
    for (let isConfirmed = false; ;) {
      if (this.isHere(located, digest)) return undefined
      const own = transfers.get(name, digest)
      if (own !== undefined) {
        // A sync has a client of its own, which may end before the blob is here.
        own.addSource(source)
        return own
      }
      const other = transfers.find(digest)
      const isStored = context.store.blobs.state(digest) !== undefined
      if (other === undefined && !isStored) return transfers.begin(name, wish, source)
      if (!isConfirmed) {
        // One that its own upstream did not confirm yet is not joined: it could fall back on what only this one may read.
        const options = { signal: signal(), ...(size !== undefined && { size }) }
        await Promise.all([
          other?.sized().catch(() => undefined),
          upstream.client.headBlob(repository, digest, options),
        ])
        isConfirmed = true
      } else if (other !== undefined) {
        transfers.join(name, digest, source)
        return other
      } else if (!(await mountBlob(context, name, digest, undefined))) {
        // What lies there cannot be read: it is fetched, and replaced.
        if (context.store.blobs.state(digest) === undefined || transfers.find(digest) !== undefined) continue
        return transfers.begin(name, wish, source)
      }
    }
  }
}

function isInvalid(error: unknown): boolean {
  return error instanceof UpstreamError && error.kind === 'invalid'
}
