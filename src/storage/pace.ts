// Long work on the server's event loop in small steps: whoever is served meanwhile waits for one step at most, and where
// the process has much to do the steps become rare. It decides nothing but when.
import { performance } from 'node:perf_hooks'
import { setImmediate, setTimeout } from 'node:timers/promises'

// An answer takes ten turns of the event loop and more, each of which may have to wait for a step.
const STEP_MS = 0.25
/** While others are at work. A step is one act at least. */
const POLITE_STEP_MS = 0.05
const PAUSE_MS = 1
/** A pause in which others were at work so long is followed by another one, but not for ever. */
const BUSY_MS = 0.1
const MOST_PAUSES = 8
/** How long others count as being at work after that. */
const BUSY_FOR_MS = 250
/** What is done so soon makes others wait less altogether than if it were drawn out. */
const POLITE_AFTER_MS = 100
/** A long act does not go on for ever where others are always at work. */
const POLITE_FOR_MS = 60_000

export class Pace {
  readonly #elapsed: () => number
  readonly #activity: () => number
  readonly #began: number
  #since: number
  #busyUntil = -Infinity

  /**
   * `elapsed` is a clock that nobody can set, `activity` how long the event loop was at work in all; both in milliseconds.
   */
  constructor(
    elapsed: () => number = () => performance.now(),
    activity: () => number = () => performance.eventLoopUtilization().active,
  ) {
    this.#elapsed = elapsed
    this.#activity = activity
    this.#began = elapsed()
    this.#since = this.#began
  }

  /** Whether a step is used up: the next `rest` will let others work. */
  get isDue(): boolean {
    const now = this.#elapsed()
    return now - this.#since >= (this.#isPolite(now) ? POLITE_STEP_MS : STEP_MS)
  }

  /** To be awaited between two acts: lets others work in when a step is used up. */
  async rest(): Promise<void> {
    if (!this.isDue) return
    if (this.#isPolite(this.#elapsed())) {
      for (let pauses = 0; pauses < MOST_PAUSES; pauses += 1)
        if (!(await this.#wereBusy(() => setTimeout(PAUSE_MS)))) break
    } else {
      await this.#wereBusy(setImmediate)
    }
    this.#since = this.#elapsed()
  }

  async #wereBusy(during: () => Promise<unknown>): Promise<boolean> {
    const active = this.#activity()
    await during()
    if (this.#activity() - active < BUSY_MS) return false
    this.#busyUntil = this.#elapsed() + BUSY_FOR_MS
    return true
  }

  /** The items of `source`, with rests in between. */
  async *over<T>(source: Iterable<T>): AsyncGenerator<T> {
    for (const item of source) {
      await this.rest()
      yield item
    }
  }

  #isPolite(now: number): boolean {
    const taken = now - this.#began
    return now < this.#busyUntil && taken >= POLITE_AFTER_MS && taken < POLITE_FOR_MS
  }
}
