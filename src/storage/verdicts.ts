// What Tarn knows of the bytes behind a digest: whole (hashed, and the file has not changed since) or
// suspect (hashed, and it was something else). A verdict holds for one state of one file (its stamp).
import type { Digest } from '../oci/digest.ts'
import { isDigest } from '../oci/digest.ts'
import type { DerivedLog } from './derived-log.ts'
import type { FileFacts, Stamp } from './stamp.ts'
import { STILL_AFTER_MS } from './stamp.ts'

export interface Suspect {
  readonly digest: Digest
  readonly path: string
  readonly stamp: Stamp
  /** Milliseconds of the clock at the first reading. */
  readonly since: number
}

const MOST = 200_000
// Lines of the log that may be out of date before it is written anew: rare, and never long.
const MOST_OLD_LINES = 1000

export class Verdicts {
  readonly #log: DerivedLog
  readonly #clock: () => number
  readonly #whole = new Map<Digest, Stamp>()
  readonly #suspects = new Map<Digest, Suspect>()
  readonly #onSuspect: (suspect: Suspect) => void
  #lines = 0

  /** `onSuspect` is told of every file that turns out to be something else than its name says, once. */
  constructor(log: DerivedLog, clock: () => number, onSuspect: (suspect: Suspect) => void = () => undefined) {
    this.#log = log
    this.#clock = clock
    this.#onSuspect = onSuspect
    const lines = log.load()
    for (const line of lines) {
      const [digest = '', stamp = ''] = line.split(' ')
      if (isDigest(digest)) this.#whole.set(digest, stamp as Stamp)
    }
    // Nothing is written before this process keeps the directory, which it does not do yet.
    this.#lines = lines.length
  }

  of(digest: Digest, stamp: Stamp): 'whole' | 'suspect' | 'unknown' {
    if (this.#whole.get(digest) === stamp) return 'whole'
    return this.#suspects.get(digest)?.stamp === stamp ? 'suspect' : 'unknown'
  }

  /** Records that the file in this state hashed right; `ours` says that nobody else can be writing to it. */
  markWhole(digest: Digest, facts: FileFacts, ours: boolean): void {
    this.#suspects.delete(digest)
    if (!ours && this.#clock() - facts.changedAt < STILL_AFTER_MS) return
    if (this.#whole.size >= MOST) this.#whole.clear()
    this.#whole.set(digest, facts.stamp)
    this.#lines += 1
    if (this.#lines <= 2 * this.#whole.size + MOST_OLD_LINES) this.#log.append(`${digest} ${facts.stamp}`)
    else {
      this.#log.replaceLater([...this.#whole].map(([known, stamp]) => `${known} ${stamp}`))
      this.#lines = this.#whole.size
    }
  }

  /** Records that the file in this state is something else than its name says. */
  markSuspect(digest: Digest, path: string, facts: FileFacts): void {
    this.#whole.delete(digest)
    if (this.#clock() - facts.changedAt < STILL_AFTER_MS) return
    if (this.#suspects.get(digest)?.stamp === facts.stamp) return
    if (this.#suspects.size >= MOST) this.#suspects.clear()
    const suspect = { digest, path, stamp: facts.stamp, since: this.#clock() }
    this.#suspects.set(digest, suspect)
    this.#onSuspect(suspect)
  }

  forget(digest: Digest): void {
    this.#whole.delete(digest)
    this.#suspects.delete(digest)
  }

  suspects(): Suspect[] {
    return [...this.#suspects.values()]
  }
}
