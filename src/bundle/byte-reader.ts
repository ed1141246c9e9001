// Bytes of a stream as a reader of a format wants them: exactly so many, or as they come. Nothing is gathered but what is
// asked for at once.
import type { ByteSource } from '../storage/byte-source.ts'
import { CutShort } from './bad-archive.ts'

const NOTHING = new Uint8Array()

export class ByteReader {
  readonly #source: ByteSource
  readonly #pieces: AsyncIterator<Uint8Array>
  #chunk: Uint8Array = NOTHING
  /** How many bytes were given out. */
  position = 0

  constructor(source: ByteSource) {
    this.#source = source
    this.#pieces = source[Symbol.asyncIterator]()
  }

  /** What comes next, at most `most` bytes, without a copy; undefined at the end. Throws what the source throws. */
  async some(most: number): Promise<Uint8Array | undefined> {
    while (this.#chunk.byteLength === 0) {
      const next = await this.#pieces.next()
      if (next.done === true) return undefined
      this.#chunk = next.value
    }
    const part = this.#chunk.subarray(0, most)
    this.#chunk = this.#chunk.subarray(part.byteLength)
    this.position += part.byteLength
    return part
  }

  /** Fills the beginning of `into` and gives how many bytes that were; 0 at the end. Throws what the source throws. */
  async into(into: Buffer): Promise<number> {
    if (this.#chunk.byteLength === 0 && this.#source.readInto !== undefined) {
      const size = await this.#source.readInto(into)
      this.position += size
      return size
    }
    const part = await this.some(into.byteLength)
    if (part === undefined) return 0
    into.set(part)
    return part.byteLength
  }

  /** Passes over `size` bytes, unread where the source can do that; gives how many there were. Throws what the source throws. */
  async pass(size: number): Promise<number> {
    let left = size
    while (left > 0) {
      if (this.#chunk.byteLength === 0 && this.#source.skip !== undefined) {
        const skipped = this.#source.skip(left)
        this.position += skipped
        return size - left + skipped
      }
      const part = await this.some(left)
      if (part === undefined) break
      left -= part.byteLength
    }
    return size - left
  }

  /** The first `size` bytes, or all where there are fewer, which are given out again afterwards. */
  async peek(size: number): Promise<Uint8Array> {
    const parts: Uint8Array[] = []
    for (let left = size; left > 0;) {
      const part = await this.some(left)
      if (part === undefined) break
      parts.push(part)
      left -= part.byteLength
    }
    const head = Buffer.concat(parts)
    this.#chunk = Buffer.concat([head, this.#chunk])
    this.position -= head.byteLength
    return head
  }

  /** Exactly `size` bytes, copied where they come in pieces; undefined when the end comes before the first of them. */
  async exactly(size: number): Promise<Uint8Array | undefined> {
    const first = await this.some(size)
    if (first === undefined || first.byteLength === size) return first
    const whole = Buffer.allocUnsafe(size)
    whole.set(first, 0)
    for (let filled = first.byteLength; filled < size;) {
      const part = await this.some(size - filled)
      if (part === undefined) throw new CutShort(`the archive is cut short after ${this.position} bytes`)
      whole.set(part, filled)
      filled += part.byteLength
    }
    return whole
  }

  /** All that is left, in pieces; whoever leaves closes it. */
  async *rest(): AsyncGenerator<Uint8Array> {
    try {
      for (let part = await this.some(Infinity); part !== undefined; part = await this.some(Infinity)) yield part
    } finally {
      await this.close()
    }
  }

  /** Ends the use of the source. */
  async close(): Promise<void> {
    await this.#pieces.return?.()
  }
}
