// Runs the syncs of `mirror.sync` at their times: never one twice at a time, never outside its window, a little later than
// the minute so that not everybody asks an upstream at once. A run that its window ends goes on when the next one opens,
// and a time that was missed while nothing served is made up once.
import type { BaseLogger } from 'pino'
import { nextTime } from '../../config/cron.ts'
import { isOpen } from '../../config/window.ts'
import { messageOf } from '../retry.ts'
import type { SyncOrder } from './order.ts'
import type { KeptReport, SyncReport } from './report.ts'
import { nameHere } from './report.ts'
import type { SyncRuns } from './runs.ts'
import type { ScheduledFiles, ScheduledSync } from './scheduled-files.ts'

export interface SyncScheduleParts {
  readonly files: ScheduledFiles
  readonly runs: Pick<SyncRuns, 'run' | 'stop' | 'isRunning' | 'recall' | 'lastReport'>
  /** Milliseconds since 1970. */
  readonly clock: () => number
  /** 0 to 1. */
  readonly random: () => number
  readonly logger: Pick<BaseLogger, 'info' | 'warn' | 'error'>
}

/** One sync of the schedule, as it stands now. Times in milliseconds since 1970. */
export interface ScheduleFacts {
  readonly file: string
  readonly id: string
  readonly name: string
  readonly entries: number
  readonly schedule: string
  readonly nextAt: number | undefined
  /** When it should have run while nothing served, until that is made up. */
  readonly missedAt: number | undefined
  /** It is due, and its window is closed. */
  readonly isWaiting: boolean
}

interface Standing {
  readonly cron: string
  nextAt: number | undefined
  missedAt: number | undefined
  isWaiting: boolean
}

const EVERY_MS = 15_000
const LONGEST_JITTER_MS = 120_000
const MOST_NAMED = 10

export class SyncSchedule {
  readonly #parts: SyncScheduleParts
  readonly #standing = new Map<string, Standing>()
  readonly #running = new Set<Promise<void>>()
  /** Ids of the runs that it began and that have not ended. */
  readonly #own = new Set<string>()
  /** Runs that a window ended: they go on by themselves. */
  readonly #interrupted = new Set<string>()

  constructor(parts: SyncScheduleParts) {
    this.#parts = parts
  }

  /** Begins; gives the function that ends it, and with it the runs that it began. */
  start(): () => void {
    this.#parts.files.list()
    // Only after this does the process count as the one that keeps the directory, and what an earlier one left as cut off.
    const first = setImmediate(() => this.tick())
    const timer = setInterval(() => this.tick(), EVERY_MS).unref()
    return () => {
      clearImmediate(first)
      clearInterval(timer)
      for (const id of this.#own) this.#parts.runs.stop(id, 'shutdown')
      this.#standing.clear()
    }
  }

  /** Does what is due now. */
  tick(): void {
    const now = this.#parts.clock()
    const known = new Set<string>()
    for (const sync of this.#syncs()) {
      known.add(sync.order.id)
      this.#look(sync, now)
    }
    for (const id of this.#standing.keys()) if (!known.has(id)) this.#standing.delete(id)
  }

  /** The sync of this id, to be run out of its turn. */
  find(id: string): SyncOrder | undefined {
    return this.#syncs().find(({ order }) => order.id === id)?.order
  }

  list(): ScheduleFacts[] {
    return this.#parts.files.list().flatMap(({ path, syncs }) =>
      syncs.map(({ order: { id, name, entries }, cron }) => {
        const standing = this.#standing.get(id)
        return {
          file: path,
          id,
          name,
          entries: entries.length,
          schedule: cron,
          nextAt: standing?.nextAt,
          missedAt: standing?.missedAt,
          isWaiting: standing?.isWaiting ?? false,
        }
      }),
    )
  }

  /** Files that are not used as they are, and why. */
  problems(): { readonly file: string; readonly problem: string }[] {
    return this.#parts.files
      .list()
      .flatMap(({ path, problem }) => (problem === undefined ? [] : [{ file: path, problem }]))
  }

  /** Resolves when no run of the schedule is under way. */
  async settled(): Promise<void> {
    while (this.#running.size > 0) await Promise.all(this.#running)
  }

  #syncs(): ScheduledSync[] {
    return this.#parts.files.list().flatMap(({ syncs }) => syncs)
  }

  #look(sync: ScheduledSync, now: number): void {
    const { order, cron, windows } = sync
    const { runs, logger } = this.#parts
    let standing = this.#standing.get(order.id)
    if (standing === undefined || standing.cron !== cron) {
      const isNew = standing === undefined
      standing = { cron, nextAt: this.#plan(cron, now), missedAt: undefined, isWaiting: standing?.isWaiting ?? false }
      this.#standing.set(order.id, standing)
      if (isNew) this.#catchUp(sync, standing, now)
    }
    const may = isOpen(windows, minuteOf(now))
    const isRunning = runs.isRunning(order)
    // A run that somebody asked for is theirs to end.
    if (this.#own.has(order.id) && !may && !this.#interrupted.has(order.id)) {
      logger.info({ sync: order.name }, 'the window of a sync has closed: it goes on when the next one opens')
      this.#interrupted.add(order.id)
      standing.isWaiting = true
      runs.stop(order.id, 'window')
    }
    if (standing.nextAt !== undefined && standing.nextAt <= now) {
      standing.nextAt = this.#plan(cron, now)
      if (isRunning) logger.warn({ sync: order.name }, 'a sync is due and still runs: this time is left out')
      else standing.isWaiting = true
    }
    if (!standing.isWaiting || !may || isRunning) return
    standing.isWaiting = false
    standing.missedAt = undefined
    this.#interrupted.delete(order.id)
    const run = this.#run(sync).finally(() => this.#running.delete(run))
    this.#running.add(run)
  }

  #plan(cron: string, now: number): number | undefined {
    const next = nextTime(cron, now)
    return next === undefined ? undefined : next + this.#jitter(cron, next)
  }

