// Long work of small synchronous steps under a mutex: others who wait for it come in every few milliseconds. It never
// sleeps while it holds the mutex; what the steps found must therefore still be good when others had their turn.
import type { Mutex } from '../mutex.ts'
import type { Pace } from '../pace.ts'

const HELD_MS = 50

/** Runs the steps to their end and gives their result, or throws their error. `elapsed` in milliseconds. */
export async function runHeld<T>(
  mutex: Mutex,
  key: string,
  steps: Iterator<unknown, T>,
  pace: Pace,
  elapsed: () => number = () => performance.now(),
): Promise<T> {
  for (;;) {
    const step = await mutex.run(key, async () => {
      const since = elapsed()
      for (;;) {
        const next = steps.next()
        if (next.done === true || elapsed() - since >= HELD_MS) return next
        await pace.turn()
      }
    })
    if (step.done === true) return step.value
    await pace.rest()
  }
}
