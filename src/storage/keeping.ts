// Whether this process keeps the data directory, over its life: it takes the lock if it can, serves
// read-only if it cannot, and takes over when the keeper is gone (I11).
import type { BaseLogger } from 'pino'
import type { Keeper } from './keeper.ts'
import { readKeeper, takeKeeperLock } from './keeper.ts'
import type { Layout } from './layout.ts'

export interface KeepingOptions {
  readonly layout: Layout
  readonly clock: () => number
  readonly logger: Pick<BaseLogger, 'info' | 'warn'>
  /** False for a directory that cannot be written: then no lock is tried. */
  readonly mayWrite: boolean
  /** Called when this process becomes the keeper; gives what ends the work that this begins. */
  readonly onKeep: () => () => void
}

const TRY_EVERY_MS = 1000

export class Keeping {
  readonly #options: KeepingOptions
  #keeper: Keeper | undefined
  #end: (() => void) | undefined
  #timer: NodeJS.Timeout | undefined

  constructor(options: KeepingOptions) {
    this.#options = options
  }

  get keeps(): boolean {
    return this.#keeper !== undefined
  }

  /** Takes the lock, or says once that it cannot be had and goes on trying. */
  start(): void {
    const { mayWrite, logger, layout } = this.#options
    if (!mayWrite) {
      logger.warn('the data directory is on a read-only file system: serving read-only')
      return
    }
    const refused = this.#take()
    if (refused === undefined) return
    const pid = readKeeper(layout)?.pid
    const who = pid === undefined ? 'another process' : `process ${pid}`
    logger.warn({ reason: refused }, `${who} keeps this data directory: serving read-only until it ends`)
    this.#timer = setInterval(() => {
      if (this.#take() !== undefined) return
      clearInterval(this.#timer)
      logger.info('the keeper of the data directory ended: this process keeps it now, and takes writes')
    }, TRY_EVERY_MS).unref()
  }

  stop(): void {
    clearInterval(this.#timer)
    this.#end?.()
    this.#keeper?.release()
    this.#keeper = undefined
  }

  #take(): string | undefined {
    const taken = takeKeeperLock(this.#options.layout, this.#options.clock)
    if ('refused' in taken) return taken.refused
    this.#keeper = taken
    this.#end = this.#options.onKeep()
    return undefined
  }
}
