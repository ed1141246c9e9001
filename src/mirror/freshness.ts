// Whether what an upstream said of a tag is still good, and what is told to clients when it is not (RFC 9111, and the
// warn-codes of RFC 7234 section 5.5, which clients still read).
import type { RepositoryName } from '../oci/name.ts'
import type { Tag } from '../oci/reference.ts'

/** How sure the mirror is of a tag. */
export type Standing = 'fresh' | 'stale' | 'failed' | 'offline'

const WARNINGS: Readonly<Record<Standing, string | undefined>> = {
  fresh: undefined,
  stale: '110 - "Response is Stale"',
  failed: '111 - "Revalidation Failed"',
  offline: '112 - "Disconnected Operation"',
}

// After an upstream failed to answer for a tag it is left alone about it for so long.
const AFTER_FAILURE_MS = 30_000
const MOST = 10_000

export class Freshness {
  readonly #clock: () => number
  readonly #failedAt = new Map<string, number>()

  /** `clock`: milliseconds since 1970. */
  constructor(clock: () => number) {
    this.#clock = clock
  }

  /** Whether what was said at `checkedAt` is good for `freshFor` milliseconds and now. A clock set back makes it stale. */
  isFresh(checkedAt: number, freshFor: number): boolean {
    const age = this.#clock() - checkedAt
    return age >= 0 && age < freshFor
  }

  /** Whether the upstream failed to answer for the tag a moment ago. */
  hasFailed(name: RepositoryName, tag: Tag): boolean {
    const since = this.#clock() - (this.#failedAt.get(`${name}:${tag}`) ?? -Infinity)
    return since >= 0 && since < AFTER_FAILURE_MS
  }

  noteFailure(name: RepositoryName, tag: Tag): void {
    if (this.#failedAt.size >= MOST) this.#failedAt.clear()
    this.#failedAt.set(`${name}:${tag}`, this.#clock())
  }

  noteAnswer(name: RepositoryName, tag: Tag): void {
    this.#failedAt.delete(`${name}:${tag}`)
  }

  /** What an answer from here carries: its age in seconds and a warning, if there is something to warn of. */
  describe(checkedAt: number, standing: Standing): { readonly age: number; readonly warning?: string } {
    const warning = WARNINGS[standing]
    const age = Math.max(0, Math.floor((this.#clock() - checkedAt) / 1000))
    return { age, ...(warning !== undefined && { warning }) }
  }
}
