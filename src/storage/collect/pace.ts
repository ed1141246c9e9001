// Small synchronous steps, with room for everybody else between them.

const TURN_MS = 2

export class Pace {
  #since = performance.now()

  /** To be awaited between two steps: lets other work in when 2 ms are used up. */
  async rest(): Promise<void> {
    if (performance.now() - this.#since < TURN_MS) return
    await new Promise((resolve) => setImmediate(resolve))
    this.#since = performance.now()
  }
}
