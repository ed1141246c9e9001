// A line of so many bytes a second that all connections of a relay share. Pieces leave in the order in which they came,
// each when those before it are through; a timer that fires late is made up for, up to SLACK_MS.

export interface Line {
  shape(bytesPerSecond: number | undefined): void
  /** Resolves when so many bytes may go; undefined when they may go at once. */
  take(bytes: number): Promise<void> | undefined
  /** Resolves when nothing waits. */
  idle(): Promise<void>
}

const SLACK_MS = 20

export function makeLine(): Line {
  const waiting: { readonly at: number; readonly go: () => void }[] = []
  let rate: number | undefined
  /** When everything that was taken is through, in milliseconds of performance.now(). */
  let free = 0
  let timer: NodeJS.Timeout | undefined

  const run = (): void => {
    timer = undefined
    const now = performance.now()
    for (let first = waiting[0]; first !== undefined && first.at <= now; first = waiting[0]) {
      waiting.shift()
      first.go()
    }
    const [next] = waiting
    if (next !== undefined) timer = setTimeout(run, Math.max(1, next.at - performance.now()))
  }
  const wait = (at: number): Promise<void> =>
    new Promise((go) => {
      waiting.push({ at, go })
      timer ??= setTimeout(run, Math.max(1, at - performance.now()))
    })
  return {
    shape(bytesPerSecond) {
      rate = bytesPerSecond
      free = 0
    },
    take(bytes) {
      if (rate === undefined) return undefined
      const now = performance.now()
      free = Math.max(free, now - SLACK_MS) + (bytes / rate) * 1000
      return waiting.length === 0 && free <= now ? undefined : wait(free)
    },
    idle: () => (waiting.length === 0 ? Promise.resolve() : wait(free)),
  }
}
