// Bytes that come one after the other, in pieces of whoever gives them, or into a place of whoever takes them: with that
// nothing is copied, and nothing is thrown away after each piece.
import { createHash } from 'node:crypto'
import type { FileHandle } from 'node:fs/promises'
import { open } from 'node:fs/promises'
import type { Algorithm } from '../oci/digest.ts'

export interface ByteSource extends AsyncIterable<Uint8Array> {
  /** Fills the beginning of `into`, and gives how many bytes that were; 0 at the end. Goes on where the pieces ended. */
  readonly readInto?: ((into: Buffer) => Promise<number>) | undefined
  /** Passes over so many bytes of what comes next without reading them; gives how many there were. */
  readonly skip?: ((bytes: number) => number) | undefined
}

const PIECE = 256 * 1024
const LARGE = 1024 * 1024

/** The hash of all that comes, in hexadecimal. Throws what the source throws. */
export async function hashSource(source: ByteSource, algorithm: Algorithm): Promise<string> {
  const hash = createHash(algorithm)
  if (source.readInto === undefined) {
    for await (const piece of source) hash.update(piece)
    return hash.digest('hex')
  }
  const buffer = Buffer.allocUnsafeSlow(LARGE)
  for (let size = await source.readInto(buffer); size > 0; size = await source.readInto(buffer)) {
    hash.update(buffer.subarray(0, size))
  }
  return hash.digest('hex')
}

/** A file from its beginning to its end, opened when the first byte is asked for. Throws what the system says. */
export class FileSource implements ByteSource {
  readonly #path: string
  #handle: FileHandle | undefined
  #at = 0

  constructor(path: string) {
    this.#path = path
  }

  async readInto(into: Buffer): Promise<number> {
    this.#handle ??= await open(this.#path, 'r')
    const { bytesRead } = await this.#handle.read(into, 0, into.byteLength, this.#at)
    this.#at += bytesRead
    return bytesRead
  }

  /** Closes the file when whoever reads the pieces is at the end, or leaves. */
  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array> {
    try {
      for (;;) {
        const piece = Buffer.allocUnsafeSlow(PIECE)
        const size = await this.readInto(piece)
        if (size === 0) return
        yield piece.subarray(0, size)
      }
    } finally {
      await this.#handle?.close()
    }
  }
}
