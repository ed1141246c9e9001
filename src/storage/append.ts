// Appends a stream to a file in large pieces, hashing on the way: while one piece is being written the
// next is gathered, so that network, hash and disk work at the same time and memory stays flat (I10).
import type { Hash } from 'node:crypto'
import type { FileHandle } from 'node:fs/promises'
import { writeAll } from './write-all.ts'

// Sockets give 16-64 KiB at a time; a system call for each would cost more than the bytes do.
const PIECE = 512 * 1024

export interface Appended {
  /** Bytes written to the file. */
  readonly written: number
  /** What ended the stream early, if anything did; the bytes before it are in the file. */
  readonly broken?: unknown
}

/**
 * Writes `source` to `handle` from `position` on and feeds `hash`. A source that breaks off is not an
 * error here: what came is kept. Throws when the disk refuses; then `hash` may know more than the file.
 */
export async function appendStream(
  handle: FileHandle,
  position: number,
  source: AsyncIterable<Uint8Array>,
  hash: Hash | undefined,
): Promise<Appended> {
  let gathering = Buffer.allocUnsafeSlow(PIECE)
  let writing = Buffer.allocUnsafeSlow(PIECE)
  let filled = 0
  let written = 0
  let write: Promise<void> = Promise.resolve()
  let broken: unknown

  const flush = async (): Promise<void> => {
    await write
    ;[gathering, writing] = [writing, gathering]
    write = writeAll(handle, writing.subarray(0, filled), position + written)
    // Waited for at the next flush; until then a refusal must not count as unhandled.
    write.catch(() => undefined)
    written += filled
    filled = 0
  }

  try {
    for await (const chunk of source) {
      hash?.update(chunk)
      // Copied: a client that sends byte by byte would otherwise have us keep a buffer for each.
      for (let taken = 0; taken < chunk.byteLength;) {
        const part = chunk.subarray(taken, taken + PIECE - filled)
        gathering.set(part, filled)
        filled += part.byteLength
        taken += part.byteLength
        if (filled === PIECE) await flush()
      }
    }
  } catch (error) {
    // A failed write surfaces again below; anything else is the source's end.
    broken = error
  }
  await flush()
  await write
  return broken === undefined ? { written } : { written, broken }
}
