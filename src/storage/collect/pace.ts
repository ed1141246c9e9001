// Small synchronous steps, with room for everybody else between them: whoever is served meanwhile waits for one step at
// most, and where the process has much to do the steps become rare.
import { setImmediate, setTimeout } from 'node:timers/promises'

const STEP_MS = 1
/** A turn of the event loop that takes longer had something else to do. */
const BUSY_MS = 0.5
const PAUSE_MS = 5

export class Pace {
  #since = performance.now()

  /** To be awaited between two acts: lets other work in when a millisecond is used up. */
  async rest(): Promise<void> {
    const now = performance.now()
    if (now - this.#since < STEP_MS) return
    await setImmediate()
    if (performance.now() - now > BUSY_MS) await setTimeout(PAUSE_MS)
    this.#since = performance.now()
  }
}
