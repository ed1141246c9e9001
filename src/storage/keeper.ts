// One process keeps a data directory: it alone writes (I11). The lock is SQLite's EXCLUSIVE lock on
// .tarn/lock, which the kernel frees when the process dies, however it dies. Whoever does not get it
// serves read-only and tries again.
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { DatabaseSync } from 'node:sqlite'
import type { Layout } from './layout.ts'
import { readTiny } from './stamp.ts'

export interface Keeper {
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
    mkdirSync(layout.own, { recursive: true })
    database = new DatabaseSync(layout.lock, { timeout: 0 })
    database.exec('PRAGMA locking_mode=EXCLUSIVE; BEGIN EXCLUSIVE')
    const facts: KeeperFacts = { pid: process.pid, since: new Date(clock()).toISOString() }
    writeFileSync(layout.keeper, `${JSON.stringify(facts)}\n`)
  } catch (error) {
    database?.close()
    return { refused: (error as Error).message }
  }
  const held = database
  return {
    release() {
      rmSync(layout.keeper, { force: true })
      held.close()
    },
  }
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
