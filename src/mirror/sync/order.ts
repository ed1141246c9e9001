// What somebody wants synced: the entries of a sync file or one image of the command line, and how.
import { createHash } from 'node:crypto'
import { basename } from 'node:path'
import type { SyncEntry, SyncFile } from '../../config/sync-file.ts'
import { parseSyncFile } from '../../config/sync-file.ts'
import { formatImageSource } from '../../config/image-source.ts'
import type { KeptReport, SyncEvent, SyncPlanReport, SyncReport } from './report.ts'

/** What is to be synced. */
export interface SyncOrder extends Pick<SyncFile, 'entries' | 'registries' | 'limits'> {
  /** Of letters, digits, `.`, `_` and `-`: the same for the same file every time. */
  readonly id: string
  /** For people. */
  readonly name: string
  /** Entries of the same file that run at other times: what they bring is not pruned. */
  readonly beside?: readonly SyncEntry[]
}

export interface SyncWishes {
  /** Only those that failed the last time. */
  readonly missing?: boolean
  /** Somebody agrees that more goes than `prune.maxShare` allows. */
  readonly confirmed?: boolean
  /** Aborted when the run is to end; what is under way stays for the next run. */
  readonly signal?: AbortSignal
  readonly onEvent?: (event: SyncEvent) => void
}

/** Carries out orders; several may run at a time. */
export interface Syncing {
  /** What would be done. Throws a Problem when nothing may be asked, such as offline. */
  plan(order: SyncOrder, wishes: SyncWishes): Promise<SyncPlanReport>
  /** Does it, and keeps the report. What one image fails with is in the report; what ends the whole run too. */
  run(order: SyncOrder, wishes: SyncWishes): Promise<SyncReport>
  /** The report of the last run of this id in this directory; undefined when there is none that can be read. */
  lastReport(id: string): KeptReport | undefined
  /** Those of all syncs of this directory, the newest first, at most so many. */
  lastReports(most: number): Promise<KeptReport[]>
}

/** The id of every sync of one image from the command line. */
export const ONE_IMAGE = 'image'

/**
 * The order of a sync file: its text, its absolute path, and the directory where relative paths in it begin. Throws
 * ConfigError, and a Problem for what this version cannot do.
 */
export function orderFile(text: string, path: string, directory: string): SyncOrder & Pick<SyncFile, 'warnings'> {
  const { entries, registries, limits, warnings } = parseSyncFile(text, path, directory)
  const name = basename(path)
    .replace(/^\.|[^\w.-]/gu, '_')
    .slice(0, 64)
  return { id: `${name}-${hashOf(path)}`, name: path, entries, registries, limits, warnings }
}

/** The order of one image. */
export function orderImage(entry: SyncEntry): SyncOrder {
  return { id: ONE_IMAGE, name: formatImageSource(entry.source), entries: [entry], registries: new Map(), limits: {} }
}

/** The sync that an id is of: those that one file runs at times of their own are all of that file. */
export function ownerOf(id: string): string {
  return /^(.*-[0-9a-f]{8})-[0-9a-f]{4}$/u.exec(id)?.[1] ?? id
}

function hashOf(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 8)
}
