// Lets a limited number of acts run at a time; the others wait in the order in which they came.

export interface Turns {
  /** Waits for a turn; what it gives ends the turn, once. Throws the signal's reason when that comes first. */
  take(signal?: AbortSignal): Promise<() => void>
  /** Acts that run, and acts that wait. */
  readonly running: number
  readonly waiting: number
}

/** Makes room for `limit` acts at a time. */
export function makeTurns(limit: number): Turns {
  let running = 0
  const queue: (() => void)[] = []
  const makeRelease = (): (() => void) => {
    let released = false
    return () => {
      if (released) return
      released = true
      // A turn is handed on, not given back: nobody may slip in between.
      const next = queue.shift()
      if (next === undefined) running -= 1
      else next()
    }
  }
  return {
    get running() {
      return running
    },
    get waiting() {
      return queue.length
    },
    async take(signal) {
      signal?.throwIfAborted()
      if (running < limit) {
        running += 1
        return makeRelease()
      }
      return new Promise((resolve, reject) => {
        const start = (): void => {
          signal?.removeEventListener('abort', leave)
          resolve(makeRelease())
        }
        const leave = (): void => {
          queue.splice(queue.indexOf(start), 1)
          reject(signal?.reason as Error)
        }
        signal?.addEventListener('abort', leave, { once: true })
        queue.push(start)
      })
    },
  }
}
