// What brings manifests and blobs from upstreams into the data directory, each once however many ask for it: clients that
// pull, images that are being completed, a sync (I9).
import type { BaseLogger } from 'pino'
import type { Context } from '../registry/context.ts'
import type { Turns } from '../upstream/turns.ts'
import { makeTurns } from '../upstream/turns.ts'
import { BlobFetcher } from './fetch-blob.ts'
import { ManifestFetcher } from './fetch-manifest.ts'
import type { Tally } from './tally.ts'
import { makeTally } from './tally.ts'
import { Transfers } from './transfers.ts'
import type { Upstream } from './upstream.ts'

export interface FetchingParts {
  readonly context: Context
  readonly logger: Pick<BaseLogger, 'info' | 'warn' | 'debug'>
  /** Milliseconds that only run forward. */
  readonly elapsed: () => number
  /** Milliseconds without a byte after which a transfer is given up. */
  readonly patience?: { readonly first: number; readonly later: number }
  /** Called when a blob did not fit on the disk. */
  readonly onNoRoom: () => void
}

export class Fetching {
  readonly tally: Tally = makeTally()
  readonly transfers: Transfers
  readonly blobs: BlobFetcher
  readonly manifests: ManifestFetcher
  readonly #turns = new WeakMap<Upstream['client'], Turns>()
  /** Of this process as keeper: when it ends, so does what is under way. */
  #life = new AbortController()

  constructor({ context, logger, elapsed, patience, onNoRoom }: FetchingParts) {
    const { tally } = this
    const signal = (): AbortSignal => this.signal
    this.transfers = new Transfers({
      context,
      tally,
      logger,
      elapsed,
      signal,
      onNoRoom,
      ...(patience && { patience }),
    })
    this.blobs = new BlobFetcher({ context, transfers: this.transfers, elapsed, signal })
    this.manifests = new ManifestFetcher({ tally, elapsed, signal })
  }

  /** Aborted when what is under way must end; a new one for what begins after that. */
  get signal(): AbortSignal {
    return this.#life.signal
  }

  /** Turns of blobs that nobody waits for as they come: two of an upstream's are left for what clients wait for. */
  turnsOf({ client, config }: Upstream): Turns {
    const turns = this.#turns.get(client) ?? makeTurns(Math.max(1, config.concurrency - 2))
    this.#turns.set(client, turns)
    return turns
  }

  /** Breaks off what is under way, so that the next keeper goes on with it. */
  leave(): void {
    this.#life.abort(new Error('this process no longer keeps the data directory'))
    this.#life = new AbortController()
  }

  /** Waits for what was broken off. */
  async close(): Promise<void> {
    await this.transfers.close()
  }
}
