// Long work on the server's event loop in small steps: whoever is served meanwhile waits for one step at most, and where
// the process has much to do the steps become rare. It decides nothing but when.
import { setImmediate, setTimeout } from 'node:timers/promises'

// An answer takes ten turns of the event loop and more, each of which may have to wait for a step.
const STEP_MS = 0.25
/** A turn of the event loop that takes longer had something else to do. */
const BUSY_MS = 0.1
const PAUSE_MS = 2

export class Pace {
  readonly #elapsed: () => number
  #since: number

  /** `elapsed` is a clock that nobody can set, in milliseconds. */
  constructor(elapsed: () => number = () => performance.now()) {
    this.#elapsed = elapsed
    this.#since = elapsed()
  }

  /** Whether a step is used up: the next `rest` will let others work. */
  get isDue(): boolean {
    return this.#elapsed() - this.#since >= STEP_MS
  }

  /** To be awaited between two acts: lets other work in when a step is used up. */
  async rest(): Promise<void> {
    if (!this.isDue) return
    const now = this.#elapsed()
    await setImmediate()
    if (this.#elapsed() - now > BUSY_MS) await setTimeout(PAUSE_MS)
    this.#since = this.#elapsed()
  }

  /** The items of `source`, with rests in between. */
  async *over<T>(source: Iterable<T>): AsyncGenerator<T> {
    for (const item of source) {
      await this.rest()
      yield item
    }
  }
}
