// Uploads under way. The directory is the truth: `data` holds the bytes that came, its size is the offset,
// and a restart loses nothing but the running hash. A POST or PATCH promises no more than that Range tells
// what is there; durability begins with the commit (I3).
import { createHash } from 'node:crypto'
import { open, truncate } from 'node:fs/promises'
import { outputFile, remove } from 'fs-extra/esm'
import type { Algorithm, Digest } from '../oci/digest.ts'
import { algorithmOf, hexOf } from '../oci/digest.ts'
import { registryError } from '../oci/errors.ts'
import type { RepositoryName } from '../oci/name.ts'
import { appendStream } from './append.ts'
import { hashFile } from './hash-file.ts'
import type { Layout } from './layout.ts'
import { Mutex } from './mutex.ts'
import type { OpenUpload, Owner, UploadLimits } from './open-uploads.ts'
import { OpenUploads } from './open-uploads.ts'
import { isNoRoom } from './room.ts'
import { RunningHashes } from './running-hashes.ts'
import { readTiny, statFile } from './stamp.ts'
import type { UploadId } from './upload-id.ts'
import { isUploadId } from './upload-id.ts'
import type { UploadTimes } from './upload-times.ts'
import { readUploadTimes } from './upload-times.ts'

/** An upload belongs to the repository and the user that began it: nobody else can see it (R14). */
export interface UploadKey {
  readonly name: RepositoryName
  readonly id: UploadId
  readonly owner: string | undefined
}

/** Bytes that go to the end of an upload, with what the client said of them. */
export interface Chunk {
  readonly source: AsyncIterable<Uint8Array>
  /** Content-Range's first offset; it must be where the upload ends. */
  readonly start?: number | undefined
  /** Bytes that Content-Range promises. */
  readonly length?: number | undefined
  /** Bytes that the request is going to bring, where it says so (Content-Length). */
  readonly announced?: number | undefined
  /** Ends the source. Called when the client comes with another request for the same upload: this one is dead. */
  readonly stop?: (() => void) | undefined
}

const NO_LIMITS: UploadLimits = { perUser: Infinity, total: Infinity }
/** An upload that was left alone for so long is dropped when its place is wanted for another. */
const FORSAKEN_MS = 60 * 60_000
const RETRY_AFTER_SECONDS = '60'

export class Uploads {
  /** Those that are known to be under way. */
  readonly open = new OpenUploads()
  readonly #layout: Layout
  readonly #clock: () => number
  readonly #newId: () => string
  readonly #limits: UploadLimits
  readonly #mutex = new Mutex()
  readonly #hashes = new RunningHashes()
  /** How to end the chunk that is being received, by upload. */
  readonly #running = new Map<UploadId, () => void>()

  constructor(layout: Layout, clock: () => number, newId: () => string, limits = NO_LIMITS) {
    this.#layout = layout
    this.#clock = clock
    this.#newId = newId
    this.#limits = limits
  }

