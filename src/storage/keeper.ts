// One process keeps a data directory: it alone writes (I11). The lock is SQLite's EXCLUSIVE lock on
// .tarn/lock-<inode of the data directory>, which the kernel frees when the process dies, however it dies. The
// inode is in the name because a tar of another data directory brings its own lock files along: unpacked over
// ours they would put a file that nobody holds in the place of the one that is held.
import { mkdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { DatabaseSync } from 'node:sqlite'
import type { Layout } from './layout.ts'
import { readTiny } from './stamp.ts'

export interface Keeper {
  /** Whether the held lock is still the one that others would ask for; a tar of our own past can replace the file. */
  holds(): boolean
  /** Frees the lock. */
  release(): void
}

export interface KeeperFacts {
  readonly pid: number
  readonly since: string
}

/** Takes the lock of the data directory; gives the reason why not when it cannot be had. */
export function takeKeeperLock(layout: Layout, clock: () => number): Keeper | { readonly refused: string } {
  let database: DatabaseSync | undefined
  try {
    // Not recursive: a data directory that is gone (an unmounted disk) must not come back empty.
    makeDirectory(layout.own)
    const path = layout.lock(statSync(layout.root).ino)
    database = new DatabaseSync(path, { timeout: 0 })
    database.exec('PRAGMA locking_mode=EXCLUSIVE; BEGIN EXCLUSIVE')
    const inode = inodeOf(path)
    const facts: KeeperFacts = { pid: process.pid, since: new Date(clock()).toISOString() }
    writeFileSync(layout.keeper, `${JSON.stringify(facts)}\n`)
    const held = database
    return {
      holds: () => inode !== undefined && inodeOf(path) === inode,
      release() {
        rmSync(layout.keeper, { force: true })
        held.close()
      },
    }
  } catch (error) {
    database?.close()
    return { refused: (error as Error).message }
  }
}

function makeDirectory(path: string): void {
  try {
    mkdirSync(path)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
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
