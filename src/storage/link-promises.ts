// Leases over a restart: the ctime of a link says when the last promise about what it leads to was given, because
// collection takes no link and no blob whose link changed within the time of a lease. So a promise that rests on an
// older link touches it; once an hour is enough for a lease of a day.
import { utimes } from 'node:fs/promises'
import { statFile } from './stamp.ts'

const HOUR_MS = 3_600_000

/** How old the ctime of a link may be, in milliseconds, before a promise that rests on it touches it again. */
export function touchedEvery(lease: number): number {
  return Math.min(HOUR_MS, lease / 2)
}

export class LinkPromises {
  readonly #every: number
  readonly #keeps: () => boolean
  readonly #clock: () => number

  /** `lease` in milliseconds; nothing is touched while this process does not keep the directory. */
  constructor(lease: number, keeps: () => boolean, clock: () => number) {
    this.#every = touchedEvery(lease)
    this.#keeps = keeps
    this.#clock = clock
  }

  /** Makes the link's ctime now, unless it is young enough. Its mtime stays: that tells people when it was pushed. */
  async touch(path: string): Promise<void> {
    const facts = statFile(path)
    if (facts === undefined || this.#clock() - facts.changedAt < this.#every || !this.#keeps()) return
    const written = new Date(facts.writtenAt)
    // A disk that cannot do it must not fail a question. The lease in memory holds.
    await utimes(path, written, written).catch(() => undefined)
  }
}
