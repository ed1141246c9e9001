// The memory that the connections of an upstream read into. Node takes 64 KiB of new memory for every read and leaves them to
// the garbage collector: of a large blob they cost more time than its bytes. Here they are read in larger pieces, and
// memory of which every byte was given back is read into again.
import type { OnReadOpts, Socket } from 'node:net'

// A connection begins with what Node would take; one that fills it gets more at once.
const SMALL = 64 * 1024
const LARGE = 256 * 1024
// With less than this left the next read goes into other memory.
const LEAST = 16 * 1024
// Of LARGE, that wait to be read into again.
const MOST_SPARE = 32

interface Slab {
  readonly memory: Buffer
  /** Bytes that were read into it, from its beginning. */
  used: number
  /** Bytes that nobody needs any more. */
  freed: number
  /** Nothing more is read into it. */
  isFull: boolean
}

export class ReadBuffers {
  readonly #slabs = new WeakMap<ArrayBufferLike, Slab>()
  readonly #spare: Slab[] = []

  /** How one connection reads: an option of `net.connect` and `tls.connect`, never for two of them. */
  forConnection(): OnReadOpts {
    let slab: Slab | undefined
    let isFast = false
    return {
      buffer: () => {
        if (slab !== undefined && slab.memory.length - slab.used < LEAST) {
          this.#close(slab)
          slab = undefined
        }
        slab ??= this.#take(isFast ? LARGE : SMALL)
        return slab.memory.subarray(slab.used)
      },
      // Node calls it on the socket: as without `onread`, the bytes go into its stream, which says when it has enough.
      callback(this: unknown, length: number, into: Uint8Array): boolean {
        if (slab === undefined) return true
        isFast = length === into.length
        slab.used += length
        return (this as Socket).push(slab.memory.subarray(slab.used - length, slab.used))
      },
    }
  }

  /**
   * Says, once for each, that nobody looks at these bytes any more. Bytes that nobody ever gives back (headers, small
   * answers, the frames of chunks) keep their memory from being read into again; then it is the garbage collector's.
   */
  free(bytes: Uint8Array): void {
    const slab = this.#slabs.get(bytes.buffer)
    if (slab === undefined) return
    slab.freed += bytes.length
    this.#reuse(slab)
  }

  #take(size: number): Slab {
    const spare = size === LARGE ? this.#spare.pop() : undefined
    if (spare !== undefined) return spare
    const slab = { memory: Buffer.allocUnsafeSlow(size), used: 0, freed: 0, isFull: false }
    this.#slabs.set(slab.memory.buffer, slab)
    return slab
  }

  #close(slab: Slab): void {
    slab.isFull = true
    this.#reuse(slab)
  }

  #reuse(slab: Slab): void {
    if (!slab.isFull || slab.freed < slab.used || slab.memory.length !== LARGE || this.#spare.length >= MOST_SPARE)
      return
    slab.used = 0
    slab.freed = 0
    slab.isFull = false
    this.#spare.push(slab)
  }
}
