// Tries again what may go well a while later: an upstream that is away or asks to wait, a disk that is full.
import { setTimeout as sleep } from 'node:timers/promises'
import { UpstreamError } from '../upstream/upstream-error.ts'

export interface RetryOptions {
  readonly signal: AbortSignal
  /** Milliseconds that only run forward. */
  readonly elapsed: () => number
  /** Told of each failure that is going to be followed by another try, with the milliseconds until then. */
  readonly onRetry: (error: unknown, pause: number) => void
  /** In place of a timer. */
  readonly wait?: (milliseconds: number, signal: AbortSignal) => Promise<void>
}

// Milliseconds between tries, and in all.
const PAUSES = [1000, 5000, 15_000, 60_000, 300_000]
export const PATIENCE_MS = 86_400_000

const waitByTimer = (milliseconds: number, signal: AbortSignal): Promise<void> =>
  sleep(milliseconds, undefined, { signal, ref: false })

/** Runs `act` until it ends well, for a day at most. Throws what does not pass, or the signal's reason. */
export async function retryPassing(act: () => Promise<void>, options: RetryOptions): Promise<void> {
  const { signal, elapsed, onRetry, wait = waitByTimer } = options
  const since = elapsed()
  for (let tries = 0; ; tries += 1) {
    try {
      await act()
      return
    } catch (error) {
      signal.throwIfAborted()
      const asked = error instanceof UpstreamError ? (error.retryAfter ?? 0) : 0
      const pause = Math.max(asked, PAUSES[Math.min(tries, PAUSES.length - 1)] ?? 0)
      if (!isPassing(error) || elapsed() - since + pause > PATIENCE_MS) throw error
      onRetry(error, pause)
      await wait(pause, signal)
    }
  }
}

/** Whether it may be over in a while. What is no answer of an upstream is the disk's, and may be. */
export function isPassing(error: unknown): boolean {
  return !(error instanceof UpstreamError) || ['unreachable', 'limited', 'failed'].includes(error.kind)
}

/** What is logged of a failure; messages of UpstreamErrors hold no secret. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : 'unknown error'
}
