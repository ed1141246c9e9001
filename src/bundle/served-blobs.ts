// The bytes of blobs where they lie in the files of bundles, and what is known of them. Verdicts hold for one state of the files:
// somebody may write to them.
import { createHash } from 'node:crypto'
import type { FileHandle } from 'node:fs/promises'
import type { Digest } from '../oci/digest.ts'
import { algorithmOf, hexOf } from '../oci/digest.ts'
import { WITHHELD } from '../storage/read-blob.ts'

/** Bytes of a blob, or a slice of it, in the file of a part. */
export interface Segment {
  readonly handle: FileHandle
  readonly offset: number
  readonly size: number
}

interface Verdict {
  readonly state: string
  readonly right: boolean
}

const PIECE = 512 * 1024
const NOTHING: Buffer = Buffer.alloc(0)

export class ServedBlobs {
  readonly #segments: ReadonlyMap<Digest, readonly Segment[]>
  readonly #verdicts = new Map<Digest, Verdict>()
  readonly #hashing = new Map<Digest, { readonly state: string; readonly right: Promise<boolean> }>()

  constructor(segments: ReadonlyMap<Digest, readonly Segment[]>) {
    this.#segments = segments
  }

  /** The size of a blob whose bytes lie in the bundles; undefined for others. */
  sizeOf(digest: Digest): number | undefined {
    return this.#segments.get(digest)?.reduce((sum, { size }) => sum + size, 0)
  }

  /** The state of the files that have its bytes. */
  async stateOf(digest: Digest): Promise<string> {
    const stats = (this.#segments.get(digest) ?? []).map(({ handle }) => handle.stat({ bigint: true }))
    return (await Promise.all(stats)).map(({ ctimeNs }) => ctimeNs).join(' ')
  }

  /** Whether its bytes are right in this state; undefined while nobody has read them. */
  verdictIn(digest: Digest, state: string): boolean | undefined {
    const verdict = this.#verdicts.get(digest)
    return verdict?.state === state ? verdict.right : undefined
  }

  /** Whether its bytes are right now; reads them where that is not known. */
  async isRight(digest: Digest): Promise<boolean> {
    const state = await this.stateOf(digest)
    const known = this.verdictIn(digest, state)
    if (known !== undefined) return known
    const earlier = this.#hashing.get(digest)
    if (earlier?.state === state) return earlier.right
    const right = this.#hash(digest, state).finally(() => this.#hashing.delete(digest))
    this.#hashing.set(digest, { state, right })
    return right
  }

  async #hash(digest: Digest, state: string): Promise<boolean> {
    const sum = createHash(algorithmOf(digest))
    for await (const piece of this.read(digest, 0, this.sizeOf(digest) ?? 0)) sum.update(piece)
    const right = sum.digest('hex') === hexOf(digest)
    this.#verdicts.set(digest, { state, right })
    return right
  }

  /** Bytes from `start` to `end` (exclusive), in pieces that may be kept, whatever they are. */
  async *read(digest: Digest, start: number, end: number): AsyncGenerator<Buffer> {
    let from = 0
    for (const { handle, offset, size } of this.#segments.get(digest) ?? []) {
      const [first, last] = [Math.max(start - from, 0), Math.min(end - from, size)]
      for (let at = first; at < last;) {
        const piece = Buffer.allocUnsafe(Math.min(PIECE, last - at))
        const { bytesRead } = await handle.read(piece, 0, piece.byteLength, offset + at)
        if (bytesRead === 0) throw new Error('the file of a bundle became shorter while it was served')
        at += bytesRead
        yield piece.subarray(0, bytesRead)
      }
      from += size
    }
  }

  /**
   * The same as an answer to a client: what is not known to be right in `state` must be asked for whole and is hashed on its
   * way, and the end comes only when all was right and the files still stand as they did (I5). Throws when not.
   */
  async *readProven(digest: Digest, start: number, end: number, state: string): AsyncGenerator<Buffer> {
    const sum = this.verdictIn(digest, state) === true ? undefined : createHash(algorithmOf(digest))
    let held: Buffer = NOTHING
    for await (const piece of this.read(digest, start, end)) {
      sum?.update(piece)
      const all = held.byteLength === 0 ? piece : Buffer.concat([held, piece])
      const early = Math.max(0, all.byteLength - WITHHELD)
      if (early > 0) yield all.subarray(0, early)
      held = all.subarray(early)
    }
    const right = sum === undefined || sum.digest('hex') === hexOf(digest)
    if (sum !== undefined) this.#verdicts.set(digest, { state, right })
    if (!right) throw new Error('the bytes of a blob in a bundle are not what its digest says')
    if ((await this.stateOf(digest)) !== state) throw new Error('the file of a bundle changed while it was served')
    if (held.byteLength > 0) yield held
  }
}
