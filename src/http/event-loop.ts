// Whether the event loop, and with it every answer, was held up. It is the one thing that /livez judges: what a restart
// does not help, a full disk for one, must not end the process.

export interface LoopWatch {
  /** True while the loop is held up, and for ten seconds after a hold-up of five seconds or more. */
  isStalled(): boolean
  close(): void
}

export interface LoopLimits {
  /** Milliseconds by which a timer may be late before that is a hold-up. */
  readonly late: number
  /** Milliseconds for which a hold-up is told: a probe that waited for its answer must still see it. */
  readonly told: number
  /** Milliseconds between two looks. */
  readonly every: number
}

const LIMITS: LoopLimits = { late: 5000, told: 10_000, every: 500 }

/** Begins to watch; `elapsed` gives milliseconds that nobody can set. */
export function watchEventLoop(elapsed = () => performance.now(), { late, told, every } = LIMITS): LoopWatch {
  let lookedAt = elapsed()
  let stalledAt = -Infinity
  const look = (): void => {
    const now = elapsed()
    if (now - lookedAt - every >= late) stalledAt = now
    lookedAt = now
  }
  const timer = setInterval(look, every).unref()
  return {
    isStalled() {
      const now = elapsed()
      // The request may have come in before the timer after a hold-up.
      return now - lookedAt - every >= late || now - stalledAt < told
    },
    close: () => clearInterval(timer),
  }
}
