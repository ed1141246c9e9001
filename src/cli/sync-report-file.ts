// The file of `--report`: a report, or a list of them, one for each sync. `--missing` elsewhere reads what failed from it, so
// that nothing but a newer report of the same sync may take the place of one.
import { readFileSync } from 'node:fs'
import { rename, writeFile } from 'node:fs/promises'
import { describeUnreadable, Problem } from '../config/problem.ts'
import { failedIn } from '../mirror/sync/failed-before.ts'
import type { SyncOrder } from '../mirror/sync/order.ts'
import type { SyncReport } from '../mirror/sync/report.ts'

/** What is known of something in such a file before it is looked at. */
type Kept = Partial<Pick<SyncReport, 'id' | 'name' | 'images' | 'outcome'>> & { readonly dryRun?: boolean }
type Named = Pick<SyncReport, 'id' | 'name'> & { readonly dryRun: boolean }

export interface WriteReportsOptions {
  /** Whether it is all that there is to tell: else the reports of other syncs stay in the file. */
  readonly isWhole: boolean
  readonly note: (text: string) => void
}

/** Writes reports or plans. Plans never take the place of a report: that is told, and the file stays as it is. */
export async function writeReports(
  path: string,
  reports: readonly Named[],
  { isWhole, note }: WriteReportsOptions,
): Promise<void> {
  if (reports.length === 0) return
  const kept = readKept(path).filter(isReport)
  if (reports.some(({ dryRun }) => dryRun)) {
    if (kept.length > 0) {
      note(`warning: ${path} has the report of a sync and stays as it is: the plan is not written there`)
      return
    }
    return writeWhole(path, oneOrAll(reports))
  }
  const others = kept.filter((each) => !reports.some(({ id, name }) => each.id === id && each.name === name))
  await writeWhole(path, oneOrAll(isWhole ? reports : [...reports, ...others]))
}

/** What failed in the run of this order of which the file has a report. Throws a Problem where it has none. */
export function readFailed(path: string, { name, entries }: SyncOrder): ReadonlySet<string> {
  let reports: Kept[]
  try {
    reports = parseKept(readFileSync(path, 'utf8'))
  } catch (error) {
    throw error instanceof SyntaxError
      ? new Problem(`${path} is no report of a sync`, { hint: 'name what --report wrote', exitCode: 2, cause: error })
      : describeUnreadable('report', path, error)
  }
  const last = reports.filter(isReport).find((each) => each.name === name)
  if (last === undefined)
    throw new Problem(`${path} has no report of a sync of ${name}`, {
      hint: 'leave --missing out: what is there is not sent again',
      exitCode: 2,
    })
  return failedIn(last, entries)
}

export function oneOrAll<T>(reports: readonly T[]): T | readonly T[] {
  const [first] = reports
  return reports.length === 1 && first !== undefined ? first : reports
}

function isReport(each: Kept): each is Kept & Pick<SyncReport, 'images' | 'outcome'> {
  return each.dryRun !== true && Array.isArray(each.images) && each.outcome !== undefined
}

// What is there and is no report is somebody's earlier plan, or was named to be written over.
function readKept(path: string): Kept[] {
  try {
    return parseKept(readFileSync(path, 'utf8'))
  } catch {
    return []
  }
}

function parseKept(text: string): Kept[] {
  const read: unknown = JSON.parse(text)
  return (Array.isArray(read) ? read : [read]).filter((each) => typeof each === 'object' && each !== null) as Kept[]
}

// Who reads it never sees half of it.
async function writeWhole(path: string, value: unknown): Promise<void> {
  await writeFile(`${path}.tmp`, `${JSON.stringify(value, undefined, 2)}\n`)
  await rename(`${path}.tmp`, path)
}
