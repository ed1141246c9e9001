// Blobs of an archive that is being taken in. They wait below `.tarn/tmp/incoming`, each under the digest that its bytes
// have, until the whole archive was looked at: only then does one of them become a blob, so that an archive with a flaw
// changes nothing. What a crash leaves is there for the next try, and hashed again by it.
import { createHash, randomUUID } from 'node:crypto'
import { readdirSync, rmSync } from 'node:fs'
import type { FileHandle } from 'node:fs/promises'
import { mkdir, open, rename, rm, rmdir } from 'node:fs/promises'
import type { Digest } from '../oci/digest.ts'
import { algorithmOf, hexOf } from '../oci/digest.ts'
import { appendStream } from './append.ts'
import { hashFile } from './hash-file.ts'
import { childOf } from './layout.ts'
import { isNotThere, statFile } from './stamp.ts'
import type { Store } from './store.ts'

type IncomingStore = Pick<Store, 'layout' | 'durable' | 'blobs' | 'room'>

/** Files that are being written out to the disk at a time: one less than the threads that all files share. */
const MOST_SYNCS = 3
/** Below that a blob is gathered and written at once. */
const SMALL = 512 * 1024
const FORSAKEN_MS = 7 * 24 * 3_600_000

export class Incoming {
  readonly #store: IncomingStore
  readonly #syncs = new Set<Promise<void>>()
  readonly #waiting = new Map<Digest, number>()
  #failure: unknown

  constructor(store: IncomingStore) {
    this.#store = store
  }

  /** Makes the directory and drops what was half written when an earlier life ended. */
  async begin(): Promise<void> {
    const { incoming } = this.#store.layout
    await mkdir(incoming, { recursive: true })
    for (const name of readdirSync(incoming)) {
      if (name.endsWith('.part')) rmSync(childOf(incoming, name), { force: true })
    }
  }

  /** Digests that wait to become blobs, with their sizes in bytes. */
  get waiting(): ReadonlyMap<Digest, number> {
    return this.#waiting
  }

  /** Whether an earlier life left the blob here, whole. Its bytes are read. */
  async find(digest: Digest, size: number): Promise<boolean> {
    if (this.#waiting.has(digest)) return true
    const path = this.#store.layout.incomingBlob(digest)
    if (statFile(path)?.size !== size) return false
    const handle = await open(path, 'r')
    try {
      if ((await hashFile(handle, algorithmOf(digest))) !== hexOf(digest)) return false
    } finally {
      await handle.close()
    }
    this.#waiting.set(digest, size)
    return true
  }

  /**
   * Writes `bytes` and keeps them if they are the blob; false when they are something else. Throws what `bytes` throws,
   * what the disk says, and UNAVAILABLE when there is no room for `size` bytes.
   */
  async take(digest: Digest, size: number, bytes: AsyncIterable<Uint8Array>): Promise<boolean> {
    if (this.#failure !== undefined) throw this.#failure
    const { layout, durable, room } = this.#store
    room.requireSpace(size)
    const path = childOf(layout.incoming, `${randomUUID()}.part`)
    const handle = await open(path, 'wx', 0o666)
    let synced: Promise<void> | undefined
    try {
      const hash = createHash(algorithmOf(digest))
      if (size <= SMALL) {
        const whole = await gather(bytes, size)
        hash.update(whole)
        await handle.writeFile(whole)
      } else {
        const { broken } = await appendStream(handle, 0, bytes, hash)
        if (broken !== undefined) throw broken
      }
      if (hash.digest('hex') !== hexOf(digest)) return false
      await rename(path, layout.incomingBlob(digest))
      this.#waiting.set(digest, size)
      synced = this.#sync(durable.syncWritten(handle), handle)
    } finally {
      if (synced === undefined) {
        await handle.close()
        await rm(path, { force: true })
      }
    }
    // The disk must not fall behind without an end.
    while (this.#syncs.size >= MOST_SYNCS) await Promise.race(this.#syncs)
    return true
  }

  /** Makes one of those that wait a blob, for good. */
  async adopt(digest: Digest): Promise<void> {
    await Promise.all(this.#syncs)
    if (this.#failure !== undefined) throw this.#failure
    await this.#store.blobs.commit(this.#store.layout.incomingBlob(digest), digest)
    this.#waiting.delete(digest)
  }

  /** Moves one of those that wait to `path`, for good: a piece of a blob, whose bytes alone are none. */
  async moveOut(digest: Digest, path: string): Promise<void> {
    await Promise.all(this.#syncs)
    if (this.#failure !== undefined) throw this.#failure
    await this.#store.durable.moveIn(this.#store.layout.incomingBlob(digest), path)
    this.#waiting.delete(digest)
  }

  /** Ends all writing; what waits stays for another try. */
  async settle(): Promise<void> {
    await Promise.allSettled(this.#syncs)
    // Fails where something waits.
    await rmdir(this.#store.layout.incoming).catch(() => undefined)
  }

  /** Drops everything that waits. */
  async drop(): Promise<void> {
    await Promise.allSettled(this.#syncs)
    this.#waiting.clear()
    await rm(this.#store.layout.incoming, { recursive: true, force: true })
  }

  #sync(running: Promise<void>, handle: FileHandle): Promise<void> {
    const ended = running
      .catch((error: unknown) => {
        // Another fsync would say that all is well: nothing of this archive may be believed any more.
        this.#failure ??= error
      })
      .then(() => handle.close())
      .finally(() => this.#syncs.delete(ended))
    this.#syncs.add(ended)
    return ended
  }
}

async function gather(bytes: AsyncIterable<Uint8Array>, size: number): Promise<Uint8Array> {
  const whole = Buffer.allocUnsafe(size)
  let filled = 0
  for await (const part of bytes) {
    whole.set(part, filled)
    filled += part.byteLength
  }
  return whole.subarray(0, filled)
}

/** Drops what was left so long ago that nobody will come with the same archive again; `now` in milliseconds since 1970. */
export function dropForsaken({ incoming }: Store['layout'], now: number): void {
  let names: string[]
  try {
    names = readdirSync(incoming)
  } catch (error) {
    if (isNotThere(error)) return
    throw error
  }
  for (const name of names) {
    const path = childOf(incoming, name)
    const facts = statFile(path)
    if (facts !== undefined && now - facts.changedAt > FORSAKEN_MS) rmSync(path, { force: true })
  }
}
