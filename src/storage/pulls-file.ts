// The file that says when each manifest was pulled last (docs/retention.md): read as it is, whoever wrote it.
// It never throws: a file that is missing, torn or foreign says less, and what it does not say counts as pulled.
import { readFileSync } from 'node:fs'
import type { Stamp } from './stamp.ts'
import { statFile } from './stamp.ts'

export const MINUTE_MS = 60_000
const HEADER = /^tarn-pulls (\d+) (\d+)$/
const LINE = /^(\S+) (sha(?:256|512):[0-9a-f]+) (\d+)$/
// Between the bytes and the name of a file that we wrote ourselves no more time passes than this.
const AT_ONCE_MS = 2000

/** Minutes since 1970 by digest, by repository. */
export type Minutes = Map<string, Map<string, number>>

export interface PullFile {
  /** Since when the record misses nothing, in milliseconds since 1970; undefined when the file does not say. */
  readonly since: number | undefined
  readonly minutes: Minutes
  /** Lines after the header, also those that say nothing any more. */
  readonly lines: number
  /** Whether further lines may be added to the file as it is. */
  readonly whole: boolean
  /** Whether a later version of Tarn wrote it: then it is not ours to change. */
  readonly later: boolean
  /** The file's state before it was read; undefined when there is none. */
  readonly stamp: Stamp | undefined
}

export function formatHeader(since: number): string {
  return `tarn-pulls 1 ${Math.ceil(since / 1000)}\n`
}

export function formatLine(name: string, digest: string, minute: number): string {
  return `${name} ${digest} ${minute * 60}\n`
}

/** Reads the file at `path`; the last line about a manifest counts. */
export function readPullFile(path: string): PullFile {
  const minutes: Minutes = new Map()
  const nothing: PullFile = { since: undefined, minutes, lines: 0, whole: false, later: false, stamp: undefined }
  try {
    const facts = statFile(path)
    if (facts === undefined) return nothing
    const bytes = readFileSync(path)
    // Cut out of the bytes line by line: parts of one long string would keep all of it in memory.
    let end = bytes.indexOf('\n')
    const header = HEADER.exec(bytes.toString('latin1', 0, Math.max(end, 0)))
    if (header === null) return { ...nothing, stamp: facts.stamp }
    if (header[1] !== '1') return { ...nothing, later: true, stamp: facts.stamp }
    let lines = 0
    let start = end + 1
    // What follows the last newline was cut off while it was written.
    while ((end = bytes.indexOf('\n', start)) >= 0) {
      take(minutes, bytes.toString('latin1', start, end))
      start = end + 1
      lines += 1
    }
    // A tar (or a copy) gives a file its old mtime and a new ctime. What this machine knew before is gone then, so
    // what the record does not say counts as pulled when it came.
    const came = facts.changedAt - facts.writtenAt > AT_ONCE_MS ? facts.changedAt : 0
    const since = Math.max(Number(header[2]) * 1000, came)
    const whole = start === bytes.length && came === 0
    return { since, minutes, lines, whole, later: false, stamp: facts.stamp }
  } catch {
    return nothing
  }
}

function take(minutes: Minutes, line: string): void {
  const [, name, digest, seconds] = LINE.exec(line) ?? []
  const minute = Math.floor(Number(seconds) / 60)
  if (name === undefined || digest === undefined || !Number.isSafeInteger(minute)) return
  const known = minutes.get(name)
  if (known === undefined) minutes.set(name, new Map([[digest, minute]]))
  else known.set(digest, minute)
}

export interface PullTimes {
  /** Since when pulls are written down, in milliseconds since 1970; undefined when nobody did. */
  readonly since: number | undefined
  /** When the manifest was pulled last, in milliseconds since 1970, to the minute below. */
  lastPulled(name: string, digest: string): number | undefined
}

/** What another process wrote down so far; it may be a minute behind. Read-only, for `tarn ls`. */
export function readPulls(path: string): PullTimes {
  const { since, minutes } = readPullFile(path)
  return {
    since,
    lastPulled(name, digest) {
      const minute = minutes.get(name)?.get(digest)
      return minute === undefined ? undefined : minute * MINUTE_MS
    },
  }
}
