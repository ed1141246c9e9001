// Tries again what a registry may do well a moment later: it did not answer, or asked to wait.
import { setTimeout as sleep } from 'node:timers/promises'
import { isPassing } from '../mirror/retry.ts'
import { UpstreamError } from '../upstream/upstream-error.ts'

// Milliseconds between tries.
const PAUSES = [500, 2000, 8000]
const LONGEST_PAUSE = 60_000

/** Runs `act` up to four times. Throws the last failure, at once one that does not pass, or the signal's reason. */
export async function tryAgain<T>(
  act: () => Promise<T>,
  signal: AbortSignal | undefined,
  wait: (milliseconds: number, signal: AbortSignal | undefined) => Promise<unknown> = pause,
): Promise<T> {
  for (const shortest of PAUSES) {
    try {
      return await act()
    } catch (error) {
      signal?.throwIfAborted()
      // What a file or a disk says does not change by asking again.
      if (!(error instanceof UpstreamError) || !isPassing(error)) throw error
      const asked = error.retryAfter ?? 0
      if (asked > LONGEST_PAUSE) throw error
      await wait(Math.max(asked, shortest), signal)
    }
  }
  return act()
}

function pause(milliseconds: number, signal: AbortSignal | undefined): Promise<void> {
  return sleep(milliseconds, undefined, signal === undefined ? {} : { signal })
}
