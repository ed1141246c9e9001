// What the mirror puts in order from time to time while this process keeps the data directory.
import type { BaseLogger } from 'pino'
import type { Digest } from '../oci/digest.ts'
import type { Mirrored } from '../storage/mirrored.ts'
import type { Evictor } from './evict.ts'
import type { FillRecords } from './fill-records.ts'
import { messageOf } from './retry.ts'

export interface TidyParts {
  readonly keeps: () => boolean
  readonly mirrored: Pick<Mirrored, 'flush'>
  readonly records: Pick<FillRecords, 'sweep'>
  readonly evictor: Pick<Evictor, 'runIfRested'>
  readonly isUnderWay: (digest: Digest) => boolean
  /** Milliseconds since 1970. */
  readonly clock: () => number
  readonly logger: Pick<BaseLogger, 'warn'>
}

const EVERY_MS = 300_000
// What was begun of a blob and got no byte for so long is removed; images that are not whole begin it anew.
export const FORSAKEN_MS = 6 * 3_600_000

export class Tidier {
  readonly #parts: TidyParts
  #timer: NodeJS.Timeout | undefined

  constructor(parts: TidyParts) {
    this.#parts = parts
  }

  start(): void {
    this.#timer ??= setInterval(() => void this.run(), EVERY_MS).unref()
  }

  stop(): void {
    clearInterval(this.#timer)
    this.#timer = undefined
  }

  /** Never rejects. */
  async run(): Promise<void> {
    const { keeps, mirrored, records, evictor, isUnderWay, clock, logger } = this.#parts
    if (!keeps()) return
    evictor.runIfRested()
    try {
      await mirrored.flush()
      await records.sweep(clock(), FORSAKEN_MS, isUnderWay)
    } catch (error) {
      logger.warn({ why: messageOf(error) }, 'what was begun of blobs was not removed')
    }
  }
}
