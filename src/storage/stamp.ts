// What tells one state of a file from another: inode, size and ctime in nanoseconds. Never the mtime: tar
// restores it, so a link with new content can have its old mtime and even its old inode; only the
// ctime cannot be set by a program (I2).
import type { BigIntStats } from 'node:fs'
import { constants, readFileSync, statSync } from 'node:fs'

export type Stamp = string & { readonly __brand: 'Stamp' }

/**
 * The kernel's clock for ctime moves in ticks of up to 10 ms: a file that changed just now could change again and
 * keep its stamp, so what was read of it is good for one answer and not remembered.
 */
export const STILL_AFTER_MS = 50

export interface FileFacts {
  /** Bytes. */
  readonly size: number
  readonly stamp: Stamp
  /** Milliseconds since 1970: the ctime, which no program can set. */
  readonly changedAt: number
  /** Milliseconds since 1970: the mtime, which tar restores; for people and orders, never for decisions about safety. */
  readonly writtenAt: number
}

export function factsOf(stat: BigIntStats): FileFacts {
  return {
    size: Number(stat.size),
    stamp: `${stat.ino}:${stat.size}:${stat.ctimeNs}` as Stamp,
    changedAt: Number(stat.ctimeMs),
    writtenAt: Number(stat.mtimeMs),
  }
}

// A loop of links, or a name that no file can have, is no file either.
const NOT_THERE = new Set(['ENOENT', 'ENOTDIR', 'ELOOP', 'ENAMETOOLONG'])

export function isNotThere(error: unknown): boolean {
  return NOT_THERE.has((error as NodeJS.ErrnoException).code ?? '')
}

/** Facts of the regular file at `path`; undefined where there is none. Synchronous: 2 µs on a local disk. */
export function statFile(path: string): FileFacts | undefined {
  try {
    const stat = statSync(path, { bigint: true, throwIfNoEntry: false })
    return stat?.isFile() ? factsOf(stat) : undefined
  } catch (error) {
    if (isNotThere(error)) return undefined
    throw error
  }
}

/**
 * Tells one directory from another that is later made at the same path (inodes are used again, so the
 * time of birth is part of it); undefined where there is none.
 */
export function directoryIdentity(path: string): string | undefined {
  try {
    const stat = statSync(path, { bigint: true, throwIfNoEntry: false })
    return stat?.isDirectory() ? `${stat.ino}:${stat.birthtimeNs}` : undefined
  } catch (error) {
    if (isNotThere(error)) return undefined
    throw error
  }
}

// Not blocking: a pipe in the place of a link would stop the whole server.
const TINY = constants.O_RDONLY | constants.O_NONBLOCK

/** The whole of a tiny file; undefined where there is none. Synchronous: quicker than a promise at this size. */
export function readTiny(path: string): string | undefined {
  try {
    return readFileSync(path, { encoding: 'latin1', flag: TINY })
  } catch (error) {
    if (isNotThere(error) || (error as NodeJS.ErrnoException).code === 'EISDIR') return undefined
    throw error
  }
}
