// Blobs that a bundle carries in slices, one in each of several parts (docs/formats/bundle.md): joined in a private file
// below `.tarn/tmp` as the parts are read in their order. What is left of one after a crash is dropped like any other.
import type { Hash } from 'node:crypto'
import { createHash, randomUUID } from 'node:crypto'
import { mkdir, open, rm } from 'node:fs/promises'
import type { Digest } from '../../oci/digest.ts'
import { algorithmOf, hexOf } from '../../oci/digest.ts'
import { appendStream } from '../append.ts'
import { childOf } from '../layout.ts'
import type { Store } from '../store.ts'
import type { Guard } from './guard.ts'
import { untilAborted } from './guard.ts'
import { TooMuch, limit } from './stage.ts'

export interface Slice {
  /** From 1. */
  readonly number: number
  readonly of: number
}

interface Joining {
  readonly path: string
  readonly of: number
  readonly hash: Hash
  bytes: number
  /** The slice that goes on. */
  next: number
}

export class Slices {
  readonly #store: Pick<Store, 'layout' | 'blobs'>
  readonly #guard: Guard
  readonly #joining = new Map<Digest, Joining>()

  constructor(store: Pick<Store, 'layout' | 'blobs'>, guard: Guard) {
    this.#store = store
    this.#guard = guard
  }

  /**
   * Takes a slice of `digest`, whose size in bytes may be known. True when it was the last one and all of them together
   * are the blob, which is then in its place. One that does not go on where the last one ended is passed over. Throws what
   * the disk says, what `bytes` throws, and what the guard does.
   */
  async take(
    digest: Digest,
    slice: Slice,
    bytes: AsyncIterable<Uint8Array>,
    size: number | undefined,
  ): Promise<boolean> {
    this.#guard.require()
    if (slice.number === 1) await this.#begin(digest, slice)
    const joining = this.#joining.get(digest)
    if (joining?.next !== slice.number || joining.of !== slice.of) return false
    let isTaken = false
    try {
      isTaken = await this.#append(joining, bytes, size)
    } finally {
      if (!isTaken) await this.#drop(digest)
    }
    joining.next += 1
    if (!isTaken || slice.number < slice.of) return false
    const isRight = joining.hash.digest('hex') === hexOf(digest)
    this.#guard.require()
    if (isRight) await this.#store.blobs.commit(joining.path, digest)
    await this.#drop(digest)
    return isRight
  }

  /** Drops what could not be joined. */
  async close(): Promise<void> {
    for (const digest of this.#joining.keys()) await this.#drop(digest)
  }

  async #begin(digest: Digest, { of }: Slice): Promise<void> {
    const { layout } = this.#store
    await this.#drop(digest)
    await mkdir(layout.tmp, { recursive: true })
    const path = childOf(layout.tmp, `heal-${randomUUID()}`)
    this.#joining.set(digest, { path, of, hash: createHash(algorithmOf(digest)), bytes: 0, next: 1 })
  }

  async #append(joining: Joining, bytes: AsyncIterable<Uint8Array>, size = Infinity): Promise<boolean> {
    const handle = await open(joining.path, joining.next === 1 ? 'wx' : 'r+', 0o666)
    try {
      const source = limit(untilAborted(bytes, this.#guard.signal), size - joining.bytes)
      const { written, broken } = await appendStream(handle, joining.bytes, source, joining.hash)
      joining.bytes += written
      if (broken === undefined) return true
      if (broken instanceof TooMuch) return false
      throw broken
    } finally {
      await handle.close()
    }
  }

  async #drop(digest: Digest): Promise<void> {
    const joining = this.#joining.get(digest)
    this.#joining.delete(digest)
    if (joining !== undefined) await rm(joining.path, { force: true })
  }
}
