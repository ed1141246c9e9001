// Collects bytes in large buffers and hands them on when they are full, one being filled while others are being written
// and hashed. The buffers are shared memory, so that a thread that hashes needs no copy.
import type { ByteSource } from './byte-source.ts'

// All of them fit into a processor's cache. 63 pages and not 64: since Linux 6.16 ext4 keeps what is written in a power of
// two in one large folio, and the kernel took up to three times as long to copy 4 GB into such (in a virtual machine).
const SIZE = 63 * 4096
// One is filled, one written, and others may still be hashed.
const BUFFERS = 8

/** Takes bytes; resolves when their buffer may be used again. It may be asked for the next ones before. */
export type ByteSink = (chunk: Buffer) => Promise<void>

export class BlockWriter {
  readonly #sink: ByteSink
  readonly #buffers = Array.from({ length: BUFFERS }, () => Buffer.from(new SharedArrayBuffer(SIZE)))
  /** Of each buffer, when it is free. */
  readonly #free = new Map<Buffer, Promise<void>>()
  #turn = 0
  #at = 0
  #failure: { readonly error: unknown } | undefined

  constructor(sink: ByteSink) {
    this.#sink = sink
  }

  /** What of the buffer is not filled yet: at least one byte. */
  get space(): Buffer {
    return this.#buffer.subarray(this.#at)
  }

  /** Says that so many bytes of `space` are filled. */
  async advance(bytes: number): Promise<void> {
    this.#at += bytes
    if (this.#at === SIZE) await this.flush()
  }

  async put(bytes: Uint8Array): Promise<void> {
    for (let from = 0; from < bytes.byteLength;) {
      const piece = bytes.subarray(from, from + SIZE - this.#at)
      this.#buffer.set(piece, this.#at)
      from += piece.byteLength
      await this.advance(piece.byteLength)
    }
  }

  /** Takes all that the source gives. Throws what it throws, too. */
  async putAll(source: ByteSource): Promise<void> {
    if (source.readInto === undefined) {
      for await (const bytes of source) await this.put(bytes)
      return
    }
    for (let size = await source.readInto(this.space); size > 0; size = await source.readInto(this.space)) {
      await this.advance(size)
    }
  }

  /** Hands on what is there, and waits until the next buffer is free. Throws what the sink threw. */
  async flush(): Promise<void> {
    const buffer = this.#buffer
    if (this.#at > 0) {
      const taken = this.#sink(buffer.subarray(0, this.#at))
      this.#free.set(
        buffer,
        taken.catch((error: unknown) => void (this.#failure ??= { error })),
      )
      this.#turn = (this.#turn + 1) % BUFFERS
      this.#at = 0
    }
    await this.#free.get(this.#buffer)
    if (this.#failure !== undefined) throw this.#failure.error
  }

  /** Hands on everything and waits until all of it was taken; it may go on with other bytes then. Throws what the sink threw. */
  async end(): Promise<void> {
    await this.flush()
    await Promise.all(this.#free.values())
    if (this.#failure !== undefined) throw this.#failure.error
  }

  get #buffer(): Buffer {
    const buffer = this.#buffers[this.#turn]
    if (buffer === undefined) throw new Error('there is no such buffer')
    return buffer
  }
}
