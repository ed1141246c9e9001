// The reports of the runs of one process, as they lie in the directory: a run leaves one when it begins, so that nobody
// takes the report of the run before for that of a run that was killed.
import type { BaseLogger } from 'pino'
import type { Context } from '../../registry/context.ts'
import { messageOf } from '../retry.ts'
import type { SyncOrder } from './order.ts'
import type { KeptReport, SyncReport } from './report.ts'
import { listReports, readReport, removeReport, writeReport } from './report-file.ts'

export interface KeptReportsParts {
  readonly context: Pick<Context, 'store' | 'rules'>
  readonly logger: Pick<BaseLogger, 'warn'>
}

export class KeptReports {
  readonly #parts: KeptReportsParts
  /** Runs that began and have not ended, by id and name. */
  readonly #running = new Set<string>()

  constructor(parts: KeptReportsParts) {
    this.#parts = parts
  }

  /** A run begins; gives the function that says that it ended. Never rejects: without its report it goes on as well. */
  async begin(report: KeptReport): Promise<() => void> {
    const { context, logger } = this.#parts
    const key = keyOf(report)
    this.#running.add(key)
    try {
      await writeReport(context.store, { ...report, outcome: 'running' })
    } catch (error) {
      // None is better than that of another run, and a full disk takes no new one.
      await removeReport(context.store, report.id).catch(() => undefined)
      logger.warn({ sync: report.name, why: messageOf(error) }, 'the report of a sync cannot be kept')
    }
    return () => void this.#running.delete(key)
  }

  /** Never rejects: a report that cannot be kept was given to whoever asked all the same. */
  async keep(report: SyncReport): Promise<void> {
    const { context, logger } = this.#parts
    // Somebody else may keep the directory now.
    if (context.rules.readOnly() !== undefined) return
    try {
      await writeReport(context.store, report)
    } catch (error) {
      logger.warn({ sync: report.name, why: messageOf(error) }, 'the report of a sync could not be kept')
    }
  }

  /** That of the last run of `id`; undefined when there is none that can be read. */
  last(id: string): KeptReport | undefined {
    const { store, rules } = this.#parts.context
    const report = readReport(store, id)
    // Where this process does not keep the directory, the one that does may be at it.
    const isGone = report?.outcome === 'running' && rules.readOnly() === undefined && !this.#running.has(keyOf(report))
    return isGone ? { ...report, outcome: 'cutOff' } : report
  }

  /** Those of all syncs of the directory, the newest first, at most so many. */
  async list(most: number): Promise<KeptReport[]> {
    const ids = await listReports(this.#parts.context.store, most)
    return ids.flatMap((id) => this.last(id) ?? [])
  }
}

// Single images share an id.
function keyOf({ id, name }: Pick<SyncOrder, 'id' | 'name'>): string {
  return `${id} ${name}`
}
