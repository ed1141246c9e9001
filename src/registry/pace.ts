// Long reading on the server's event loop, in small steps: a millisecond of work, then a pause in which clients are
// served. It decides nothing but when.
import { setTimeout as sleep } from 'node:timers/promises'

const WORK_MS = 1

export class Pace {
  readonly #elapsed: () => number
  #begunAt: number

  /** `elapsed` is a clock that nobody can set, in milliseconds. */
  constructor(elapsed: () => number = () => performance.now()) {
    this.#elapsed = elapsed
    this.#begunAt = elapsed()
  }

  /** Whether it is time for a pause. */
  get isDue(): boolean {
    return this.#elapsed() - this.#begunAt >= WORK_MS
  }

  /** Lets others work. */
  async pause(): Promise<void> {
    await sleep(1)
    this.#begunAt = this.#elapsed()
  }

  /** The items of `source`, with pauses in between. */
  async *over<T>(source: Iterable<T>): AsyncGenerator<T> {
    for (const item of source) {
      if (this.isDue) await this.pause()
      yield item
    }
  }
}
