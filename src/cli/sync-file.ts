// A sync file that a command was given: read and checked, its warnings told.
import { readFileSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { describeUnreadable } from '../config/problem.ts'
import type { SyncFile } from '../config/sync-file.ts'
import { parseSyncFile } from '../config/sync-file.ts'

export interface GivenSyncFile {
  readonly text: string
  /** Absolute. */
  readonly path: string
  readonly entries: SyncFile['entries']
}

/** Throws a Problem for a file that cannot be read, and ConfigError for one that is wrong. */
export function readSyncFile(name: string, note: (text: string) => void): GivenSyncFile {
  const path = resolve(name)
  let text: string
  try {
    text = readFileSync(path, 'utf8')
  } catch (error) {
    throw describeUnreadable('sync file', name, error)
  }
  const { entries, warnings } = parseSyncFile(text, name, dirname(path))
  for (const warning of warnings) note(`warning: ${warning}`)
  return { text, path, entries }
}
