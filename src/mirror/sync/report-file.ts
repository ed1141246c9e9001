// The report of the last run of each sync, in the data directory.
import { readFileSync } from 'node:fs'
import type { Store } from '../../storage/store.ts'
import type { SyncReport } from './report.ts'

// What a file name may be, and no way out of the directory.
const ID = /^[\w-][\w.-]{0,127}$/u

export function isSyncId(text: string): boolean {
  return ID.test(text)
}

/** Writes it in the place of the one before, for good. Throws what the disk says. */
export async function writeReport(
  { durable, layout }: Pick<Store, 'durable' | 'layout'>,
  report: SyncReport,
): Promise<void> {
  await durable.writeSmall('link', layout.syncReport(report.id), `${JSON.stringify(report, undefined, 2)}\n`)
}

/** The report of the last run of `id`; undefined when there is none that can be read. */
export function readReport({ layout }: Pick<Store, 'layout'>, id: string): SyncReport | undefined {
  if (!isSyncId(id)) return undefined
  try {
    const report = JSON.parse(readFileSync(layout.syncReport(id), 'utf8')) as Partial<SyncReport> | null
    // Whatever else lies there was not written by a run.
    return report?.id === id && Array.isArray(report.images) ? (report as SyncReport) : undefined
  } catch {
    return undefined
  }
}
