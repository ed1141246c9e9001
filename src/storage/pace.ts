// Long work on the server's event loop in small steps: whoever is served meanwhile waits for one step at most, and where
// the process has much to do the steps become rare. It decides nothing but when.
import { setImmediate, setTimeout } from 'node:timers/promises'

const STEP_MS = 1
/** A turn of the event loop that takes longer had something else to do. */
const BUSY_MS = 0.5
const PAUSE_MS = 5

export class Pace {
  readonly #elapsed: () => number
  #since: number

  /** `elapsed` is a clock that nobody can set, in milliseconds. */
  constructor(elapsed: () => number = () => performance.now()) {
    this.#elapsed = elapsed
    this.#since = elapsed()
  }

  /** To be awaited between two acts: lets other work in when a millisecond is used up. */
  async rest(): Promise<void> {
    const now = this.#elapsed()
    if (now - this.#since < STEP_MS) return
    await setImmediate()
    if (this.#elapsed() - now > BUSY_MS) await setTimeout(PAUSE_MS)
    this.#since = this.#elapsed()
  }

  /** As `rest`, and never sleeps: for those who hold what others wait for. */
  async turn(): Promise<void> {
    if (this.#elapsed() - this.#since < STEP_MS) return
    await setImmediate()
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
