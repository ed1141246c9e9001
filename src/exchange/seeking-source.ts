// A file of which only that is read which somebody asks for: what is passed over costs nothing, however long it is.
import type { FileHandle } from 'node:fs/promises'
import type { ByteSource } from '../storage/byte-source.ts'

// Some headers of a tar with small files between them.
const PIECE = 64 * 1024

/** Reads `handle`, which has `size` bytes, from its beginning; whoever opened it closes it. */
export class SeekingSource implements ByteSource {
  readonly #handle: FileHandle
  readonly #size: number
  #at = 0

  constructor(handle: FileHandle, size: number) {
    this.#handle = handle
    this.#size = size
  }

  skip(bytes: number): number {
    const skipped = Math.min(bytes, this.#size - this.#at)
    this.#at += skipped
    return skipped
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array> {
    for (;;) {
      const { buffer, bytesRead } = await this.#handle.read(Buffer.allocUnsafe(PIECE), 0, PIECE, this.#at)
      if (bytesRead === 0) return
      this.#at += bytesRead
      yield buffer.subarray(0, bytesRead)
    }
  }
}
