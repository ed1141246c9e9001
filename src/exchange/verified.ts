// Bytes on their way into a target, compared with what their descriptor says of them. A target that takes these bytes to
// their end has the blob; in every other case the stream ends with an error.
import { createHash } from 'node:crypto'
import { Readable } from 'node:stream'
import type { Descriptor } from '../oci/descriptor.ts'
import { algorithmOf, hexOf } from '../oci/digest.ts'

/** The bytes of a source are not what they are said to be. Its message names the digest. */
export class WrongBytes extends Error {
  override readonly name = 'WrongBytes'
  readonly hint = 'the source is damaged: get it anew, and try again'
}

export interface VerifiedOptions {
  /** Told of bytes as they pass. */
  readonly onBytes?: (count: number) => void
  /** Whoever takes the bytes hashes them too: once is enough. */
  readonly hashed?: boolean
}

/**
 * Passes the bytes on and holds the last of them back until all are right, so that who counts them can never think that
 * a wrong blob is complete. Destroying it destroys `bytes`.
 */
export function verified(
  bytes: Readable,
  blob: Descriptor,
  { onBytes, hashed = false }: VerifiedOptions = {},
): Readable {
  const stream = Readable.from(check(bytes, blob, onBytes, hashed), { objectMode: false, highWaterMark: 1024 * 1024 })
  // The generator notices it only when it has been begun.
  stream.once('close', () => bytes.destroy())
  return stream
}

/** What is wrong with a number of bytes. */
export function describeLength({ digest, size }: Descriptor, found: number): string {
  return found > size
    ? `${digest} is longer than the ${size} bytes that its manifest says`
    : `${digest} has ${found} bytes, its manifest says ${size}`
}

async function* check(
  bytes: Readable,
  blob: Descriptor,
  onBytes: ((count: number) => void) | undefined,
  hashed: boolean,
): AsyncGenerator<Uint8Array> {
  const { digest, size } = blob
  const hash = hashed ? undefined : createHash(algorithmOf(digest))
  let held: Uint8Array | undefined
  let received = 0
  for await (const chunk of bytes as AsyncIterable<Uint8Array>) {
    if (chunk.byteLength === 0) continue
    received += chunk.byteLength
    if (received > size) throw new WrongBytes(describeLength(blob, received))
    hash?.update(chunk)
    if (held !== undefined) {
      onBytes?.(held.byteLength)
      yield held
    }
    held = chunk
  }
  if (received < size) throw new WrongBytes(describeLength(blob, received))
  if (hash !== undefined && hash.digest('hex') !== hexOf(digest))
    throw new WrongBytes(`the bytes of ${digest} have another digest`)
  if (held === undefined) return
  onBytes?.(held.byteLength)
  yield held
}
