// Collects bytes in large buffers and hands them on when they are full, one being filled while others are being written
// and hashed. The buffers are shared memory, so that a thread that hashes needs no copy.
const SIZE = 1024 * 1024
// One is filled, one written, and one may still be hashed.
const BUFFERS = 3

/** Takes bytes; resolves when their buffer may be used again. */
export type ByteSink = (chunk: Buffer) => Promise<void>

export class BlockWriter {
  readonly #sink: ByteSink
  readonly #buffers = Array.from({ length: BUFFERS }, () => Buffer.from(new SharedArrayBuffer(SIZE)))
  /** Of each buffer, when it is free. */
  readonly #free = new Map<Buffer, Promise<void>>()
  #turn = 0
  #at = 0
  /** The sink gets one after the other. */
  #last: Promise<void> = Promise.resolve()
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

  /** Hands on what is there, and waits until the next buffer is free. Throws what the sink threw. */
  async flush(): Promise<void> {
    const buffer = this.#buffer
    const chunk = buffer.subarray(0, this.#at)
    if (chunk.byteLength > 0) {
      const before = this.#last
      const writing = (async () => {
        await before
        await this.#sink(chunk)
      })()
      this.#last = writing
      const noted = writing.catch((error: unknown) => void (this.#failure ??= { error }))
      this.#free.set(buffer, noted)
      this.#turn = (this.#turn + 1) % BUFFERS
      this.#at = 0
    }
    await this.#free.get(this.#buffer)
    if (this.#failure !== undefined) throw this.#failure.error
  }

  /** Hands on everything and waits until all of it was taken. */
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
