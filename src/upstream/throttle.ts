// Bounds the bytes per second of all transfers of one upstream together. Waits where bytes are read, so that the
// upstream feels it as back-pressure and nothing piles up here.
import { setTimeout as sleep } from 'node:timers/promises'

export interface Throttle {
  /**
   * Counts bytes that came; what it gives is waited for before the next may come, and rejects with the signal's reason when
   * that comes first. Undefined when they may come now.
   */
  spend(bytes: number, signal?: AbortSignal): Promise<void> | undefined
}

export interface ThrottleOptions {
  /** 0 = unlimited. */
  readonly bytesPerSecond: number
  /** Milliseconds. */
  readonly clock: () => number
  readonly wait?: (milliseconds: number, signal?: AbortSignal) => Promise<void>
}

const UNLIMITED: Throttle = { spend: () => undefined }

const waitByTimer = async (milliseconds: number, signal?: AbortSignal): Promise<void> =>
  sleep(milliseconds, undefined, signal && { signal })

export function makeThrottle({ bytesPerSecond, clock, wait = waitByTimer }: ThrottleOptions): Throttle {
  if (bytesPerSecond === 0) return UNLIMITED
  // When the bytes so far would have come at the given speed.
  let due = -Infinity
  return {
    spend(bytes, signal) {
      const now = clock()
      due = Math.max(due, now) + (bytes / bytesPerSecond) * 1000
      const ahead = due - now
      // Timers are no finer than a millisecond: small debts are collected.
      return ahead >= 20 ? wait(ahead, signal) : undefined
    },
  }
}
