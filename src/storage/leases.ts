// Which digests the running server has promised something about, so that collection leaves them alone (I6). A client
// that was told "it exists" (HEAD, mount, 201) leaves its copy out and names the digest in a manifest later; a lease
// keeps such a digest for a while. A hold keeps it, or a repository, as long as an act on it lasts.
// In memory alone: over a restart the ctime of links says the same (see Links.touch).

/** A digest or the name of a repository; a name has no colon, so they cannot be mistaken for each other. */
export type Held = string

export interface LeaseTable {
  /** Milliseconds for which an answer that says "it exists" is good. */
  readonly duration: number
  /** Promises that `digest` stays for `duration`. */
  lease(digest: string): void
  /** Keeps all of `keys` until the function that it gives is called (once; further calls do nothing). */
  hold(keys: Iterable<Held>): () => void
  /** From now on everything that is leased or held is not free, however short its lease, until `endCollection`. */
  beginCollection(): void
  endCollection(): void
  /** Whether nobody was promised anything about `key`, which collection asks right before it takes it. */
  isFree(key: Held): boolean
  /** The digests that are leased or held now, some of them twice; what is added meanwhile may be left out. */
  promised(): Iterable<string>
}

export class Leases implements LeaseTable {
  readonly duration: number
  /** A clock that nobody can set: milliseconds of the process. */
  readonly #elapsed: () => number
  // Two generations, exchanged every `duration`: what is in neither is over. So nothing must be searched for old ones.
  #young = new Map<string, number>()
  #old = new Map<string, number>()
  #exchangedAt: number
  readonly #holders = new Map<Held, number>()
  /** What was leased or held since the collection under way began. */
  #touched: Set<Held> | undefined

  constructor(duration: number, elapsed: () => number = () => performance.now()) {
    this.duration = duration
    this.#elapsed = elapsed
    this.#exchangedAt = elapsed()
  }

  lease(digest: string): void {
    const now = this.#elapsed()
    if (now - this.#exchangedAt >= this.duration) {
      this.#old = now - this.#exchangedAt < 2 * this.duration ? this.#young : new Map()
      this.#young = new Map()
      this.#exchangedAt = now
    }
    this.#young.set(digest, now + this.duration)
    this.#touched?.add(digest)
  }

  hold(keys: Iterable<Held>): () => void {
    let held = [...new Set([...keys].flatMap(withAbove))]
    for (const key of held) {
      this.#holders.set(key, (this.#holders.get(key) ?? 0) + 1)
      this.#touched?.add(key)
    }
    return () => {
      for (const key of held) {
        const left = (this.#holders.get(key) ?? 1) - 1
        if (left === 0) this.#holders.delete(key)
        else this.#holders.set(key, left)
        // It may have been held since before the collection began.
        this.#touched?.add(key)
      }
      held = []
    }
  }

  beginCollection(): void {
    this.#touched = new Set()
  }

  endCollection(): void {
    this.#touched = undefined
  }

  isFree(key: Held): boolean {
    if (this.#holders.has(key) || this.#touched?.has(key) === true) return false
    const until = this.#young.get(key) ?? this.#old.get(key)
    return until === undefined || until <= this.#elapsed()
  }

  *promised(): Generator<string> {
    const now = this.#elapsed()
    for (const key of this.#holders.keys()) if (key.includes(':')) yield key
    for (const generation of [this.#young, this.#old]) {
      for (const [digest, until] of generation) if (until > now) yield digest
    }
  }
}

// Directories above that of a repository must stay too while something is made in it.
function withAbove(key: Held): Held[] {
  if (key.includes(':')) return [key]
  const parts = key.split('/')
  return parts.map((_, index) => parts.slice(0, index + 1).join('/'))
}
