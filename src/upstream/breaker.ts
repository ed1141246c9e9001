// Takes an upstream that does not answer for offline, so that nobody waits for its timeouts, and lets one request
// try it again after a delay that grows. A new breaker is closed: starting with upstreams down costs nothing.

export interface BreakerOptions {
  /** Milliseconds since 1970. */
  readonly clock: () => number
  /** Failures in a row that open it. */
  readonly threshold?: number
  /** Milliseconds until the first new try; doubled with each that fails, up to `longest`. */
  readonly first?: number
  readonly longest?: number
}

export interface BreakerState {
  readonly state: 'closed' | 'open' | 'probing'
  /** In a row. */
  readonly failures: number
  /** Milliseconds since 1970 of the next try, while it is not closed. */
  readonly retryAt?: number
}

/** Permission for one request; exactly one of the three is called, further calls change nothing. */
export interface Pass {
  succeed(): void
  fail(): void
  /** It ended without saying anything about the upstream. */
  drop(): void
}

export class Breaker {
  readonly #options: Required<BreakerOptions>
  #failures = 0
  #delay = 0
  #retryAt = 0
  #probe: object | undefined

  constructor(options: BreakerOptions) {
    this.#options = { threshold: 3, first: 5000, longest: 300_000, ...options }
  }

  get state(): BreakerState {
    if (this.#delay === 0) return { state: 'closed', failures: this.#failures }
    return { state: this.#probe ? 'probing' : 'open', failures: this.#failures, retryAt: this.#retryAt }
  }

  /** Milliseconds until a request may try again; 0 when one may now. */
  get wait(): number {
    if (this.#delay === 0) return 0
    const left = this.#retryAt - this.#options.clock()
    // A clock that was set back must not keep an upstream away for longer than the delay.
    if (left > this.#delay) return 0
    return this.#probe === undefined ? Math.max(0, left) : Math.max(1000, left)
  }

  /** Lets the next request try it at once: somebody asks for it by name. */
  hasten(): void {
    if (this.#probe === undefined) this.#retryAt = Math.min(this.#retryAt, this.#options.clock())
  }

  /** Lets a request pass, or gives undefined while the upstream counts as offline. */
  admit(): Pass | undefined {
    if (this.#delay > 0 && (this.#probe !== undefined || this.wait > 0)) return undefined
    const token = {}
    if (this.#delay > 0) this.#probe = token
    let open = true
    const settle = (act: () => void): void => {
      if (!open) return
      open = false
      if (this.#probe === token) this.#probe = undefined
      act()
    }
    return {
      succeed: () => settle(() => this.#close()),
      fail: () => settle(() => this.#fail()),
      drop: () => settle(() => undefined),
    }
  }

  #close(): void {
    this.#failures = 0
    this.#delay = 0
  }

  #fail(): void {
    this.#failures += 1
    const { threshold, first, longest, clock } = this.#options
    if (this.#failures < threshold) return
    // Requests that were under way when it opened fail late; they must not make the delay grow.
    if (this.#delay > 0 && this.#retryAt > clock()) return
    this.#delay = this.#delay === 0 ? first : Math.min(longest, this.#delay * 2)
    this.#retryAt = clock() + this.#delay
  }
}
