// What upstreams said they do not have, so that the same question is not asked again and again. Only for a while, and
// never of what is here.
import { UpstreamError } from '../upstream/upstream-error.ts'

const KEEP_MS = 60_000
const MOST = 10_000

export class Absences {
  readonly #elapsed: () => number
  readonly #known = new Map<string, { readonly until: number; readonly error: UpstreamError }>()

  /** `elapsed`: milliseconds that only run forward. */
  constructor(elapsed: () => number) {
    this.#elapsed = elapsed
  }

  /** Throws what the upstream said of `key` a moment ago, if that was no. */
  check(key: string): void {
    const known = this.#known.get(key)
    if (known === undefined) return
    if (known.until > this.#elapsed()) throw known.error
    this.#known.delete(key)
  }

  /** Takes note of a failure: "not found" and "you may not" are kept, all else may be different in a moment. */
  note(key: string, error: unknown): void {
    if (!(error instanceof UpstreamError) || (error.kind !== 'notFound' && error.kind !== 'unauthorized')) return
    if (this.#known.size >= MOST) this.#known.clear()
    this.#known.set(key, { until: this.#elapsed() + KEEP_MS, error })
  }
}
