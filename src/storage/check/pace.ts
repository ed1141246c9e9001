// Keeps reading down to a rate: after each piece it sleeps as long as the bytes of the piece are worth.

/** Below this a sleep would be longer than asked for. */
const LEAST_MS = 5
/** What was not read in this time is not made up for. */
const MOST_BEHIND_MS = 200

export class Pace {
  readonly #rate: number
  readonly #clock: () => number
  readonly #sleep: (milliseconds: number) => void
  /** When all that was read so far is paid for. */
  #due: number

  /** `rate` in bytes a second, Infinity for no limit; `clock` in milliseconds. */
  constructor(rate: number, clock: () => number, sleep: (milliseconds: number) => void) {
    this.#rate = rate
    this.#clock = clock
    this.#sleep = sleep
    this.#due = clock()
  }

  take(bytes: number): void {
    const now = this.#clock()
    this.#due = Math.max(this.#due, now - MOST_BEHIND_MS) + (bytes / this.#rate) * 1000
    if (this.#due - now >= LEAST_MS) this.#sleep(this.#due - now)
  }
}
