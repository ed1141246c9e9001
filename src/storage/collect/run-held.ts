// Long work of small synchronous steps under a mutex. It lets the mutex go whenever it lets others work, so that nobody
// waits for more than a step; what the steps found must therefore still be good when others had their turn.
import type { Mutex } from '../mutex.ts'
import type { Pace } from '../pace.ts'

/** Runs the steps to their end and gives their result, or throws their error. */
export async function runHeld<T>(mutex: Mutex, key: string, steps: Iterator<unknown, T>, pace: Pace): Promise<T> {
  for (;;) {
    const step = await mutex.run(key, async () => {
      for (;;) {
        const next = steps.next()
        if (next.done === true || pace.isDue) return next
      }
    })
    if (step.done === true) return step.value
    await pace.rest()
  }
}
