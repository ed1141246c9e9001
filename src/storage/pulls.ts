// When each manifest was pulled last, to the minute, for retention and `tarn ls`. Noting a pull costs two look-ups in
// memory; once a minute what changed is added to a file. It must never fail a pull or a start: what is not known
// counts as pulled at `since`, and `since` moves on whenever something is forgotten, so that retention keeps too much
// and never too little. Only the keeper of the directory writes.
import {
  appendFileSync,
  closeSync,
  mkdirSync,
  openSync,
  renameSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { dirname } from 'node:path'
import { setImmediate } from 'node:timers/promises'
import type { Minutes } from './pulls-file.ts'
import { MINUTE_MS, formatHeader, formatLine, readPullFile } from './pulls-file.ts'
import type { Stamp } from './stamp.ts'
import { statFile } from './stamp.ts'

export interface PullsParts {
  readonly path: string
  /** Milliseconds since 1970. */
  readonly clock: () => number
  /** Whether this process keeps the directory now. */
  readonly writable: () => boolean
  /** Manifests that are remembered at most: about 65 MB of memory at the default. */
  readonly most?: number
}

const MOST = 500_000
// A short file is not worth shortening.
const FEW_LINES = 1000
// About a millisecond.
const LINES_AT_ONCE = 1000

type Changed = Map<string, Set<string>>

export class Pulls {
  readonly #parts: PullsParts
  readonly #most: number
  #minutes: Minutes
  #count: number
  #since: number
  #changed: Changed = new Map()
  /** What is being written in pieces, and is not in `#changed` meanwhile. */
  #replacing: { readonly taken: Changed } | undefined
  /** Lines in the file, and its state as this process left it. */
  #lines: number
  #stamp: Stamp | undefined
  #mustReplace: boolean
  #isForeign: boolean

  /** Reads what is at `path`; without it the record begins now. */
  constructor(parts: PullsParts) {
    this.#parts = parts
    this.#most = parts.most ?? MOST
    const file = readPullFile(parts.path)
    this.#minutes = file.minutes
    this.#count = countOf(file.minutes)
    this.#since = file.since ?? parts.clock()
    this.#lines = file.lines
    this.#stamp = file.stamp
    this.#mustReplace = !file.whole
    this.#isForeign = file.later
    if (this.#count > this.#most) this.#forgetOldest()
  }

  /** What is not known was pulled then, or not at all; milliseconds since 1970. */
  get since(): number {
    return this.#since
  }

  /** Notes that a client got the manifest now. On the path of every pull: no I/O, nothing made when it is known. */
  note(name: string, digest: string): void {
    const minute = Math.floor(this.#parts.clock() / MINUTE_MS)
    if (this.#minutes.get(name)?.get(digest) !== minute) this.#set(name, digest, minute)
  }

  /** When the manifest was pulled last, in milliseconds since 1970, to the minute below; undefined when not known. */
  lastPulled(name: string, digest: string): number | undefined {
    const minute = this.#minutes.get(name)?.get(digest)
    return minute === undefined ? undefined : minute * MINUTE_MS
  }

  /** Writes down what changed, where this process may. Never throws: what a full disk refuses is tried again. */
  flush(): void {
    this.#stopReplacing()
    if (this.#isForeign || !this.#parts.writable()) return
    try {
      this.#takeIn()
      const adds = this.#countAdds()
      if (this.#mustReplace) this.#replace()
      else if (this.#isLongWith(adds)) {
        try {
          this.#replace()
        } catch {
          // It takes an inode and twice the space; a line more takes little.
          this.#append(adds)
        }
      } else if (adds > 0) this.#append(adds)
    } catch {
      // Kept in memory, for the next time.
    }
  }

  /**
   * The same for who can wait: a file that is written anew is written in pieces, with other work between them. A `flush`
   * meanwhile takes the work over, and this then does nothing more.
   */
  async flushGently(): Promise<void> {
    if (this.#replacing !== undefined || this.#isForeign || !this.#parts.writable()) return
    try {
      this.#takeIn()
      if (this.#mustReplace || this.#isLongWith(this.#countAdds())) return await this.#replaceGently()
    } catch {
      // What it failed for may not be in the way of a line more.
    }
    this.flush()
  }

  #countAdds(): number {
    return [...this.#changed.values()].reduce((sum, { size }) => sum + size, 0)
  }

  #isLongWith(adds: number): boolean {
    return this.#lines + adds > Math.max(FEW_LINES, 2 * this.#count)
  }

  #set(name: string, digest: string, minute: number): void {
    let known = this.#minutes.get(name)
    if (known === undefined) this.#minutes.set(name, (known = new Map()))
    if (!known.has(digest)) this.#count += 1
    known.set(digest, minute)
    this.#noteChange(name, digest)
    if (this.#count > this.#most) this.#forgetOldest()
  }

  #noteChange(name: string, digest: string): void {
    const changed = this.#changed.get(name)
    if (changed === undefined) this.#changed.set(name, new Set([digest]))
    else changed.add(digest)
  }

  // Another process that kept the directory, or a tar, put another file there: what both know counts.
  #takeIn(): void {
    if (statFile(this.#parts.path)?.stamp === this.#stamp) return
    const file = readPullFile(this.#parts.path)
    this.#isForeign = file.later
    for (const [name, theirs] of file.minutes) {
      const ours = this.#minutes.get(name)
      if (ours === undefined) this.#minutes.set(name, theirs)
      else for (const [digest, minute] of theirs) ours.set(digest, Math.max(minute, ours.get(digest) ?? 0))
    }
    this.#count = countOf(this.#minutes)
    this.#since = Math.max(this.#since, file.since ?? 0)
    if (this.#count > this.#most) this.#forgetOldest()
    this.#mustReplace = true
    if (this.#isForeign) throw new Error('a later version wrote it')
  }

  #append(adds: number): void {
    const { path } = this.#parts
    const before = statFile(path)?.size ?? 0
    let text = ''
    for (const [name, digests] of this.#changed) {
      for (const digest of digests) {
        const minute = this.#minutes.get(name)?.get(digest)
        if (minute !== undefined) text += formatLine(name, digest, minute)
      }
    }
    try {
      appendFileSync(path, text)
      this.#changed.clear()
      this.#lines += adds
    } catch {
      this.#mustReplace = true
      truncateSync(path, before)
      this.#mustReplace = false
    } finally {
      this.#stamp = statFile(path)?.stamp
    }
  }

  #replace(): void {
    const { path } = this.#parts
    const temporary = `${path}.tmp`
    mkdirSync(dirname(path), { recursive: true })
    try {
      const file = openSync(temporary, 'w')
      try {
        for (const text of this.#format()) writeFileSync(file, text)
      } finally {
        closeSync(file)
      }
      renameSync(temporary, path)
    } catch (error) {
      rmSync(temporary, { force: true })
      throw error
    }
    this.#stamp = statFile(path)?.stamp
    this.#lines = this.#count
    this.#mustReplace = false
    this.#changed.clear()
  }

  async #replaceGently(): Promise<void> {
    const { path, writable } = this.#parts
    const temporary = `${path}.tmp`
    const since = this.#since
    const ours = { taken: this.#changed }
    this.#changed = new Map()
    this.#replacing = ours
    mkdirSync(dirname(path), { recursive: true })
    const file = openSync(temporary, 'w')
    try {
      for (const text of this.#format()) {
        writeFileSync(file, text)
        await setImmediate()
        // Whoever took it over may have written this very file.
        if (this.#replacing !== ours) return
      }
      const isSame = this.#since === since && statFile(path)?.stamp === this.#stamp
      if (!isSame || !writable()) throw new Error('the file, or what is known of pulls, is another by now')
      renameSync(temporary, path)
    } catch (error) {
      rmSync(temporary, { force: true })
      throw error
    } finally {
      closeSync(file)
    }
    this.#replacing = undefined
    this.#stamp = statFile(path)?.stamp
    this.#lines = this.#count
    this.#mustReplace = false
  }

  #stopReplacing(): void {
    const { taken } = this.#replacing ?? {}
    this.#replacing = undefined
    for (const [name, digests] of taken ?? []) for (const digest of digests) this.#noteChange(name, digest)
  }

  *#format(): Generator<string> {
    let text = formatHeader(this.#since)
    let lines = 0
    for (const [name, digests] of this.#minutes) {
      for (const [digest, minute] of digests) {
        text += formatLine(name, digest, minute)
        if (++lines % LINES_AT_ONCE > 0) continue
        yield text
        text = ''
      }
    }
    yield text
  }

  // A tenth at once, so that it is done seldom.
  #forgetOldest(): void {
    const all = new Int32Array(this.#count)
    let at = 0
    for (const digests of this.#minutes.values()) for (const minute of digests.values()) all[at++] = minute
    all.sort()
    const last = all[this.#count - Math.floor(this.#most * 0.9)] ?? 0
    for (const [name, digests] of this.#minutes) {
      for (const [digest, minute] of digests) if (minute <= last) digests.delete(digest)
      if (digests.size === 0) this.#minutes.delete(name)
    }
    this.#count = countOf(this.#minutes)
    this.#since = Math.max(this.#since, (last + 1) * MINUTE_MS)
    this.#mustReplace = true
  }
}

function countOf(minutes: Minutes): number {
  let count = 0
  for (const { size } of minutes.values()) count += size
  return count
}
