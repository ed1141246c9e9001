// The syncs of one process: which run, how far they are, how to end them, and what those that ended came to. One sync runs
// once at a time, whoever began it.
import { Problem } from '../../config/problem.ts'
import type { SyncOrder, SyncWishes, Syncing } from './order.ts'
import type { KeptReport, SyncEvent, SyncPlanReport, SyncProgress, SyncReport, SyncStopper } from './report.ts'
import type { SyncTally } from './run-tally.ts'
import { makeSyncTally, noteFailure, noteReport, recallReport } from './run-tally.ts'

export type Starter = 'request' | 'schedule'

export interface RunningSync {
  readonly id: string
  readonly name: string
  readonly startedAt: string
  readonly by: Starter
  /** Somebody ended it; it ends when what is under way has left. */
  readonly isEnding: boolean
  readonly progress?: SyncProgress
  /** Images that ended so far. */
  readonly ended: number
  readonly failed: number
}

export interface SyncRunsParts {
  /** Opens no connection. */
  readonly open: () => Syncing
  /** Milliseconds since 1970. */
  readonly clock: () => number
}

interface Running {
  readonly order: Pick<SyncOrder, 'id' | 'name'>
  readonly startedAt: number
  readonly by: Starter
  readonly stop: AbortController
  progress: SyncProgress | undefined
  ended: number
  failed: number
}

/** Why a run that was stopped ends. */
export class SyncStopped extends Error {
  override readonly name = 'AbortError'
  readonly by: SyncStopper

  constructor(by: SyncStopper) {
    super('the sync was ended')
    this.by = by
  }
}

/** Who ended what this signal ends: without a word of its own that is the end of the process. */
export function whoStopped({ reason }: AbortSignal): SyncStopper {
  return reason instanceof SyncStopped ? reason.by : 'shutdown'
}

export class SyncRuns implements Syncing {
  /** Since the start of the process. */
  readonly tally: SyncTally = makeSyncTally()
  readonly #parts: SyncRunsParts
  readonly #running = new Set<Running>()

  constructor(parts: SyncRunsParts) {
    this.#parts = parts
  }

  async plan(order: SyncOrder, wishes: SyncWishes): Promise<SyncPlanReport> {
    return this.#parts.open().plan(order, wishes)
  }

  /** Throws a Problem when this sync runs already, and what the run itself throws. */
  async run(order: SyncOrder, wishes: SyncWishes, by: Starter = 'request'): Promise<SyncReport> {
    if (this.isRunning(order)) {
      throw new Problem(`a sync of ${order.name} is under way`, {
        hint: 'tarn sync --status shows how far it is; tarn sync --stop ends it',
      })
    }
    const { clock } = this.#parts
    const { id, name } = order
    const running: Running = {
      order: { id, name },
      startedAt: clock(),
      by,
      stop: new AbortController(),
      progress: undefined,
      ended: 0,
      failed: 0,
    }
    this.#running.add(running)
    const signal = wishes.signal ? AbortSignal.any([wishes.signal, running.stop.signal]) : running.stop.signal
    const onEvent = (event: SyncEvent): void => {
      if ('ended' in event) {
        running.ended += 1
        if (event.ended.result === 'failed') running.failed += 1
      } else if ('phase' in event) running.progress = event
      wishes.onEvent?.(event)
    }
    try {
      const report = await this.#parts.open().run(order, { ...wishes, signal, onEvent })
      noteReport(this.tally, report, clock())
      return report
    } catch (error) {
      noteFailure(this.tally, order, signal.aborted, clock())
      throw error
    } finally {
      this.#running.delete(running)
    }
  }

  /** Takes up how the last run of this id ended, where this process has not run it yet. */
  recall(id: string): void {
    const last = this.lastReport(id)
    if (last !== undefined) recallReport(this.tally, last)
  }

  /** Ends the runs of this id, or all of them; gives the ids. What came stays for the next run. */
  stop(id?: string, by: SyncStopper = 'request'): string[] {
    const ending = [...this.#running].filter(({ order }) => id === undefined || order.id === id)
    for (const { stop } of ending) stop.abort(new SyncStopped(by))
    return ending.map(({ order }) => order.id)
  }

  /** Single images share an id and are told apart by their names. */
  isRunning({ id, name }: Pick<SyncOrder, 'id' | 'name'>): boolean {
    return [...this.#running].some(({ order }) => order.id === id && order.name === name)
  }

  list(): RunningSync[] {
    return [...this.#running].map(({ order, startedAt, by, stop, progress, ended, failed }) => ({
      ...order,
      startedAt: new Date(startedAt).toISOString(),
      by,
      isEnding: stop.signal.aborted,
      ...(progress && { progress }),
      ended,
      failed,
    }))
  }

  lastReport(id: string): KeptReport | undefined {
    return this.#parts.open().lastReport(id)
  }

  async lastReports(most: number): Promise<KeptReport[]> {
    return this.#parts.open().lastReports(most)
  }
}
