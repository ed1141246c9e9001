// The newest bytes of a blob that is coming in, in memory: those that are not on the disk yet, and a little more, so that
// clients that keep up get them without a read. A client that falls behind reads the file.

/** A piece that somebody looks at; its bytes stay what they are until it is released, once. */
export interface HeldBytes {
  readonly bytes: Uint8Array
  release(): void
}

interface Piece {
  /** Offset in the blob. */
  readonly at: number
  readonly bytes: Uint8Array
  /** Called when nobody needs the bytes any more. */
  readonly free: () => void
  /** Clients that look at it, and one more while it is in the window. */
  uses: number
}

export class Window {
  readonly #most: number
  readonly #pieces: Piece[] = []
  #start: number
  #end: number

  /** For what comes from offset `start` on; keeps about `most` bytes of what is on the disk already. */
  constructor(start: number, most: number) {
    this.#most = most
    this.#start = start
    this.#end = start
  }

  /** Offset behind the last byte. */
  get end(): number {
    return this.#end
  }

  /** Takes bytes to the end. They must stay what they are until `free` is called. */
  push(bytes: Uint8Array, free: () => void): void {
    this.#pieces.push({ at: this.#end, bytes, free, uses: 1 })
    this.#end += bytes.byteLength
  }

  /** The bytes from `position` on that lie together, `most` of them at most; undefined when they are not in memory. */
  hold(position: number, most: number): HeldBytes | undefined {
    if (position < this.#start || position >= this.#end) return undefined
    // Who keeps up looks at the last ones.
    const piece = this.#pieces.findLast(({ at }) => at <= position)
    if (piece === undefined) return undefined
    piece.uses += 1
    const from = position - piece.at
    return { bytes: piece.bytes.subarray(from, from + most), release: () => drop(piece) }
  }

  /** Lets go of old bytes, none of them from `onDisk` on; of all the others where nobody follows. */
  trim(onDisk: number, isFollowed = true): void {
    const most = isFollowed ? this.#most : 0
    let count = 0
    for (const { bytes } of this.#pieces) {
      const next = this.#start + bytes.byteLength
      if (next > onDisk || this.#end - this.#start <= most) break
      this.#start = next
      count += 1
    }
    for (const piece of this.#pieces.splice(0, count)) drop(piece)
  }

  /** Lets go of all. */
  clear(): void {
    this.#start = this.#end
    for (const piece of this.#pieces.splice(0)) drop(piece)
  }
}

function drop(piece: Piece): void {
  piece.uses -= 1
  if (piece.uses === 0) piece.free()
}
