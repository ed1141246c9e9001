// The report of the last run of each sync, in the data directory; from the moment at which the run begins.
import { readFileSync } from 'node:fs'
import { readdir } from 'node:fs/promises'
import { statFile } from '../../storage/stamp.ts'
import type { Store } from '../../storage/store.ts'
import type { KeptReport } from './report.ts'

// What a file name may be, and no way out of the directory.
const ID = /^[\w-][\w.-]{0,127}$/u

export function isSyncId(text: string): boolean {
  return ID.test(text)
}

/** Writes it in the place of the one before, for good. Throws what the disk says. */
export async function writeReport(
  { durable, layout }: Pick<Store, 'durable' | 'layout'>,
  report: KeptReport,
): Promise<void> {
  await durable.writeSmall('link', layout.syncReport(report.id), `${JSON.stringify(report, undefined, 2)}\n`)
}

/** Takes it away: no report is better than that of another run. Throws what the disk says. */
export async function removeReport({ durable, layout }: Pick<Store, 'durable' | 'layout'>, id: string): Promise<void> {
  await durable.remove(layout.syncReport(id))
}

/** The ids of the syncs that have a report, the newest first, at most so many. */
export async function listReports({ layout }: Pick<Store, 'layout'>, most: number): Promise<string[]> {
  const ids = (await readdir(layout.syncReports).catch(() => [])).filter(isSyncId)
  const found = ids.flatMap((id) => {
    const facts = statFile(layout.syncReport(id))
    return facts === undefined ? [] : [{ id, changedAt: facts.changedAt }]
  })
  return found
    .toSorted((one, other) => other.changedAt - one.changedAt)
    .slice(0, most)
    .map(({ id }) => id)
}

/** The report of the last run of `id`; undefined when there is none that can be read. */
export function readReport({ layout }: Pick<Store, 'layout'>, id: string): KeptReport | undefined {
  if (!isSyncId(id)) return undefined
  try {
    const report = JSON.parse(readFileSync(layout.syncReport(id), 'utf8')) as Partial<KeptReport> | null
    // Whatever else lies there was not written by a run.
    return report?.id === id && Array.isArray(report.images) ? (report as KeptReport) : undefined
  } catch {
    return undefined
  }
}
