// Blobs of an archive that is being taken in. They wait below `.tarn/tmp/incoming`, each under the digest that its bytes
// have, until the whole archive was looked at: only then does one of them become a blob, so that an archive with a flaw
// changes nothing. What a crash leaves is there for the next try, and hashed again by it.
import { createHash, randomUUID } from 'node:crypto'
import { readdirSync, rmSync } from 'node:fs'
import type { FileHandle } from 'node:fs/promises'
import { copyFile, mkdir, open, rename, rm, rmdir } from 'node:fs/promises'
import type { Algorithm, Digest } from '../oci/digest.ts'
import { algorithmOf, hexOf } from '../oci/digest.ts'
import { BlockWriter } from './block-writer.ts'
import type { ByteSource } from './byte-source.ts'
import { hashFile } from './hash-file.ts'
import { HashThread } from './hash-thread.ts'
import { childOf } from './layout.ts'
import { isNotThere, statFile } from './stamp.ts'
import type { Store } from './store.ts'
import { writeAll } from './write-all.ts'

type IncomingStore = Pick<Store, 'layout' | 'durable' | 'blobs' | 'room'>

/** Files that are being written out to the disk at a time: of the four threads that all files share two read and write. */
const MOST_SYNCS = 2
/** Below that a blob is gathered and written at once. */
const SMALL = 512 * 1024
const FORSAKEN_MS = 7 * 24 * 3_600_000

export class Incoming {
  readonly #store: IncomingStore
  readonly #syncs = new Set<Promise<void>>()
  readonly #waiting = new Map<Digest, number>()
  /** Those whose bytes are on the disk. */
  readonly #synced = new Set<Digest>()
  readonly #hash = new HashThread()
  #writer: BlockWriter | undefined
  /** The large blob that is being written, and how much of it is on its way. */
  #open: { readonly handle: FileHandle; end: number } | undefined
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
  async take(digest: Digest, size: number, bytes: ByteSource): Promise<boolean> {
    if (this.#failure !== undefined) throw this.#failure
    const { layout, durable, room } = this.#store
    room.requireSpace(size)
    const path = childOf(layout.incoming, `${randomUUID()}.part`)
    const handle = await open(path, 'wx', 0o666)
    let isKept = false
    try {
      const algorithm = algorithmOf(digest)
      const hex = await (size <= SMALL
        ? writeSmall(handle, algorithm, bytes, size)
        : this.#write(handle, algorithm, bytes))
      if (hex !== hexOf(digest)) return false
      await rename(path, layout.incomingBlob(digest))
      this.#waiting.set(digest, size)
      // Of many small ones each would wait for the journal; they are written out together at the end.
      if (size > SMALL) void this.#sync(durable.syncWritten(handle), handle, digest)
      else await handle.close()
      isKept = true
    } finally {
      if (!isKept) {
        await handle.close()
        await rm(path, { force: true })
      }
    }
    // The disk must not fall behind without an end.
    while (this.#syncs.size >= MOST_SYNCS) await Promise.race(this.#syncs)
    return true
  }

  /** Writes a large blob, hashed beside the writing; gives its hash in hexadecimal. */
  async #write(handle: FileHandle, algorithm: Algorithm, bytes: ByteSource): Promise<string> {
    this.#writer ??= new BlockWriter(async (chunk) => {
      if (this.#open === undefined) return
      const at = this.#open.end
      this.#open.end += chunk.byteLength
      await Promise.all([writeAll(this.#open.handle, chunk, at), this.#hash.update(chunk)])
    })
    this.#open = { handle, end: 0 }
    this.#hash.start(algorithm)
    try {
      await this.#writer.putAll(bytes)
    } finally {
      // In any case: the buffers are for the next blob, and the file is closed.
      await this.#writer.end()
    }
    return this.#hash.digest()
  }

  /** Makes one of those that wait a blob, for good. */
  async adopt(digest: Digest): Promise<void> {
    await Promise.all(this.#syncs)
    if (this.#failure !== undefined) throw this.#failure
    await this.#store.blobs.commit(this.#store.layout.incomingBlob(digest), digest, this.#synced.has(digest))
    this.#waiting.delete(digest)
  }

  /** Moves one of those that wait to `path`, for good: a piece of a blob, whose bytes alone are none. */
  async moveOut(digest: Digest, path: string): Promise<void> {
    await Promise.all(this.#syncs)
    if (this.#failure !== undefined) throw this.#failure
    await this.#store.durable.moveIn(this.#store.layout.incomingBlob(digest), path, this.#synced.has(digest))
    this.#waiting.delete(digest)
  }

  /** Puts a copy of the file `from` at `path`, for good. */
  async copyOut(from: string, path: string): Promise<void> {
    const copy = childOf(this.#store.layout.incoming, `${randomUUID()}.part`)
    try {
      await copyFile(from, copy)
      await this.#store.durable.moveIn(copy, path)
    } finally {
      await rm(copy, { force: true })
    }
  }

  /** Ends all writing; what waits stays for another try, unless the disk could not keep something. */
  async settle(): Promise<void> {
    await this.#rest()
    // The next try would find it in memory, and a second fsync would say that it is on the disk.
    if (this.#failure !== undefined) return this.drop()
    // Fails where something waits.
    await rmdir(this.#store.layout.incoming).catch(() => undefined)
  }

  /** Drops everything that waits. */
  async drop(): Promise<void> {
    await this.#rest()
    this.#waiting.clear()
    await rm(this.#store.layout.incoming, { recursive: true, force: true })
  }

  async #rest(): Promise<void> {
    await Promise.allSettled(this.#syncs)
    await this.#hash.close()
  }

  #sync(running: Promise<void>, handle: FileHandle, digest: Digest): Promise<void> {
    const ended = running
      .then(() => void this.#synced.add(digest))
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

/** Writes a small blob at once; gives its hash in hexadecimal. */
async function writeSmall(
  handle: FileHandle,
  algorithm: Algorithm,
  bytes: AsyncIterable<Uint8Array>,
  size: number,
): Promise<string> {
  const whole = Buffer.allocUnsafe(size)
  let filled = 0
  for await (const part of bytes) {
    whole.set(part, filled)
    filled += part.byteLength
  }
  const got = whole.subarray(0, filled)
  await handle.writeFile(got)
  return createHash(algorithm).update(got).digest('hex')
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