  // After a power cut all of a site come back in the same minute.
  #jitter(cron: string, next: number): number {
    const after = nextTime(cron, next) ?? Infinity
    return this.#parts.random() * Math.min(LONGEST_JITTER_MS, (after - next) / 10)
  }

  /** What should have run since its last run began runs soon, once however often it was missed. */
  #catchUp({ order, cron, catchUp }: ScheduledSync, standing: Standing, now: number): void {
    const { runs, logger } = this.#parts
    runs.recall(order.id)
    const missedAt = catchUp ? whenMissed(cron, runs.lastReport(order.id), now) : undefined
    if (missedAt === undefined) return
    const next = nextTime(cron, now) ?? Infinity
    standing.missedAt = missedAt
    standing.nextAt = Math.min(standing.nextAt ?? Infinity, now + this.#jitter(cron, next))
    const facts = { sync: order.name, missedAt: new Date(missedAt).toISOString() }
    logger.info(facts, 'a sync missed its time while nothing served: it is made up')
  }

  /** Never throws: a failed run is told by the log and the metrics. */
  async #run({ order }: ScheduledSync): Promise<void> {
    const { runs, logger } = this.#parts
    this.#own.add(order.id)
    try {
      const report = await runs.run(order, {}, 'schedule')
      if (report.outcome === 'failed' || report.outcome === 'partly')
        logger.error({ sync: order.name, ...describe(report) }, 'a scheduled sync failed')
    } catch (error) {
      if (this.#interrupted.has(order.id)) return
      logger.error({ sync: order.name, why: messageOf(error) }, 'a scheduled sync failed')
    } finally {
      this.#own.delete(order.id)
    }
  }
}

// What never ran has missed nothing: its time is still to come.
function whenMissed(cron: string, last: KeptReport | undefined, now: number): number | undefined {
  const began = Date.parse(last?.startedAt ?? '')
  if (last === undefined || Number.isNaN(began) || began > now) return undefined
  // What a kill, the end of the registry or a window broke off goes on; what a person stopped waits for its next time.
  if (last.outcome === 'cutOff' || last.stoppedBy === 'shutdown' || last.stoppedBy === 'window') return began
  const next = nextTime(cron, began)
  return next !== undefined && next <= now ? next : undefined
}

function describe({ outcome, fault, images, counts }: SyncReport) {
  const failed = images.filter(({ result }) => result === 'failed')
  return {
    outcome,
    failed: counts.failed,
    ...(fault && { why: fault.message }),
    images: failed.slice(0, MOST_NAMED).map((image) => `${nameHere(image)}: ${image.why ?? ''}`),
  }
}

function minuteOf(now: number): number {
  const date = new Date(now)
  return date.getHours() * 60 + date.getMinutes()
}
