// The hash of a whole file, read in large pieces from an open handle.
import { createHash } from 'node:crypto'
import type { FileHandle } from 'node:fs/promises'
import type { Algorithm } from '../oci/digest.ts'

const PIECE = 1024 * 1024

/**
 * Hashes the file from its first byte, wherever the handle stands; gives lower-case hexadecimal. Throws the signal's
 * reason when that is aborted on the way.
 */
export async function hashFile(handle: FileHandle, algorithm: Algorithm, signal?: AbortSignal): Promise<string> {
  const hash = createHash(algorithm)
  const buffer = Buffer.allocUnsafeSlow(PIECE)
  for (let position = 0; ;) {
    signal?.throwIfAborted()
    const { bytesRead } = await handle.read(buffer, 0, PIECE, position)
    if (bytesRead === 0) return hash.digest('hex')
    hash.update(buffer.subarray(0, bytesRead))
    position += bytesRead
  }
}
