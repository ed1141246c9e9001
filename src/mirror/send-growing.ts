// Sends bytes of a blob that is still coming in. The end of every answer, of a part as well, is withheld until all of the
// blob hashes to its digest: a client notices a missing end and nothing else (I5).
import type { Sink } from '../storage/read-blob.ts'
import { WITHHELD } from '../storage/read-blob.ts'
import type { GrowingFile } from './growing-file.ts'
import type { Transfer } from './transfer.ts'

const BUFFER = 256 * 1024

/**
 * Sends bytes `start` to `end` (exclusive) as they arrive. Throws when they turn out wrong or stop coming, and at the next
 * change after `isLeft` says that nobody wants them any more.
 */
export async function sendGrowing(
  transfer: Transfer,
  range: { readonly start: number; readonly end: number },
  sink: Sink,
  isLeft: () => boolean,
): Promise<void> {
  const { file } = transfer
  const early = Math.max(range.start, range.end - WITHHELD)
  const reader = makeReader(file, sink)
  for (let position = range.start; position < range.end;) {
    // Taken before the look, so that no change is missed.
    const change = file.changed()
    if (transfer.state === 'failed') throw transfer.failure
    if (isLeft()) throw Object.assign(new Error('the client is gone'), { code: 'ECONNRESET' })
    const until = transfer.state === 'whole' ? range.end : Math.min(early, file.received)
    if (until <= position) {
      await change
      continue
    }
    const held = file.hold(position, until - position)
    if (held === undefined) {
      // What is not in memory is in the file.
      const written = Math.min(until, file.size)
      await reader(position, written)
      position = written
      continue
    }
    // A client that does not take its bytes keeps one piece from being used again, no more.
    try {
      await sink(held.bytes)
      position += held.bytes.byteLength
    } finally {
      held.release()
    }
  }
}

// For a client that fell behind: one buffer is read into while the other is being sent.
function makeReader(file: GrowingFile, sink: Sink): (from: number, to: number) => Promise<void> {
  let reading: Buffer | undefined
  let sending: Buffer | undefined
  return async (from, to) => {
    reading ??= Buffer.allocUnsafeSlow(BUFFER)
    sending ??= Buffer.allocUnsafeSlow(BUFFER)
    let sent: Promise<void> = Promise.resolve()
    for (let position = from; position < to;) {
      const { bytesRead } = await file.handle.read(reading, 0, Math.min(BUFFER, to - position), position)
      if (bytesRead === 0) throw new Error('the file of a transfer became shorter while it was read')
      position += bytesRead
      await sent
      sent = sink(reading.subarray(0, bytesRead))
      sent.catch(() => undefined)
      ;[reading, sending] = [sending, reading]
    }
    await sent
  }
}
