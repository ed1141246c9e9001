// The one way in which Tarn changes the data directory for good. When a call here returns, what it did
// survives a power cut: the file's bytes, its name, and the name of every directory above it (I3).
// The order is that of restic and SQLite: write a private file, fsync it, rename it, fsync its directory.
import { randomUUID } from 'node:crypto'
import { readdirSync, rmSync, rmdirSync, unlinkSync } from 'node:fs'
import type { FileHandle } from 'node:fs/promises'
import { copyFile, mkdir, open, readdir, rename, rm, unlink } from 'node:fs/promises'
import { dirname } from 'node:path'
import { isNoRoom } from './room.ts'
import type { FileFacts, Stamp } from './stamp.ts'
import { directoryIdentity, isNotThere, statFile } from './stamp.ts'
import type { Sync, SyncSite } from './sync.ts'
import { DirectorySyncs, realSync } from './sync.ts'

// Paths whose durability is known are kept to spare fsyncs; the map is emptied when it is full, which
// costs fsyncs and never correctness.
const MOST_KNOWN = 100_000

/** What fsync says when bytes that were written are gone. */
const LOST = new Set(['EIO', 'ENOSPC', 'EDQUOT'])

export class Durable {
  readonly #sync: Sync
  readonly #root: string
  readonly #tmp: string
  /** Of this life alone: what lies beside it in `tmp` was left by others. */
  readonly #ownTmp: string
  readonly #directories = new Map<string, string>()
  readonly #files = new Map<string, Stamp>()
  readonly #directorySyncs: DirectorySyncs

  #failure: Error | undefined
  /** When an fsync failed last, in milliseconds since 1970; what was written before may be lost. */
  #failedAt = 0
  /** Whether `tmp` turned out to be on another file system than the target, which a link can cause. */
  #tmpIsElsewhere = false

  /** `root` exists; it is where fsyncs of parents end. Unfinished files lie in `tmp`, which may be emptied at rest. */
  constructor(root: string, tmp: string, sync: Sync = realSync) {
    this.#root = root
    this.#tmp = tmp
    this.#ownTmp = `${tmp}/${randomUUID()}`
    this.#sync = sync
    this.#directorySyncs = new DirectorySyncs(sync)
  }

  /** The fsync that failed, while nothing may be written because of it. */
  get failure(): Error | undefined {
    return this.#failure
  }

