// Bounds the bytes per second of all transfers of one upstream together. Waits where bytes are read, so that the
// upstream feels it as back-pressure and nothing piles up here.
import { setTimeout as sleep } from 'node:timers/promises'

export interface Throttle {
  /** Counts bytes that came and waits until the next may. Throws the signal's reason when that comes first. */
  spend(bytes: number, signal?: AbortSignal): Promise<void>
}

export interface ThrottleOptions {
  /** 0 = unlimited. */
  readonly bytesPerSecond: number
  /** Milliseconds. */
  readonly clock: () => number
  readonly wait?: (milliseconds: number, signal?: AbortSignal) => Promise<void>
}

const UNLIMITED: Throttle = { spend: async () => undefined }

const waitByTimer = async (milliseconds: number, signal?: AbortSignal): Promise<void> =>
  sleep(milliseconds, undefined, signal && { signal })

export function makeThrottle({ bytesPerSecond, clock, wait = waitByTimer }: ThrottleOptions): Throttle {
  if (bytesPerSecond === 0) return UNLIMITED
  // When the bytes so far would have come at the given speed.
  let due = -Infinity
  return {
    async spend(bytes, signal) {
      const now = clock()
      due = Math.max(due, now) + (bytes / bytesPerSecond) * 1000
      const ahead = due - now
      // Timers are no finer than a millisecond: small debts are collected.
      if (ahead >= 20) await wait(ahead, signal)
    },
  }
}
