// The sync files of `mirror.sync`, each read again when it changes. Entries of one file that run at other times than the
// rest are a sync of their own. A file that breaks while the registry runs leaves what was read before.
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { describeUnreadable } from '../../config/problem.ts'
import type { SyncEntry } from '../../config/sync-file.ts'
import { stampOf } from '../../config/watched-file.ts'
import type { Window } from '../../config/window.ts'
import type { SyncOrder } from './order.ts'
import { orderFile } from './order.ts'

export interface ScheduledSync {
  readonly order: SyncOrder
  /** Five fields of cron. */
  readonly cron: string
  /** Empty is always. */
  readonly windows: readonly Window[]
  /** Whether a time that was missed is made up. */
  readonly catchUp: boolean
}

export interface ScheduledFile {
  /** Absolute path. */
  readonly path: string
  /** Without entries that have no schedule. */
  readonly syncs: readonly ScheduledSync[]
  /** Why the file as it is now is not used. */
  readonly problem?: string
}

export class ScheduledFiles {
  readonly #paths: readonly string[]
  readonly #warn: (message: string) => void
  readonly #read = new Map<string, { readonly stamp: string | undefined; readonly file: ScheduledFile }>()

  /** `paths` are absolute. */
  constructor(paths: readonly string[], warn: (message: string) => void) {
    this.#paths = paths
    this.#warn = warn
  }

  /** All files as they are now. */
  list(): ScheduledFile[] {
    return this.#paths.map((path) => {
      const stamp = stampOf(path)
      const known = this.#read.get(path)
      if (known !== undefined && known.stamp === stamp) return known.file
      const file = this.#load(path, known?.file)
      this.#read.set(path, { stamp, file })
      return file
    })
  }

  #load(path: string, before: ScheduledFile | undefined): ScheduledFile {
    try {
      const order = orderFile(readText(path), path, dirname(path))
      for (const warning of order.warnings) this.#warn(warning)
      return { path, syncs: splitBySchedule(order) }
    } catch (error) {
      const problem = error instanceof Error ? error.message : 'unreadable'
      this.#warn(`${path} is not synced: ${problem}`)
      return { path, syncs: before?.syncs ?? [], problem }
    }
  }
}

/** The syncs of a file, one for each time of its own. */
export function splitBySchedule(order: SyncOrder): ScheduledSync[] {
  const groups = new Map<string, SyncEntry[]>()
  for (const entry of order.entries) {
    if (entry.schedule === 'off') continue
    // Ids are made of it: what is usual is left out, so that they stay as they were.
    const key = JSON.stringify([entry.schedule, entry.windows, ...(entry.catchUp ? [] : ['no catching up'])])
    groups.set(key, [...(groups.get(key) ?? []), entry])
  }
  return [...groups].flatMap(([key, entries]) => {
    const [first] = entries
    if (first === undefined) return []
    const isWhole = entries.length === order.entries.length
    const id = isWhole ? order.id : `${order.id}-${createHash('sha256').update(key).digest('hex').slice(0, 4)}`
    const name = isWhole ? order.name : `${order.name} (${first.schedule})`
    const { schedule: cron, windows, catchUp } = first
    const beside = order.entries.filter((entry) => !entries.includes(entry))
    return [{ order: { ...order, id, name, entries, beside }, cron, windows, catchUp }]
  })
}

function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    throw describeUnreadable('sync file', path, error)
  }
}