  /** After a failed fsync: writes, syncs and reads back a fresh file. Throws while that fails, as every write then does. */
  async requireSyncs(): Promise<void> {
    if (this.#failure === undefined) return
    const probe = `${this.#ownTmp}/${randomUUID()}.probe`
    await mkdir(this.#ownTmp, { recursive: true })
    try {
      const handle = await open(probe, 'wx+')
      try {
        await handle.writeFile(probe)
        await this.#sync.file('blob file', handle)
        const { buffer, bytesRead } = await handle.read(Buffer.alloc(probe.length), 0, probe.length, 0)
        if (buffer.toString('utf8', 0, bytesRead) !== probe) throw this.#failure
      } finally {
        await handle.close()
      }
    } finally {
      await rm(probe, { force: true })
    }
    this.#failure = undefined
  }

  /** Drops unfinished files of earlier lives, but for the directories `except`. Only the keeper may call it. */
  dropUnfinished(...except: readonly string[]): void {
    for (const entry of listNames(this.#tmp)) {
      const path = `${this.#tmp}/${entry}`
      if (path === this.#ownTmp || except.includes(path)) continue
      try {
        rmSync(path, { recursive: true, force: true })
      } catch {
        // What cannot be removed is in nobody's way: no later life uses it.
      }
    }
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
    await this.requireSyncs()
    const directory = dirname(path)
    await this.ensureDirectory(directory)
    const temporary = await this.#temporaryFor(path)
    try {
      const handle = await open(temporary, 'wx', 0o666)
      try {
        await handle.writeFile(bytes)
        await this.#syncFile(`${kind} file`, handle)
      } finally {
        await handle.close()
      }
      await rename(temporary, path)
    } catch (error) {
      await rm(temporary, { force: true })
      if ((error as NodeJS.ErrnoException).code !== 'EXDEV' || this.#tmpIsElsewhere) throw error
      this.#tmpIsElsewhere = true
      return this.writeSmall(kind, path, bytes)
    }
    await this.#syncDirectory(`${kind} directory`, directory)
    this.#rememberFile(path)
  }

  /** Begins early what `moveIn` asks for later: a file of ours is written out while the next one comes. */
  async syncWritten(handle: FileHandle): Promise<void> {
    await this.#syncFile('blob file', handle)
  }

  /** Moves a finished file of ours to `path`, replacing what is there; `isSynced` when `syncWritten` ended well for it. */
  async moveIn(from: string, path: string, isSynced = false): Promise<void> {
    await this.requireSyncs()
    if (!isSynced) await this.#syncOwn(from)
    await this.ensureDirectory(dirname(path))
    await rename(from, path)
    await this.#syncDirectory('blob directory', dirname(path))
    this.#rememberFile(path)
  }

  async #syncOwn(path: string): Promise<void> {
    const handle = await open(path, 'r+')
    try {
      await this.#syncFile('blob file', handle)
    } catch (error) {
      // Another fsync of it would say that all is well although bytes may be lost: it must not be tried again.
      await rm(path, { force: true })
      throw error
    } finally {
      await handle.close()
    }
  }

  /**
   * Makes a file that is already there durable, as far as that is not known: it may have come by tar a
   * second ago. Returns its facts; undefined when there is no such file.
   */
  async hold(path: string): Promise<FileFacts | undefined> {
    await this.requireSyncs()
    const found = statFile(path)
    if (found === undefined || this.#files.get(path) === found.stamp) return found
    try {
      if (found.changedAt <= this.#failedAt) return await this.#renew(path)
      const handle = await open(path, 'r')
      try {
        await this.#syncFile('held file', handle)
      } finally {
        await handle.close()
      }
      await this.ensureDirectory(dirname(path))
      await this.#syncDirectory('held directory', dirname(path))
    } catch (error) {
      if (isNotThere(error)) return undefined
      throw error
    }
    remember(this.#files, path, found.stamp)
    return found
  }

  // What was written before an fsync failed is in memory and perhaps nowhere else, and asking for another fsync
  // proves nothing: it is written once more, to another place of the disk.
  async #renew(path: string): Promise<FileFacts | undefined> {
    const copy = `${path}.${randomUUID()}.tmp`
    try {
      await copyFile(path, copy)
      const handle = await open(copy, 'r+')
      try {
        await this.#syncFile('held file', handle)
      } finally {
        await handle.close()
      }
      await this.ensureDirectory(dirname(path))
      await rename(copy, path)
    } catch (error) {
      await rm(copy, { force: true })
      throw error
    }
    await this.#syncDirectory('held directory', dirname(path))
    this.#rememberFile(path)
    return statFile(path)
  }

  /**
   * Removes the file `path`; false when it was not there, is no longer the one that `seen` tells of, or `mayGo` says no.
   * A full disk does not stand in the way.
   */
  async remove(path: string, seen?: Stamp, mayGo?: () => boolean): Promise<boolean> {
    if (!isNoRoom(this.#failure)) await this.requireSyncs()
    try {
      // In one step, so that what a tar puts in its place is not taken for it, and nobody is promised it in between.
      if (seen !== undefined && statFile(path)?.stamp !== seen) return false
      if (mayGo?.() === false) return false
      if (seen === undefined && mayGo === undefined) await unlink(path)
      else unlinkSync(path)
    } catch (error) {
      if (isNotThere(error)) return false
      throw error
    }
    this.#files.delete(path)
    await this.#syncDirectory('removed name', dirname(path))
    return true
  }

  /**
   * Removes the directory `path` and all below it; its links must have been removed one by one before. A file `except`
   * that came back meanwhile (by tar, which asks nobody) stays, and so do the directories above it.
   */
  async removeTree(path: string, except?: string): Promise<void> {
    await clear(path, except)
    this.#directories.delete(path)
    await this.#syncDirectory('removed name', dirname(path))
  }

  async #temporaryFor(path: string): Promise<string> {
    const name = `${randomUUID()}.tmp`
    if (this.#tmpIsElsewhere) return `${path}.${name}`
    await mkdir(this.#ownTmp, { recursive: true })
    return `${this.#ownTmp}/${name}`
  }

  async #syncDirectory(site: SyncSite, path: string): Promise<void> {
    await this.#directorySyncs.run(site, path).catch((error: unknown) => this.#fail(error))
  }

  async #syncFile(site: SyncSite, handle: FileHandle): Promise<void> {
    await this.#sync.file(site, handle).catch((error: unknown) => this.#fail(error))
  }

  // After a failed fsync Linux calls the pages clean: asking again would be told that all is well. So nothing is
  // believed or written any more until a fresh file could be written, synced and read back.
  #fail(error: unknown): never {
    if (LOST.has((error as NodeJS.ErrnoException).code ?? '')) {
      this.#failure = error as Error
      this.#failedAt = Date.now()
      this.#directories.clear()
      this.#files.clear()
    }
    throw error
  }

  #rememberFile(path: string): void {
    const facts = statFile(path)
    if (facts !== undefined) remember(this.#files, path, facts.stamp)
  }
}

async function clear(directory: string, except: string | undefined): Promise<void> {
  try {
    for (const entry of await readdir(directory, { withFileTypes: true })) {
      const path = `${directory}/${entry.name}`
      if (entry.isDirectory()) await clear(path, except)
      else if (path !== except) await rm(path, { force: true })
    }
    // Fails where something is left.
    rmdirSync(directory)
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (!isNotThere(error) && code !== 'ENOTEMPTY' && code !== 'EEXIST') throw error
  }
}

function remember<T>(map: Map<string, T>, key: string, value: T): void {
  if (map.size >= MOST_KNOWN) map.clear()
  map.set(key, value)
}

function listNames(directory: string): string[] {
  try {
    return readdirSync(directory)
  } catch (error) {
    if (isNotThere(error)) return []
    throw error
  }
}
