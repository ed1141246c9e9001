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
