// What an upstream says about how often it may be asked: Retry-After (RFC 9110 section 10.2.3) and Docker Hub's
// ratelimit headers. Numbers from outside are capped: no upstream may silence this process for days.

export interface Rate {
  /** Requests in the window, and those that are left. */
  readonly limit?: number
  readonly remaining: number
  /** Seconds. */
  readonly window?: number
}

export const LONGEST_PAUSE = 3_600_000

// The window of a registry is six hours long and moves: what is left shows in the next answer only.
const SPENT_PAUSE = 30_000

/**
 * Spares an upstream that says that no request is left the ones that it would refuse, for half a minute at a time. One that
 * then gives an answer and says the same again is not believed until it says something else.
 */
export class Spent {
  readonly #clock: () => number
  #since: number | undefined
  #isBelieved = true

  /** `clock`: milliseconds since 1970. */
  constructor(clock: () => number) {
    this.#clock = clock
  }

  /** Milliseconds for which nothing should be asked; a clock that was set back ends it. */
  get wait(): number {
    if (this.#since === undefined) return 0
    const left = this.#since + SPENT_PAUSE - this.#clock()
    return left > SPENT_PAUSE ? 0 : Math.max(0, left)
  }

  /** Takes note of what an answer says; `isGiven` tells of a GET whether it was answered. */
  note({ remaining }: Rate, isGiven?: boolean): void {
    if (remaining > 0) [this.#since, this.#isBelieved] = [undefined, true]
    else if (this.#since === undefined) this.#since = this.#clock()
    else if (this.wait === 0 && this.#isBelieved && isGiven !== undefined) {
      // What was let through after the pause shows whether it was true.
      this.#isBelieved = !isGiven
      if (this.#isBelieved) this.#since = this.#clock()
    }
  }
}

/** Milliseconds to wait: seconds or a date, at most an hour; undefined for anything else. */
export function readRetryAfter(header: string | undefined, now: number): number | undefined {
  if (header === undefined || header.length > 64) return undefined
  if (/^\d+$/.test(header.trim())) return Math.min(LONGEST_PAUSE, Number(header) * 1000)
  // Only HTTP dates: Date.parse alone takes nearly anything for a date.
  if (!/^[A-Z][a-z]{2,8},? .*GMT$/.test(header.trim())) return undefined
  const date = Date.parse(header)
  return Number.isNaN(date) ? undefined : Math.max(0, Math.min(LONGEST_PAUSE, date - now))
}

/** Reads `ratelimit-limit: 100;w=21600` and `ratelimit-remaining: 76;w=21600`; undefined without the second. */
export function readRate(remaining: string | undefined, limit: string | undefined): Rate | undefined {
  const left = readCount(remaining)
  if (left === undefined) return undefined
  const most = readCount(limit)
  const window = /;\s*w=(\d{1,9})\b/.exec((remaining ?? '').slice(0, 64))?.[1]
  return {
    remaining: left,
    ...(most !== undefined && { limit: most }),
    ...(window !== undefined && { window: Number(window) }),
  }
}

function readCount(header: string | undefined): number | undefined {
  const digits = /^\s*(\d{1,9})(?:\s*;|\s*$)/.exec((header ?? '').slice(0, 64))?.[1]
  return digits === undefined ? undefined : Number(digits)
}
