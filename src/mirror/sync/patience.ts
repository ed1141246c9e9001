// How long a sync waits for an upstream that does not answer or asks to wait. What one image learns of an upstream holds
// for all: one that was given up is not waited for again by each image, and one that answers is there again.
import { setTimeout as sleep } from 'node:timers/promises'
import { UpstreamError } from '../../upstream/upstream-error.ts'

export interface PatienceParts {
  /** Milliseconds that only run forward. */
  readonly elapsed: () => number
  /** Ends the waiting. */
  readonly signal: AbortSignal
  /** 0 to 1. */
  readonly random: () => number
  readonly limits?: Partial<PatienceLimits>
  /** In place of a timer. */
  readonly wait?: (milliseconds: number, signal: AbortSignal) => Promise<void>
}

/** Milliseconds. */
export interface PatienceLimits {
  /** Without any answer, until an upstream is given up. */
  readonly silence: number
  /** In all for one thing, with an upstream that asks to wait. */
  readonly asked: number
}

const LIMITS: PatienceLimits = { silence: 60_000, asked: 12 * 3_600_000 }
const PAUSES = [500, 1000, 2000, 4000, 8000]
const USUAL_PAUSE = 30_000

const waitByTimer = (milliseconds: number, signal: AbortSignal): Promise<void> =>
  sleep(milliseconds, undefined, { signal })

export class Patience {
  readonly #parts: PatienceParts
  readonly #limits: PatienceLimits
  /** When an upstream last gave something, and since when it is given up. */
  readonly #answered = new Map<string, number>()
  readonly #givenUp = new Set<string>()

  constructor(parts: PatienceParts) {
    this.#parts = parts
    this.#limits = { ...LIMITS, ...parts.limits }
  }

  /**
   * Runs `act`, which asks the upstream `host`, until it ends well. Throws what does not pass, the last of what did not
   * pass in time, or the signal's reason.
   */
  async run<T>(host: string, act: () => Promise<T>): Promise<T> {
    const { elapsed, signal } = this.#parts
    const began = elapsed()
    let asked = 0
    for (let tries = 0; ; tries += 1) {
      signal.throwIfAborted()
      try {
        const result = await act()
        this.note(host)
        return result
      } catch (error) {
        signal.throwIfAborted()
        if (!(error instanceof UpstreamError)) throw error
        const pause = this.#pauseAfter(error, tries)
        if (pause === undefined) throw error
        if (asksToWait(error)) {
          asked += pause
          if (asked > this.#limits.asked) throw error
          // It is there: to be told to wait is an answer, and nobody gives it up before it is to be asked again.
          this.#answered.set(host, elapsed() + pause)
          this.#givenUp.delete(host)
          await this.#wait(pause)
          continue
        }
        const left = this.#leftOf(host, began)
        if (left <= 0) throw error
        // Who cannot be reached asks for nothing: a longer pause is our own, and one more try costs little.
        await this.#wait(Math.min(pause, left))
      }
    }
  }

  /** The upstream gave something. */
  note(host: string): void {
    this.#answered.set(host, this.#parts.elapsed())
    this.#givenUp.delete(host)
  }

  /** Milliseconds for which the upstream is still waited for. */
  #leftOf(host: string, began: number): number {
    if (this.#givenUp.has(host)) return 0
    const since = Math.max(began, this.#answered.get(host) ?? began)
    const left = this.#limits.silence - (this.#parts.elapsed() - since)
    if (left <= 0) this.#givenUp.add(host)
    return left
  }

  /** Milliseconds; undefined for what is not going to be different. */
  #pauseAfter({ kind, status = 500, retryAfter }: UpstreamError, tries: number): number | undefined {
    const usual = PAUSES[Math.min(tries, PAUSES.length - 1)] ?? 0
    if (kind === 'limited') return Math.max(usual, retryAfter ?? USUAL_PAUSE)
    if (kind === 'unreachable' || (kind === 'failed' && status >= 500)) return Math.max(usual, retryAfter ?? 0)
    return undefined
  }

  // All that wait for one upstream would else come back at once.
  async #wait(pause: number): Promise<void> {
    const { random, signal, wait = waitByTimer } = this.#parts
    await wait(pause + Math.round((random() * pause) / 4), signal)
  }
}

// Quotas and maintenance: Retry-After with 429, and with 503 (RFC 9110 section 10.2.3).
function asksToWait({ kind, retryAfter }: UpstreamError): boolean {
  return kind === 'limited' || (kind === 'failed' && retryAfter !== undefined)
}
