// The transfers under way, one for each digest whoever asks for it and from whichever repository (I9). What is whole goes
// into the blob store and is linked in the repositories that asked.
import { rm } from 'node:fs/promises'
import type { BaseLogger } from 'pino'
import type { Digest } from '../oci/digest.ts'
import type { RepositoryName } from '../oci/name.ts'
import type { Context } from '../registry/context.ts'
import { requireWritable } from '../registry/context.ts'
import { commitBlob, mountBlob } from '../registry/push-blob.ts'
import { INODES_OF_ONE, isNoRoom } from '../storage/room.ts'
import { messageOf } from './retry.ts'
import type { Tally } from './tally.ts'
import type { BlobSource } from './transfer.ts'
import { Transfer } from './transfer.ts'

export interface TransfersParts {
  readonly context: Context
  readonly tally: Tally
  readonly logger: Pick<BaseLogger, 'info' | 'warn'>
  /** Called when a blob did not fit on the disk. */
  readonly onNoRoom: () => void
  /** Milliseconds that only run forward. */
  readonly elapsed: () => number
  readonly patience?: { readonly first: number; readonly later: number }
}

export interface TransferStatus {
  readonly digest: Digest
  readonly upstream: string
  readonly repositories: readonly RepositoryName[]
  /** Bytes; `size` is null until the upstream says. */
  readonly received: number
  readonly size: number | null
  /** Milliseconds. */
  readonly age: number
}

interface Running {
  readonly transfer: Transfer
  readonly names: Set<RepositoryName>
  /** Whole, in the blob store, linked in all of `names`. */
  readonly done: Promise<void>
}

const PATIENCE = { first: 4000, later: 60_000 }
// How long the bytes of an address are not trusted for a digest that it gave wrong.
const AVOID_MS = 600_000
const MOST_AVOIDED = 1000

export class Transfers {
  readonly #parts: TransfersParts
  readonly #running = new Map<Digest, Running>()
  readonly #avoided = new Map<string, { readonly digest: Digest; readonly url: string; readonly until: number }>()
  readonly #ending = new AbortController()

  constructor(parts: TransfersParts) {
    this.#parts = parts
  }

  /** The transfer of a digest that is under way, or a new one; the blob will be linked in `name`. */
  join(name: RepositoryName, digest: Digest, size: number | undefined, source: BlobSource): Transfer {
    const running = this.#running.get(digest)
    if (running === undefined || running.transfer.state === 'failed')
      return this.#begin(name, digest, size, source).transfer
    running.names.add(name)
    running.transfer.addSource(source)
    return running.transfer
  }

  /** As `join`, for who waits until the repository has the blob. Throws what the transfer failed with. */
  async fetch(name: RepositoryName, digest: Digest, size: number | undefined, source: BlobSource): Promise<void> {
    this.join(name, digest, size, source)
    await this.#running.get(digest)?.done
  }

  /** Whether bytes of the digest are on their way to the repository. */
  has(name: RepositoryName, digest: Digest): boolean {
    return this.#running.get(digest)?.names.has(name) === true
  }

  /** Whether they are on their way to any. */
  isRunning(digest: Digest): boolean {
    return this.#running.has(digest)
  }

  get count(): number {
    return this.#running.size
  }

  status(): TransferStatus[] {
    const now = this.#parts.elapsed()
    return [...this.#running.values()].map(({ transfer, names }) => ({
      digest: transfer.digest,
      upstream: transfer.host,
      repositories: [...names],
      received: transfer.received,
      size: transfer.size ?? null,
      age: Math.round(now - transfer.startedAt),
    }))
  }

  /** Breaks all off; what came stays for the next life. */
  async close(): Promise<void> {
    this.#ending.abort(new Error('the registry is closing'))
    await Promise.allSettled([...this.#running.values()].map(({ done }) => done))
  }

  #begin(name: RepositoryName, digest: Digest, size: number | undefined, source: BlobSource): Running {
    const { context, tally, elapsed, patience = PATIENCE } = this.#parts
    const { layout, leases, room } = context.store
    requireWritable(context)
    const transfer = new Transfer(
      {
        digest,
        size,
        path: layout.mirrorBlob(digest),
        avoid: this.#avoidedFor(digest),
        requireRoom: (bytes) => room.requireSpace(bytes, INODES_OF_ONE),
        onBytes: (bytes) => (tally.fetched += bytes),
        elapsed,
        patience,
        signal: this.#ending.signal,
      },
      source,
    )
    const names = new Set([name])
    const release = leases.hold([digest])
    const done = this.#run(transfer, names).finally(() => {
      if (this.#running.get(digest)?.transfer === transfer) this.#running.delete(digest)
      release()
    })
    // Those who wait see the failure; clients that stream see it in the transfer.
    done.catch(() => undefined)
    const running = { transfer, names, done }
    this.#running.set(digest, running)
    return running
  }

  async #run(transfer: Transfer, names: ReadonlySet<RepositoryName>): Promise<void> {
    const { digest } = transfer
    try {
      await transfer.run()
      await this.#store(transfer, names)
      this.#tell(transfer, names)
    } catch (error) {
      const { wrongSource } = transfer
      if (wrongSource !== undefined) this.#avoid(digest, wrongSource)
      if (isNoRoom(error)) this.#parts.onNoRoom()
      if (!this.#ending.signal.aborted) this.#tell(transfer, names, error)
      throw error
    } finally {
      await transfer.release()
    }
  }

  async #store(transfer: Transfer, names: ReadonlySet<RepositoryName>): Promise<void> {
    const { context } = this.#parts
    const { digest } = transfer
    const path = context.store.layout.mirrorBlob(digest)
    const linked = new Set<RepositoryName>()
    // Repositories may join while the first ones are being linked.
    for (const name of names) {
      if (linked.size === 0) await commitBlob(context, name, digest, path)
      else if (!(await mountBlob(context, name, digest, undefined))) throw new Error(`${digest} went away`)
      linked.add(name)
    }
    // It stays where it was only if the blob was here already.
    await rm(path, { force: true })
  }

  #tell(transfer: Transfer, names: ReadonlySet<RepositoryName>, error?: unknown): void {
    const { tally, logger, elapsed } = this.#parts
    const entry = {
      digest: transfer.digest,
      upstream: transfer.host,
      repositories: [...names].slice(0, 10),
      bytes: transfer.received,
      ...(transfer.resumedFrom > 0 && { resumedFrom: transfer.resumedFrom }),
      ms: Math.round(elapsed() - transfer.startedAt),
    }
    if (error === undefined) {
      tally.transfers += 1
      logger.info(entry, 'blob fetched from upstream')
    } else {
      tally.failedTransfers += 1
      logger.warn({ ...entry, why: messageOf(error) }, 'blob not fetched from upstream')
    }
  }

  #avoid(digest: Digest, url: string): void {
    if (this.#avoided.size >= MOST_AVOIDED) this.#avoided.clear()
    this.#avoided.set(`${digest} ${url}`, { digest, url, until: this.#parts.elapsed() + AVOID_MS })
  }

  #avoidedFor(digest: Digest): string[] {
    const now = this.#parts.elapsed()
    return [...this.#avoided.values()]
      .filter((each) => each.digest === digest && each.until > now)
      .map(({ url }) => url)
  }
}
