// The one way in which Tarn changes the data directory for good. When a call here returns, what it did
// survives a power cut: the file's bytes, its name, and the name of every directory above it (I3).
// The order is that of restic and SQLite: write a private file, fsync it, rename it, fsync its directory.
import { randomUUID } from 'node:crypto'
import type { FileHandle } from 'node:fs/promises'
import { mkdir, open, rename, rm, unlink } from 'node:fs/promises'
import { dirname } from 'node:path'
import type { FileFacts, Stamp } from './stamp.ts'
import { directoryIdentity, isNotThere, statFile } from './stamp.ts'

/** Every place that calls fsync, by name, so that a test can leave one out and must see it missing. */
export const SYNC_SITES = [
  'blob file', // the bytes of a blob, before its rename
  'blob directory', // its new name
  'link file', // the bytes of a link, before its rename
  'link directory', // its new name
  'new directory', // the name of a directory that was made (in its parent)
  'removed name', // the directory that lost a link
  'held file', // bytes that another program wrote and that an answer now promises
  'held directory', // their name
] as const

export type SyncSite = (typeof SYNC_SITES)[number]

export interface Sync {
  file(site: SyncSite, handle: FileHandle): Promise<void>
  directory(site: SyncSite, path: string): Promise<void>
}

export const realSync: Sync = {
  file: (_site, handle) => handle.sync(),
  async directory(_site, path) {
    const handle = await open(path, 'r')
    try {
      await handle.sync()
    } finally {
      await handle.close()
    }
  },
}

// Paths whose durability is known are kept to spare fsyncs; the map is emptied when it is full, which
// costs fsyncs and never correctness.
const MOST_KNOWN = 100_000

export class Durable {
  readonly #sync: Sync
  readonly #root: string
  readonly #directories = new Map<string, string>()
  readonly #files = new Map<string, Stamp>()
  readonly #running = new Map<string, { now: Promise<void>; next: Promise<void> | undefined }>()

  /** `root` exists; it is where fsyncs of parents end. */
  constructor(root: string, sync: Sync = realSync) {
    this.#root = root
    this.#sync = sync
  }

  /**
   * Makes the directory `path` below the root. A directory that is there but was made by another program,
   * or by us before a crash, gets its name fsynced once all the same: nobody may have done it yet.
   */
  async ensureDirectory(path: string): Promise<void> {
    if (path === this.#root) return
    const identity = directoryIdentity(path)
    if (identity !== undefined && this.#directories.get(path) === identity) return
    const parent = dirname(path)
    await this.ensureDirectory(parent)
    if (identity === undefined) {
      await mkdir(path).catch((error: NodeJS.ErrnoException) => {
        if (error.code !== 'EEXIST') throw error
      })
    }
    await this.#syncDirectory('new directory', parent)
    const made = directoryIdentity(path)
    if (made !== undefined) remember(this.#directories, path, made)
  }

  /** Writes the small file `path` with `bytes`, whole or not at all; an equal file is kept and made durable. */
  async writeSmall(kind: 'link' | 'blob', path: string, bytes: Uint8Array | string): Promise<void> {
    const directory = dirname(path)
    await this.ensureDirectory(directory)
    const temporary = `${path}.${randomUUID()}.tmp`
    try {
      const handle = await open(temporary, 'wx', 0o666)
      try {
        await handle.writeFile(bytes)
        await this.#sync.file(`${kind} file`, handle)
      } finally {
        await handle.close()
      }
      await rename(temporary, path)
    } catch (error) {
      await rm(temporary, { force: true })
      throw error
    }
    await this.#syncDirectory(`${kind} directory`, directory)
    this.#rememberFile(path)
  }

  /** Moves a finished file of ours (bytes not yet synced) to `path`, replacing what is there. */
  async moveIn(from: string, path: string): Promise<void> {
    const handle = await open(from, 'r+')
    try {
      await this.#sync.file('blob file', handle)
    } finally {
      await handle.close()
    }
    const directory = dirname(path)
    await this.ensureDirectory(directory)
    await rename(from, path)
    await this.#syncDirectory('blob directory', directory)
    this.#rememberFile(path)
  }

  /**
   * Makes a file that is already there durable, as far as that is not known: it may have come by tar a
   * second ago. Returns its facts; undefined when there is no such file.
   */
  async hold(path: string): Promise<FileFacts | undefined> {
    const facts = statFile(path)
    if (facts === undefined || this.#files.get(path) === facts.stamp) return facts
    try {
      const handle = await open(path, 'r')
      try {
        await this.#sync.file('held file', handle)
      } finally {
        await handle.close()
      }
      await this.ensureDirectory(dirname(path))
      await this.#syncDirectory('held directory', dirname(path))
    } catch (error) {
      if (isNotThere(error)) return undefined
      throw error
    }
    remember(this.#files, path, facts.stamp)
    return facts
  }

  /** Removes the file `path`; false when it was not there. */
  async remove(path: string): Promise<boolean> {
    try {
      await unlink(path)
    } catch (error) {
      if (isNotThere(error)) return false
      throw error
    }
    this.#files.delete(path)
    await this.#syncDirectory('removed name', dirname(path))
    return true
  }

  /** Removes the directory `path` and all below it; its links must have been removed one by one before. */
  async removeTree(path: string): Promise<void> {
    await rm(path, { recursive: true, force: true })
    this.#directories.delete(path)
    await this.#syncDirectory('removed name', dirname(path))
  }

  #rememberFile(path: string): void {
    const facts = statFile(path)
    if (facts !== undefined) remember(this.#files, path, facts.stamp)
  }

  // One fsync serves all who asked before it began: whoever comes while one runs waits for the next,
  // because the running one may have passed the point where it would see the newcomer's name.
  #syncDirectory(site: SyncSite, path: string): Promise<void> {
    const key = `${site}\n${path}`
    const entry = this.#running.get(key)
    if (entry !== undefined) {
      entry.next ??= entry.now.then(
        () => this.#startSync(key, site, path),
        () => this.#startSync(key, site, path),
      )
      return entry.next
    }
    return this.#startSync(key, site, path)
  }

  #startSync(key: string, site: SyncSite, path: string): Promise<void> {
    const now = this.#sync.directory(site, path)
    const entry = { now, next: undefined as Promise<void> | undefined }
    this.#running.set(key, entry)
    const settle = (): void => {
      if (this.#running.get(key) === entry && entry.next === undefined) this.#running.delete(key)
    }
    now.then(settle, settle)
    return now
  }
}

function remember<T>(map: Map<string, T>, key: string, value: T): void {
  if (map.size >= MOST_KNOWN) map.clear()
  map.set(key, value)
}
