// Whether this process keeps the data directory, over its life: it takes the lock if it can, serves
// read-only if it cannot, takes over when the keeper is gone, and steps back when it lost the lock (I11).
import type { BaseLogger } from 'pino'
import type { Keeper, Refusal } from './keeper.ts'
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

const LOOK_EVERY_MS = 1000

export class Keeping {
  readonly #options: KeepingOptions
  #keeper: Keeper | undefined
  #end: (() => void) | undefined
  #timer: NodeJS.Timeout | undefined
  /** The last reason that was logged. */
  #said = ''

  constructor(options: KeepingOptions) {
    this.#options = options
  }

  /** Whether this process may write now. Looks at the lock file: it is asked before each write. */
  get keeps(): boolean {
    if (this.#keeper?.holds() === false) this.#retake()
    return this.#keeper !== undefined
  }

  /** Lets others know over which socket commands reach this process. */
  tellSocket(path: string): void {
    this.#keeper?.tellSocket(path)
  }

  /**
   * Takes the lock, or says once that it cannot be had; looks after it from now on. Throws what the file system says
   * when this process may not write there.
   */
  start(): void {
    const { mayWrite, logger } = this.#options
    if (!mayWrite) {
      logger.warn('the data directory is not to be written: serving read-only')
      return
    }
    const refused = this.#take()
    if (refused !== undefined) this.#sayWho(refused)
    this.#timer = setInterval(() => this.#look(), LOOK_EVERY_MS).unref()
  }

  #look(): void {
    try {
      if (this.keeps || this.#take() !== undefined) return
      this.#options.logger.info('this process keeps the data directory now, and takes writes')
    } catch (error) {
      // Said once, tried for ever: a disk, descriptors, rights can come back.
      const { message } = error as Error
      if (message !== this.#said)
        this.#options.logger.warn({ err: error }, 'cannot become the keeper: serving read-only')
      this.#said = message
    }
  }

  stop(): void {
    clearInterval(this.#timer)
    this.#drop()
  }

  #take(): Refusal | undefined {
    const taken = takeKeeperLock(this.#options.layout, this.#options.clock)
    if ('refused' in taken) return taken
    try {
      this.#end = this.#options.onKeep()
    } catch (error) {
      taken.release()
      throw error
    }
    this.#keeper = taken
    return undefined
  }

  #drop(): void {
    const end = this.#end
    this.#end = undefined
    end?.()
    this.#keeper?.release()
    this.#keeper = undefined
  }

  // Somebody put another file in the place of the lock. Whoever holds that one keeps the directory now.
  #retake(): void {
    // First of all: what ends now asks whether it may write.
    const lost = this.#keeper
    this.#keeper = undefined
    this.#drop()
    lost?.release()
    const refused = this.#take()
    if (refused === undefined)
      this.#options.logger.warn('the lock file of the data directory was replaced: taken again')
    else this.#sayWho(refused)
  }

  #sayWho({ refused: reason, busy }: Refusal): void {
    if (!busy) {
      this.#options.logger.warn({ reason }, 'the data directory cannot be written now: serving read-only until it can')
      return
    }
    const pid = readKeeper(this.#options.layout)?.pid
    const who = pid === undefined ? 'another process' : `process ${pid}`
    this.#options.logger.warn({ reason }, `${who} keeps this data directory: serving read-only until it ends`)
  }
}
