// Appends a stream to a file in large pieces, hashing on the way: while one piece is being written the
// next is gathered, so that network, hash and disk work at the same time and memory stays flat (I10).
import type { Hash } from 'node:crypto'
import type { FileHandle } from 'node:fs/promises'

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
  let written = 0
  let gathered: Uint8Array[] = []
  let size = 0
  let writing: Promise<void> = Promise.resolve()
  let broken: unknown

  const flush = async (): Promise<void> => {
    await writing
    const pieces = gathered
    const at = position + written
    written += size
    gathered = []
    size = 0
    writing = writeAll(handle, pieces, at)
    // Waited for at the next flush; until then a refusal must not count as unhandled.
    writing.catch(() => undefined)
  }

  try {
    for await (const chunk of source) {
      hash?.update(chunk)
      gathered.push(chunk)
      size += chunk.byteLength
      if (size >= PIECE) await flush()
    }
  } catch (error) {
    // A failed write surfaces again below; anything else is the source's end.
    broken = error
  }
  await flush()
  await writing
  return broken === undefined ? { written } : { written, broken }
}

async function writeAll(handle: FileHandle, pieces: Uint8Array[], at: number): Promise<void> {
  let rest = pieces
  let position = at
  while (rest.length > 0) {
    const { bytesWritten } = await handle.writev(rest, position)
    position += bytesWritten
    rest = dropFront(rest, bytesWritten)
  }
}

function dropFront(pieces: Uint8Array[], count: number): Uint8Array[] {
  let left = count
  const rest: Uint8Array[] = []
  for (const piece of pieces) {
    if (left >= piece.byteLength) left -= piece.byteLength
    else {
      rest.push(left > 0 ? piece.subarray(left) : piece)
      left = 0
    }
  }
  return rest
}