  /**
   * Begins an upload; `algorithm` is the hash that its digest will probably be of. Throws TOOMANYREQUESTS when too many
   * wait for their bytes and none of them was left alone for an hour or refused for lack of room.
   */
  async begin(name: RepositoryName, owner: string | undefined, algorithm: Algorithm): Promise<UploadKey> {
    const id = this.#newId() as UploadId
    const key = { name, id, owner }
    await this.#takePlace(key, owner === undefined ? 'anonymous' : { user: owner })
    const startedAt = `${new Date(this.#clock()).toISOString().slice(0, 19)}Z`
    await this.#mutex.run(id, async () => {
      try {
        await outputFile(this.#layout.uploadStartedAt(name, id), startedAt)
        if (owner !== undefined) await outputFile(this.#layout.uploadOwner(name, id), owner)
        await outputFile(this.#layout.uploadData(name, id), '')
      } catch (error) {
        // A full disk: what could be made of it would lie there until the purge.
        await this.#end(key)
        throw error
      }
    })
    this.#hashes.set(id, { algorithm, hash: createHash(algorithm), offset: 0 })
    return key
  }

  /** The key of an upload that is here and belongs to `owner`; throws BLOB_UPLOAD_UNKNOWN. */
  find(name: RepositoryName, id: string, owner: string | undefined): UploadKey {
    if (isUploadId(id) && this.#isWhole(name, id)) {
      // An upload without owner was begun by another program: whoever may push here may end it.
      const theirs = readTiny(this.#layout.uploadOwner(name, id))
      if (theirs === undefined || theirs === Buffer.from(owner ?? '').toString('latin1')) {
        this.learn(name, id)
        return { name, id, owner }
      }
    }
    throw registryError('BLOB_UPLOAD_UNKNOWN')
  }

  // A crash can leave a part of the directory; distribution does not know such an upload either.
  #isWhole(name: RepositoryName, id: UploadId): boolean {
    return (
      statFile(this.#layout.uploadStartedAt(name, id)) !== undefined &&
      statFile(this.#layout.uploadData(name, id)) !== undefined
    )
  }

  /** Bytes received so far. */
  received({ name, id }: UploadKey): number {
    return statFile(this.#layout.uploadData(name, id))?.size ?? 0
  }

  /**
   * Appends a chunk; gives the bytes received in all. Throws RANGE_INVALID when it does not begin where the
   * upload ends (nothing is appended) and SIZE_INVALID when it is not as long as its Content-Range says.
   */
  async append(key: UploadKey, chunk: Chunk): Promise<number> {
    this.#stopOlder(key)
    const leave = this.open.enter(key, this.#clock)
    try {
      return await this.#mutex.run(key.id, () => this.#append(key, chunk))
    } finally {
      leave()
    }
  }

  /**
   * Appends a last chunk, if there is one, checks that all bytes hash to `digest`, and hands the file to
   * `commit`, which moves it away. Throws DIGEST_INVALID when they do not; the upload stays for another try.
   */
  async finish(
    key: UploadKey,
    digest: Digest,
    chunk: Chunk | undefined,
    commit: (data: string) => Promise<void>,
  ): Promise<void> {
    this.#stopOlder(key)
    const leave = this.open.enter(key, this.#clock)
    await this.#mutex
      .run(key.id, async () => {
        if (chunk === undefined) this.find(key.name, key.id, key.owner)
        else await this.#append(key, chunk)
        const data = this.#layout.uploadData(key.name, key.id)
        if ((await this.#hexOf(key, data, algorithmOf(digest))) !== hexOf(digest)) {
          throw registryError('DIGEST_INVALID')
        }
        try {
          await commit(data)
        } catch (error) {
          // Without its bytes there is nothing to try again with: they are a blob already, or lost.
          if (statFile(data) === undefined) await this.#end(key)
          throw error
        }
        // The blob is there: what is left of the upload is a matter for the purge, not for the client.
        await this.#end(key)
      })
      .finally(leave)
  }

  /** Drops the upload with its bytes. */
  async cancel(key: UploadKey): Promise<void> {
    this.#stopOlder(key)
    await this.#mutex.run(key.id, async () => {
      this.find(key.name, key.id, key.owner)
      this.#hashes.delete(key.id)
      await remove(this.#layout.upload(key.name, key.id))
      this.open.remove(key)
    })
  }

  /**
   * Drops an upload of which `isDue` says so in the turn of its requests and to which nobody is sending, or that is
   * gone already. False when it stays.
   */
  async drop({ name, id }: Pick<OpenUpload, 'name' | 'id'>, isDue: (times: UploadTimes) => boolean): Promise<boolean> {
    if (this.open.isSending({ name, id })) return false
    return this.#mutex.run(id, async () => {
      const times = this.times(name, id)
      if (times !== undefined && !isDue(times)) return false
      this.#hashes.delete(id)
      if (times !== undefined) await remove(this.#layout.upload(name, id))
      this.open.remove({ name, id })
      return true
    })
  }

  /** Notes that there was no room for more of an upload. */
  refuse(key: UploadKey): void {
    this.open.refuse(key, this.#clock())
  }

  /** What the directory says of an upload; undefined for what is none. */
  times(name: RepositoryName, id: UploadId): UploadTimes | undefined {
    return readUploadTimes(this.#layout, name, id)
  }

  /** Takes an upload that lies in the directory into the table of those under way; false when there is none. */
  learn(name: RepositoryName, id: UploadId): boolean {
    if (this.open.has({ name, id })) return true
    const times = this.times(name, id)
    if (times === undefined) return false
    const user = readTiny(this.#layout.uploadOwner(name, id))
    const owner = user === undefined ? 'unknown' : { user: Buffer.from(user, 'latin1').toString() }
    this.open.add({ name, id }, owner, times.activeAt)
    return true
  }

  // One comes when one goes: where another program left thousands, a push must not wait until all are gone.
  async #takePlace(key: UploadKey, owner: Owner): Promise<void> {
    const before = this.#clock() - FORSAKEN_MS
    for (;;) {
      const limit = this.open.brokenLimit(owner, this.#limits)
      if (limit === undefined) return this.open.add(key, owner, this.#clock())
      const forsaken = this.open.longestIdle(before, limit === 'user' ? owner : undefined)
      if (forsaken === undefined) {
        throw registryError('TOOMANYREQUESTS', {
          message: `too many uploads wait for their bytes${limit === 'user' ? ' in your name' : ''}: end or cancel some`,
          headers: { 'retry-after': RETRY_AFTER_SECONDS },
        })
      }
      // Exchanged at once, so that nobody who begins while the bytes are removed counts on the same place.
      this.open.remove(forsaken)
      this.open.add(key, owner, this.#clock())
      const { refusedAt = -Infinity } = forsaken
      let isFree = false
      try {
        isFree = await this.drop(forsaken, ({ activeAt }) => activeAt < before || activeAt <= refusedAt)
      } finally {
        if (!isFree) this.open.remove(key)
      }
      // Once more: a purge that met it without its files took it for one that is gone.
      if (isFree) return this.open.add(key, owner, this.#clock())
      // Somebody sent to it meanwhile; then the next one is tried.
      this.learn(forsaken.name, forsaken.id)
    }
  }

  // A client whose connection died may come back long before this end notices: its new request must not wait.
  #stopOlder({ id }: UploadKey): void {
    this.#running.get(id)?.()
  }

  async #append(key: UploadKey, { source, start, length, stop }: Chunk): Promise<number> {
    this.find(key.name, key.id, key.owner)
    const data = this.#layout.uploadData(key.name, key.id)
    const size = this.received(key)
    if (start !== undefined && start !== size) throw registryError('RANGE_INVALID')
    const running = this.#hashes.get(key.id)
    const usable = running?.offset === size ? running : undefined
    this.#hashes.delete(key.id)
    const handle = await open(data, 'r+')
    let result
    if (stop !== undefined) this.#running.set(key.id, stop)
    try {
      result = await appendStream(handle, size, source, usable?.hash)
    } catch (error) {
      // A full disk: nobody was told that these bytes are here, and others can use their room.
      if (isNoRoom(error)) await handle.truncate(size).catch(() => undefined)
      throw error
    } finally {
      this.#running.delete(key.id)
      await handle.close()
    }
    if (length !== undefined && result.written !== length && result.broken === undefined) {
      await truncate(data, size)
      throw registryError('SIZE_INVALID')
    }
    const received = size + result.written
    if (usable !== undefined) this.#hashes.set(key.id, { ...usable, offset: received })
    if (result.broken !== undefined) throw result.broken
    return received
  }

  async #hexOf(key: UploadKey, data: string, algorithm: Algorithm): Promise<string> {
    const running = this.#hashes.get(key.id)
    if (running?.algorithm === algorithm && running.offset === this.received(key)) {
      return running.hash.copy().digest('hex')
    }
    // After a restart, or when the digest is of another algorithm than was foreseen.
    const handle = await open(data, 'r')
    try {
      return await hashFile(handle, algorithm)
    } finally {
      await handle.close()
    }
  }

  async #end(key: UploadKey): Promise<void> {
    this.#hashes.delete(key.id)
    this.open.remove(key)
    await remove(this.#layout.upload(key.name, key.id)).catch(() => undefined)
  }
}
