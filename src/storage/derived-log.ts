// A file of facts that can be computed again: one line each, appended, read once at start. It is a cache
// and nothing else: losing it costs time. It is believed only on the machine, boot and directory that wrote
// it, because what it says (a file with this inode and ctime is whole) means nothing anywhere else, and
// because after a power cut a file can lose bytes and keep its inode, size and ctime.
import { appendFileSync, mkdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'

// How long a disk that took no line is left alone: replacing a long file costs too much to fail at each line.
const REST_MS = 10_000

export class DerivedLog {
  readonly #path: string
  readonly #header: string
  readonly #writable: () => boolean
  readonly #elapsed: () => number
  /** Until when nothing is tried, on the clock of the process. */
  #restsUntil = 0
  /** Whether the file may end in the middle of a line. */
  #isTorn = false
  /** What the file must hold before the next line is added, where that is not what it holds. */
  #replacement: readonly string[] | undefined

  /** `root` is the data directory; a log is only read while it is not `writable`. `elapsed` gives milliseconds. */
  constructor(path: string, root: string, writable: () => boolean, elapsed = () => performance.now()) {
    this.#path = path
    this.#header = `tarn-cache 1 ${bootId()} ${statSync(root).ino}`
    this.#writable = writable
    this.#elapsed = elapsed
  }

  /** The lines that an earlier life of this server wrote; empty when they are not to be believed. */
  load(): string[] {
    try {
      const [header, ...lines] = readFileSync(this.#path, 'utf8').split('\n')
      if (header === this.#header) return lines.filter((line) => line !== '')
    } catch {
      // Missing or unreadable: begin anew.
    }
    this.#replacement = []
    return []
  }

  /** Replaces the whole file when the next line is added, which shortens it when many lines are out of date. */
  replaceLater(lines: readonly string[]): void {
    this.#replacement = lines
  }

  #replace(lines: readonly string[]): void {
    const temporary = `${this.#path}.tmp`
    try {
      mkdirSync(dirname(this.#path), { recursive: true })
      writeFileSync(temporary, [this.#header, ...lines, ''].join('\n'))
      renameSync(temporary, this.#path)
    } catch (error) {
      rmSync(temporary, { force: true })
      throw error
    }
    this.#replacement = undefined
    this.#isTorn = false
  }

  // A full or read-only disk must not fail the request that learned the fact; the line is lost, which costs time alone.
  append(line: string): void {
    if (!this.#writable() || this.#elapsed() < this.#restsUntil) return
    try {
      if (this.#replacement !== undefined) this.#replace(this.#replacement)
      appendFileSync(this.#path, `${this.#isTorn ? '\n' : ''}${line}\n`, { flag: 'a' })
      this.#isTorn = false
    } catch {
      this.#isTorn = true
      this.#restsUntil = this.#elapsed() + REST_MS
    }
  }
}

function bootId(): string {
  try {
    return readFileSync('/proc/sys/kernel/random/boot_id', 'latin1').trim()
  } catch {
    // Without a boot id nothing is carried over a restart.
    return `unknown-${process.pid}-${process.hrtime.bigint()}`
  }
}
