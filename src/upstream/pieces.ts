// The bytes of a stream piece by piece, each in the memory that it came in. Node's own iterator puts what waits together into
// new memory, which then is nobody's to use again.
import type { Readable } from 'node:stream'

// Bytes that may wait here before the stream has to.
const MOST_WAITING = 512 * 1024

export class Pieces {
  readonly #stream: Readable
  readonly #waiting: Buffer[] = []
  #bytes = 0
  #end: { readonly error?: unknown } | undefined
  #wake: () => void = () => undefined

  /** Begins to read `stream`, which nobody else may read. */
  constructor(stream: Readable) {
    this.#stream = stream
    stream.on('data', (piece: Buffer) => {
      this.#waiting.push(piece)
      this.#bytes += piece.length
      if (this.#bytes >= MOST_WAITING) stream.pause()
      this.#wake()
    })
    const end = (how: { readonly error?: unknown }): void => {
      this.#end ??= how
      this.#wake()
    }
    stream.once('end', () => end({}))
    stream.once('error', (error) => end({ error }))
    const closed = (): void => end({ error: stream.errored ?? new Error('the stream was closed before its end') })
    stream.once('close', closed)
    // It may have ended while nobody read it yet.
    if (stream.readableEnded) end({})
    else if (stream.destroyed) closed()
  }

  /** The next piece, undefined at the end. Throws what the stream broke off with, after all that came before. */
  async next(): Promise<Buffer | undefined> {
    for (;;) {
      const piece = this.#waiting.shift()
      if (piece !== undefined) {
        this.#bytes -= piece.length
        return piece
      }
      if (this.#end !== undefined) {
        if ('error' in this.#end) throw this.#end.error
        return undefined
      }
      const woken = new Promise<void>((resolve) => (this.#wake = resolve))
      if (this.#stream.isPaused()) this.#stream.resume()
      await woken
    }
  }
}
