// Tries an act at a remote registry again a few times when what went wrong may pass: with pauses that grow, and as long
// as the registry itself asks to wait.
import { setTimeout as sleep } from 'node:timers/promises'
import { UpstreamError } from './upstream-error.ts'

export interface Patience {
  /** How often an act is begun at most. */
  readonly tries?: number
  /** Milliseconds until the second try; doubled with each further one, up to a minute. */
  readonly first?: number
  /** Beside what a failure says of itself: whether another try is possible. */
  readonly mayRepeat?: () => boolean
  /** Told of each failure that is followed by another try. */
  readonly onRetry?: (error: UpstreamError, pause: number) => void
  /** In place of a timer. */
  readonly wait?: (milliseconds: number, signal?: AbortSignal) => Promise<void>
}

const LONGEST = 60_000
const waitByTimer = (milliseconds: number, signal?: AbortSignal): Promise<void> =>
  sleep(milliseconds, undefined, signal && { signal })

/** Whether another try may go better: no connection, "wait", a timeout, an error of the server itself. */
export function mayPass(error: unknown): error is UpstreamError {
  if (!(error instanceof UpstreamError)) return false
  const { kind, status } = error
  return kind === 'unreachable' || kind === 'limited' || (kind === 'failed' && (status === 408 || (status ?? 0) >= 500))
}

/** Runs `act` until it ends well. Throws what does not pass, the last failure, or the signal's reason. */
export async function insist<T>(
  act: (tries: number) => Promise<T>,
  patience: Patience,
  signal?: AbortSignal,
): Promise<T> {
  const { tries = 6, first = 1000, mayRepeat, onRetry, wait = waitByTimer } = patience
  for (let count = 1; ; count += 1) {
    try {
      return await act(count)
    } catch (error) {
      signal?.throwIfAborted()
      if (!mayPass(error) || count >= tries || mayRepeat?.() === false) throw error
      const pause = Math.max(error.retryAfter ?? 0, Math.min(LONGEST, first * 2 ** (count - 1)))
      onRetry?.(error, pause)
      await wait(pause, signal)
    }
  }
}
