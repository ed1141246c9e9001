// Uploads under way. The directory is the truth: `data` holds the bytes that came, its size is the offset,
// and a restart loses nothing but the running hash. A POST or PATCH promises no more than that Range tells
// what is there; durability begins with the commit (I3).
import type { Hash } from 'node:crypto'
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
import { readTiny, statFile } from './stamp.ts'
import type { UploadId } from './upload-id.ts'
import { isUploadId } from './upload-id.ts'

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
  /** Ends the source. Called when the client comes with another request for the same upload: this one is dead. */
  readonly stop?: (() => void) | undefined
}

interface RunningHash {
  readonly algorithm: Algorithm
  readonly hash: Hash
  /** Bytes that went into the hash. */
  readonly offset: number
}

const MOST_HASHES = 1000

export class Uploads {
  readonly #layout: Layout
  readonly #clock: () => number
  readonly #newId: () => string
  readonly #mutex = new Mutex()
  readonly #hashes = new Map<UploadId, RunningHash>()
  /** How to end the chunk that is being received, by upload. */
  readonly #running = new Map<UploadId, () => void>()

  constructor(layout: Layout, clock: () => number, newId: () => string) {
    this.#layout = layout
    this.#clock = clock
    this.#newId = newId
  }

  /** Begins an upload; `algorithm` is the hash that its digest will probably be of. */
  async begin(name: RepositoryName, owner: string | undefined, algorithm: Algorithm): Promise<UploadKey> {
    const id = this.#newId() as UploadId
    const key = { name, id, owner }
    const startedAt = `${new Date(this.#clock()).toISOString().slice(0, 19)}Z`
    await outputFile(this.#layout.uploadStartedAt(name, id), startedAt)
    if (owner !== undefined) await outputFile(this.#layout.uploadOwner(name, id), owner)
    await outputFile(this.#layout.uploadData(name, id), '')
    this.#keepHash(id, { algorithm, hash: createHash(algorithm), offset: 0 })
    return key
  }

  /** The key of an upload that is here and belongs to `owner`; throws BLOB_UPLOAD_UNKNOWN. */
  find(name: RepositoryName, id: string, owner: string | undefined): UploadKey {
    if (isUploadId(id) && this.#isWhole(name, id)) {
      // An upload without owner was begun by another program: whoever may push here may end it.
      const theirs = readTiny(this.#layout.uploadOwner(name, id))
      if (theirs === undefined || theirs === Buffer.from(owner ?? '').toString('latin1')) return { name, id, owner }
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
    return this.#mutex.run(key.id, () => this.#append(key, chunk))
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
    await this.#mutex.run(key.id, async () => {
      if (chunk === undefined) this.find(key.name, key.id, key.owner)
      else await this.#append(key, chunk)
      const data = this.#layout.uploadData(key.name, key.id)
      if ((await this.#hexOf(key, data, algorithmOf(digest))) !== hexOf(digest)) {
        throw registryError('DIGEST_INVALID')
      }
      await commit(data)
      this.#hashes.delete(key.id)
      // The blob is there: what is left of the upload is a matter for the purge, not for the client.
      await this.#removeDirectory(key).catch(() => undefined)
    })
  }

  /** Drops the upload with its bytes. */
  async cancel(key: UploadKey): Promise<void> {
    this.#stopOlder(key)
    await this.#mutex.run(key.id, async () => {
      this.find(key.name, key.id, key.owner)
      this.#hashes.delete(key.id)
      await this.#removeDirectory(key)
    })
  }

  /** Drops an upload that was begun before `before` (milliseconds since 1970) and is not being sent now. */
  async purge(name: RepositoryName, id: UploadId, before: number): Promise<void> {
    if (this.#running.has(id)) return
    await this.#mutex.run(id, async () => {
      if (!(this.startedAt(name, id) < before)) return
      this.#hashes.delete(id)
      await this.#removeDirectory({ name, id, owner: undefined })
    })
  }

  /** When the upload was begun, in milliseconds since 1970; NaN when the directory does not say. */
  startedAt(name: RepositoryName, id: UploadId): number {
    return Date.parse(readTiny(this.#layout.uploadStartedAt(name, id)) ?? '')
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
    } finally {
      this.#running.delete(key.id)
      await handle.close()
    }
    if (length !== undefined && result.written !== length && result.broken === undefined) {
      await truncate(data, size)
      throw registryError('SIZE_INVALID')
    }
    const received = size + result.written
    if (usable !== undefined) this.#keepHash(key.id, { ...usable, offset: received })
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

  async #removeDirectory({ name, id }: UploadKey): Promise<void> {
    await remove(this.#layout.upload(name, id))
  }

  #keepHash(id: UploadId, running: RunningHash): void {
    this.#hashes.set(id, running)
    for (const [oldest] of this.#hashes) {
      if (this.#hashes.size <= MOST_HASHES) break
      this.#hashes.delete(oldest)
    }
  }
}
