// Sends the bytes of an open blob to a sink. The end is withheld until it is certain that what was sent is
// right, since a client notices a missing end and nothing else (I5): bytes that nobody hashed yet are
// hashed on their way, and of a blob known to be whole it is asked whether the file still stands as it did.
import { createHash } from 'node:crypto'
import { algorithmOf } from '../oci/digest.ts'
import type { Blobs, OpenBlob } from './blobs.ts'

/** Takes bytes; resolves when the buffer may be used again. Rejects when the client is gone. */
export type Sink = (chunk: Uint8Array) => Promise<void>

// Two buffers, one being read into while the other is being sent. Measured on 2 cores: 256 KiB to 1 MiB
// are equally fast, 64 KiB a third of it.
const BUFFER = 512 * 1024
/** Bytes at the end of an answer that leave only when all of the blob is known to be right. */
export const WITHHELD = 64 * 1024

/**
 * Sends bytes `start` to `end` (exclusive) of `blob`. `proven` says that the blob was whole when it was
 * opened; else all of it must be asked for. Throws when the bytes turn out wrong or the file changed: the
 * connection must then be cut, not ended.
 */
export async function sendBlob(
  blobs: Blobs,
  blob: OpenBlob,
  range: { readonly start: number; readonly end: number },
  proven: boolean,
  sink: Sink,
): Promise<void> {
  const { handle } = blob
  const hash = proven ? undefined : createHash(algorithmOf(blob.digest))
  const size = Math.min(BUFFER, range.end - range.start)
  let reading = Buffer.allocUnsafeSlow(size)
  let sending = Buffer.allocUnsafeSlow(size)
  let sent: Promise<void> = Promise.resolve()
  let position = range.start
  const early = Math.max(range.start, range.end - WITHHELD)

  const readNext = async (until: number): Promise<Uint8Array> => {
    const { bytesRead } = await handle.read(reading, 0, Math.min(reading.length, until - position), position)
    if (bytesRead === 0) throw new Error('the blob became shorter while it was read')
    const bytes = reading.subarray(0, bytesRead)
    hash?.update(bytes)
    position += bytesRead
    return bytes
  }

  while (position < early) {
    const bytes = await readNext(early)
    await sent
    sent = sink(bytes)
    sent.catch(() => undefined)
    ;[reading, sending] = [sending, reading]
  }
  await sent

  const end: Uint8Array[] = []
  while (position < range.end) end.push(Uint8Array.from(await readNext(range.end)))
  const right =
    hash === undefined
      ? (await blobs.isUnchanged(blob)) || (await blobs.isOnlyReplaced(blob))
      : await blobs.judge(blob, hash.digest('hex'))
  if (!right) throw new Error('the bytes of the blob are not what its digest says')
  for (const bytes of end) await sink(bytes)
}
