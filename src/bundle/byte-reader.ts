// Bytes of a stream as a reader of a format wants them: exactly so many, or as they come. Nothing is gathered but what is
// asked for at once.
import { CutShort } from './bad-archive.ts'

const NOTHING = new Uint8Array()

export class ByteReader {
  readonly #source: AsyncIterator<Uint8Array>
  #chunk: Uint8Array = NOTHING
  /** How many bytes were given out. */
  position = 0

  constructor(source: AsyncIterable<Uint8Array>) {
    this.#source = source[Symbol.asyncIterator]()
  }

  /** What comes next, at most `most` bytes, without a copy; undefined at the end. Throws what the source throws. */
  async some(most: number): Promise<Uint8Array | undefined> {
    while (this.#chunk.byteLength === 0) {
      const next = await this.#source.next()
      if (next.done === true) return undefined
      this.#chunk = next.value
    }
    const part = this.#chunk.subarray(0, most)
    this.#chunk = this.#chunk.subarray(part.byteLength)
    this.position += part.byteLength
    return part
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

  /** Passes over `size` bytes. */
  async skip(size: number): Promise<void> {
    for (let left = size; left > 0;) {
      const part = await this.some(left)
      if (part === undefined) throw new CutShort(`the archive is cut short after ${this.position} bytes`)
      left -= part.byteLength
    }
  }

  /** Ends the use of the source. */
  async close(): Promise<void> {
    await this.#source.return?.()
  }
}
