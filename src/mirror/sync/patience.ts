// How long a sync waits for an upstream that does not answer or asks to wait. What one image learns of an upstream holds
// for all: one that was given up is not waited for again by each image, and one that answers is there again.
import { setTimeout as sleep } from 'node:timers/promises'
import { UpstreamError, failsByTls } from '../../upstream/upstream-error.ts'

export interface PatienceParts {
  /** Milliseconds that only run forward. */
  readonly elapsed: () => number
  /** Ends the waiting. */
  readonly signal: AbortSignal
  /** 0 to 1. */
  readonly random: () => number
  readonly limits?: Partial<PatienceLimits>
  /** Told when an upstream asks to wait, for so many milliseconds; of each upstream at most once a minute. */
  readonly onWait?: (host: string, milliseconds: number, error: UpstreamError) => void
  /** In place of a timer. */
  readonly wait?: (milliseconds: number, signal: AbortSignal) => Promise<void>
}

/** Milliseconds. */
export interface PatienceLimits {
  /** Without any answer, until an upstream is given up. */
  readonly silence: number
  /** In all for one thing, with an upstream whose quota is used up. */
  readonly asked: number
  /** For all things together, with an upstream that fails (5xx) and says when it is back. */
  readonly busy: number
}

const LIMITS: PatienceLimits = { silence: 60_000, asked: 12 * 3_600_000, busy: 600_000 }
const TELL_EVERY_MS = 60_000
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
  /** Since when an upstream says "soon", and which said so for too long: their word counts for nothing any more. */
  readonly #busySince = new Map<string, number>()
  readonly #spent = new Set<string>()
  readonly #toldAt = new Map<string, number>()

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
    const waited = { quota: 0, busy: 0 }
    for (let tries = 0; ; tries += 1) {
      signal.throwIfAborted()
      try {
        const result = await act()
        this.note(host)
        this.#busySince.delete(host)
        // It was worth the while.
        if (waited.busy > 0) this.#spent.delete(host)
        return result
      } catch (error) {
        signal.throwIfAborted()
        if (!(error instanceof UpstreamError)) throw error
        if (failsByTls(error)) {
          this.#givenUp.add(host)
          throw error
        }
        const pause = this.#pauseAfter(error, tries)
        if (pause === undefined) throw error
        const asks = whyAsked(error)
        if (asks === 'quota' && waited.quota + pause > this.#limits.asked) throw error
        if (asks === 'quota' || (asks === 'busy' && this.#bearsBusy(host, waited.busy + pause, pause))) {
          waited[asks] += pause
          this.#tell(host, pause, error)
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

  /**
   * Whether one that fails is to be waited for as it asks. A gateway that is broken for good says "in five seconds" to
   * each thing that is asked of it: one budget holds for all of them, and ends only with something that comes.
   */
  #bearsBusy(host: string, own: number, pause: number): boolean {
    if (this.#spent.has(host)) return false
    const { busy } = this.#limits
    const now = this.#parts.elapsed()
    const since = this.#busySince.get(host) ?? now
    this.#busySince.set(host, since)
    if (own <= busy && now - since + pause <= busy) return true
    this.#spent.add(host)
    this.#givenUp.add(host)
    return false
  }

  #tell(host: string, pause: number, error: UpstreamError): void {
    const now = this.#parts.elapsed()
    const last = this.#toldAt.get(host)
    if (last !== undefined && now - last < TELL_EVERY_MS) return
    this.#toldAt.set(host, now)
    this.#parts.onWait?.(host, pause, error)
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

// Quotas and maintenance: Retry-After with 429, and with 503 (RFC 9110 section 10.2.3). "In no time" is no time.
function whyAsked({ kind, retryAfter = 0 }: UpstreamError): 'quota' | 'busy' | undefined {
  if (kind === 'limited') return 'quota'
  return kind === 'failed' && retryAfter > 0 ? 'busy' : undefined
}
