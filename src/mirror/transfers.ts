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
import type { Turns } from '../upstream/turns.ts'
import { makeTurns } from '../upstream/turns.ts'
import { messageOf } from './retry.ts'
import type { Tally } from './tally.ts'
import type { BlobSource } from './transfer.ts'
import { Transfer } from './transfer.ts'
import { WrongBytes } from './wrong-bytes.ts'

export interface TransfersParts {
  readonly context: Context
  readonly tally: Tally
  readonly logger: Pick<BaseLogger, 'info' | 'warn'>
  /** Called when a blob did not fit on the disk. */
  readonly onNoRoom: () => void
  /** Milliseconds that only run forward. */
  readonly elapsed: () => number
  /** Aborted when transfers must end; a new one for what begins after that. */
  readonly signal: () => AbortSignal
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

export interface BlobWish {
  readonly digest: Digest
  /** Bytes, from a descriptor, where one is known. */
  readonly size: number | undefined
  /** Whether somebody waits in the middle of an image, and not for a first answer. */
  readonly patient: boolean
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
// Of one upstream; its client lets fewer of them read at a time, and the others wait with an open file.
const MOST_OPEN = 32
// A large file holds one of libuv's few threads for as long as its fsync takes; the others must go on writing what comes.
const LARGE = 4 * 1024 * 1024
const LARGE_AT_A_TIME = 2

export class Transfers {
  readonly #parts: TransfersParts
  readonly #running = new Map<Digest, Running>()
  readonly #avoided = new Map<string, { readonly digest: Digest; readonly url: string; readonly until: number }>()
  /** What came wrong once comes from one source alone from then on. */
  readonly #mixed = new Set<Digest>()
  readonly #turns = new WeakMap<BlobSource['client'], Turns>()
  readonly #storing = makeTurns(LARGE_AT_A_TIME)

  constructor(parts: TransfersParts) {
    this.#parts = parts
  }

  /** The transfer of a digest that is under way, for whichever repository. */
  find(digest: Digest): Transfer | undefined {
    const transfer = this.#running.get(digest)?.transfer
    return transfer?.state === 'failed' ? undefined : transfer
  }

  /** The one that brings it into this repository. */
  get(name: RepositoryName, digest: Digest): Transfer | undefined {
    return this.#running.get(digest)?.names.has(name) === true ? this.find(digest) : undefined
  }

  /** Lets a running transfer bring the blob into `name` as well, which the upstream confirmed to have it. */
  join(name: RepositoryName, digest: Digest, source: BlobSource): void {
    const running = this.#running.get(digest)
    running?.names.add(name)
    running?.transfer.addSource(source)
  }

  /** Waits until the running transfer ended, and its repositories have the blob. Throws what it failed with. */
  async wait(digest: Digest): Promise<void> {
    await this.#running.get(digest)?.done
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

  /** Waits for what the signal broke off; what came stays for the next life. */
  async close(): Promise<void> {
    await Promise.allSettled([...this.#running.values()].map(({ done }) => done))
  }

  /**
   * Begins one; there must be none. `patient`: somebody is in the middle of an image. Throws UNSUPPORTED when the registry
   * is read-only.
   */
  begin(name: RepositoryName, wish: BlobWish, source: BlobSource): Transfer {
    const { context, tally, elapsed, signal, patience = PATIENCE } = this.#parts
    const { digest, size, patient } = wish
    const { layout, leases, room } = context.store
    requireWritable(context)
    const transfer = new Transfer(
      {
        digest,
        size,
        path: layout.mirrorBlob(digest),
        avoid: this.#avoidedFor(digest),
        alone: this.#mixed.has(digest),
        requireRoom: (bytes) => room.requireSpace(bytes, INODES_OF_ONE),
        onBytes: (bytes) => (tally.blobs.fetched += bytes),
        elapsed,
        patience: patient ? { ...patience, first: patience.later / 2 } : patience,
        signal: signal(),
      },
      source,
    )
    const names = new Set([name])
    const release = leases.hold([digest])
    const done = this.#run(transfer, names, source).finally(() => {
      if (this.#running.get(digest)?.transfer === transfer) this.#running.delete(digest)
      release()
    })
    // Those who wait see the failure; clients that stream see it in the transfer.
    done.catch(() => undefined)
    this.#running.set(digest, { transfer, names, done })
    return transfer
  }

  async #run(transfer: Transfer, names: ReadonlySet<RepositoryName>, { client }: BlobSource): Promise<void> {
    const { digest } = transfer
    const { signal, onNoRoom } = this.#parts
    const own = signal()
    let release: (() => void) | undefined
    try {
      // Whoever waits for a turn has no file open yet.
      release = await this.#turnsOf(client).take(own)
      await transfer.run()
      await this.#storeInTurn(transfer, names)
      this.#tell(transfer, names)
    } catch (error) {
      // It may not have come to its turn.
      await transfer.fail(error)
      if (error instanceof WrongBytes) this.#blame(digest, error)
      if (isNoRoom(error)) onNoRoom()
      if (!own.aborted) this.#tell(transfer, names, error)
      throw error
    } finally {
      release?.()
      await transfer.release()
    }
  }

  async #storeInTurn(transfer: Transfer, names: ReadonlySet<RepositoryName>): Promise<void> {
    if (transfer.received < LARGE) return this.#store(transfer, names)
    const release = await this.#storing.take()
    try {
      await this.#store(transfer, names)
    } finally {
      release()
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

  #blame(digest: Digest, { url }: WrongBytes): void {
    if (this.#mixed.size >= MOST_AVOIDED) this.#mixed.clear()
    this.#mixed.add(digest)
    if (url === undefined) return
    if (this.#avoided.size >= MOST_AVOIDED) this.#avoided.clear()
    this.#avoided.set(`${digest} ${url}`, { digest, url, until: this.#parts.elapsed() + AVOID_MS })
  }

  #turnsOf(client: BlobSource['client']): Turns {
    const turns = this.#turns.get(client) ?? makeTurns(MOST_OPEN)
    this.#turns.set(client, turns)
    return turns
  }

  #avoidedFor(digest: Digest): string[] {
    const now = this.#parts.elapsed()
    return [...this.#avoided.values()]
      .filter((each) => each.digest === digest && each.until > now)
      .map(({ url }) => url)
  }
}
