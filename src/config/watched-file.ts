// A file that people change under the running server (htpasswd, certificate, key). It answers "is it another
// file than before?" by inode, size and ctime (I2): mtime lies after a tar or a restored backup. Never
// for the data directory, and never for files that are large.
import { closeSync, fstatSync, openSync, readFileSync, statSync } from 'node:fs'
import { factsOf } from '../storage/stamp.ts'

export interface FileReading {
  readonly bytes: Buffer
  /** Equal stamps mean equal bytes, but only when `settled`. */
  readonly stamp: string
  /** False while the file is so young that a further write could leave the same stamp behind. */
  readonly settled: boolean
  /** Permission bits. */
  readonly mode: number
}

// Kernels before 6.13 take ctime from a clock that ticks every 1-10 ms: two writes within one tick have
// one ctime. A stamp is trusted when the file has been still for longer than that.
const SETTLE_MS = 50
const TRIES = 5

/**
 * Stamp of the file that `path` leads to (symbolic links are followed, as Kubernetes' secrets are made of
 * them); undefined where there is no regular file. Never throws.
 */
export function stampOf(path: string): string | undefined {
  try {
    const stat = statSync(path, { bigint: true, throwIfNoEntry: false })
    return stat?.isFile() ? factsOf(stat).stamp : undefined
  } catch {
    return undefined
  }
}

/**
 * Reads the file whole; one that changes while it is read is read again. `now` is milliseconds since 1970.
 * Throws the system's error; a directory, socket or pipe throws EINVAL and is not opened.
 */
export function readWatchedFile(path: string, now: number): FileReading {
  for (let attempt = 1; ; attempt += 1) {
    if (!statSync(path).isFile()) throw Object.assign(new Error(`not a regular file: ${path}`), { code: 'EINVAL' })
    const descriptor = openSync(path, 'r')
    try {
      const before = fstatSync(descriptor, { bigint: true })
      const bytes = readFileSync(descriptor)
      const after = factsOf(fstatSync(descriptor, { bigint: true }))
      const whole = factsOf(before).stamp === after.stamp && bytes.length === after.size
      if (whole || attempt === TRIES) {
        const settled = whole && now - after.changedAt > SETTLE_MS
        return { bytes, stamp: after.stamp, settled, mode: Number(before.mode) }
      }
    } finally {
      closeSync(descriptor)
    }
  }
}

/** Whether everybody on the machine may read a file of this mode. */
export function isWorldReadable(mode: number): boolean {
  return (mode & 0o004) !== 0
}
