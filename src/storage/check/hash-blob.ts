// The hashes of a whole file, read synchronously: for the thread that surveys, never for the server's own.
import type { Hash } from 'node:crypto'
import { createHash } from 'node:crypto'
import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs'
import type { Algorithm } from '../../oci/digest.ts'
import type { FileFacts } from '../stamp.ts'
import { factsOf, statFile } from '../stamp.ts'

const PIECE = 1024 * 1024

export interface HashedFile {
  readonly facts: FileFacts
  /** Lower-case hexadecimal, in the order of the algorithms. */
  readonly hex: readonly string[]
}

/**
 * Hashes the file at `path` by each of `algorithms`; undefined when it was written to or replaced meanwhile. `onRead`
 * is told the bytes of each piece. Throws what the file system says, also when there is no such file.
 */
export function hashBlob(
  path: string,
  algorithms: readonly Algorithm[],
  onRead: (bytes: number) => void,
): HashedFile | undefined {
  // Not blocking: a pipe in the place of a blob would hold the thread for ever.
  const file = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK)
  try {
    const facts = factsOf(fstatSync(file, { bigint: true }))
    const hashes: Hash[] = algorithms.map((algorithm) => createHash(algorithm))
    const buffer = Buffer.allocUnsafeSlow(Math.min(PIECE, Math.max(1, facts.size)))
    for (;;) {
      const bytes = readSync(file, buffer, 0, buffer.length, null)
      if (bytes === 0) break
      for (const hash of hashes) hash.update(buffer.subarray(0, bytes))
      onRead(bytes)
    }
    const isSame =
      statFile(path)?.stamp === facts.stamp && factsOf(fstatSync(file, { bigint: true })).stamp === facts.stamp
    return isSame ? { facts, hex: hashes.map((hash) => hash.digest('hex')) } : undefined
  } finally {
    closeSync(file)
  }
}
