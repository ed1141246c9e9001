// One process keeps a data directory: it alone writes (I11). The lock is SQLite's EXCLUSIVE lock on
// .tarn/lock-<inode of the data directory>, which the kernel frees when the process dies, however it dies. The
// inode is in the name because a tar of another data directory brings its own lock files along: unpacked over
// ours they would put a file that nobody holds in the place of the one that is held.
import { accessSync, closeSync, constants, mkdirSync, openSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { DatabaseSync } from 'node:sqlite'
import type { Layout } from './layout.ts'
import { readTiny } from './stamp.ts'

export interface Keeper {
  /** Whether the held lock is still the one that others would ask for; a tar of our own past can replace the file. */
  holds(): boolean
  /** Writes into keeper.json over which socket commands reach this process; best effort. */
  tellSocket(path: string): void
  /** Frees the lock. */
  release(): void
}

/** Why the lock cannot be had now; `busy` when another process holds it. */
export interface Refusal {
  readonly refused: string
  readonly busy: boolean
}

export interface KeeperFacts {
  readonly pid: number
  readonly since: string
  /** The local socket, when there is one. */
  readonly socket?: string
}

/**
 * Takes the lock of the data directory; gives the reason when it cannot be had now: somebody holds it, the disk is
 * full, the directory is gone. Throws what the file system says when this process may not write there at all.
 */
export function takeKeeperLock(layout: Layout, clock: () => number): Keeper | Refusal {
  let database: DatabaseSync | undefined
  try {
    const path = layout.lock(statSync(layout.root).ino)
    // Not the root: a data directory that went away must not come back empty.
    if (inodeOf(layout.own) === undefined) mkdirSync(layout.own)
    makeWritable(path)
    database = new DatabaseSync(path, { timeout: 0 })
    // A journal on the disk would need room, and a full one could neither be served nor collected after a restart. Nothing
    // is ever written into this database.
    database.exec('PRAGMA journal_mode=MEMORY; PRAGMA locking_mode=EXCLUSIVE; BEGIN EXCLUSIVE')
    const held = database
    const inode = inodeOf(path)
    const holds = (): boolean => inode !== undefined && inodeOf(path) === inode
    const facts: KeeperFacts = { pid: process.pid, since: new Date(clock()).toISOString() }
    tellWho(layout, facts)
    return {
      holds,
      tellSocket(socket) {
        try {
          if (holds()) tellWho(layout, { ...facts, socket })
        } catch {
          // Commands look in the usual places too.
        }
      },
      release() {
        // Where another file stands in the lock's place, what is said of the keeper is another's too.
        try {
          if (holds()) rmSync(layout.keeper, { force: true })
        } catch {
          // Only for people to read; the lock must be freed whatever the disk says.
        }
        held.close()
      },
    }
  } catch (error) {
    database?.close()
    const { code = '', errcode, message } = error as NodeJS.ErrnoException & { errcode?: number }
    if (errcode === SQLITE_BUSY) return { refused: message, busy: true }
    if (PASSING.has(code)) return { refused: message, busy: false }
    throw error
  }
}

const SQLITE_BUSY = 5
// A full disk, a directory that is gone, a file system that went read-only: all of them can pass.
const FULL = new Set(['ENOSPC', 'EDQUOT'])
const PASSING = new Set([...FULL, 'ENOENT', 'EEXIST', 'EROFS'])

// For people to read, and the proof that something can be written at all: a file system that went read-only after an
// error lets locks be taken. A full disk must not keep the registry from serving.
function tellWho(layout: Layout, facts: KeeperFacts): void {
  try {
    writeFileSync(layout.keeper, `${JSON.stringify(facts)}\n`)
  } catch (error) {
    if (!FULL.has((error as NodeJS.ErrnoException).code ?? '')) throw error
  }
}

// SQLite would take a file that it may not write for reading, and call that a lock. A lock file that is there is
// not opened and closed to find out: closing any descriptor of it frees the locks that this process has on it.
function makeWritable(path: string): void {
  try {
    closeSync(openSync(path, 'wx'))
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
    accessSync(path, constants.W_OK)
  }
}

function inodeOf(path: string): number | undefined {
  return statSync(path, { throwIfNoEntry: false })?.ino
}

/** Who keeps the directory, for a message to a person; undefined when nobody says so. */
export function readKeeper(layout: Layout): KeeperFacts | undefined {
  try {
    const facts: unknown = JSON.parse(readTiny(layout.keeper) ?? 'null')
    return facts === null ? undefined : (facts as KeeperFacts)
  } catch {
    return undefined
  }
}
