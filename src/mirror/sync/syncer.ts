// A sync from its order to its report: reads, plans, looks whether there is room, runs, prunes, and keeps the report.
import type { BaseLogger } from 'pino'
import type { UpstreamConfig } from '../../config/upstreams.ts'
import { Problem } from '../../config/problem.ts'
import type { Context } from '../../registry/context.ts'
import { requireWritable } from '../../registry/context.ts'
import type { Upkeep } from '../../registry/upkeep.ts'
import { isNoRoom } from '../../storage/room.ts'
import { statFile } from '../../storage/stamp.ts'
import type { UpstreamClient } from '../../upstream/client.ts'
import { openFetcher } from '../../upstream/fetch-small.ts'
import { UpstreamError } from '../../upstream/upstream-error.ts'
import type { Fetching } from '../fetching.ts'
import { messageOf } from '../retry.ts'
import type { Upstream } from '../upstream.ts'
import { failedIn } from './failed-before.ts'
import type { FindParts } from './find-images.ts'
import { KeptReports } from './kept-reports.ts'
import type { SyncOrder, SyncWishes, Syncing } from './order.ts'
import { ownerOf } from './order.ts'
import { Patience } from './patience.ts'
import type { PatienceLimits } from './patience.ts'
import type { Plan } from './plan.ts'
import { reportPlan } from './plan-report.ts'
import { prune } from './prune.ts'
import type { ReadPlan } from './read-plan.ts'
import { readPlan } from './read-plan.ts'
import type { KeptReport, PrunedTags, SyncEvent, SyncOutcome, SyncPlanReport, SyncReport } from './report.ts'
import { countResults } from './report.ts'
import { runPlan } from './run.ts'
import { whoStopped } from './runs.ts'
import type { RunResult } from './run.ts'
import { SyncUpstreams } from './upstreams.ts'
import { ImagePolicies } from './verify-images.ts'

export interface SyncerParts {
  readonly context: Context
  readonly remove: Upkeep['remove']
  /** The mirror's, so that a pull and a sync of one blob are one transfer. */
  readonly fetching: () => Fetching
  /** Those of the configuration. */
  readonly configured: readonly UpstreamConfig[]
  /** Those that the mirror of this process opened. */
  readonly shared: readonly Upstream[]
  /** Makes a client; opens no connection. */
  readonly open: (config: UpstreamConfig) => UpstreamClient
  /** Why no connection outwards may be opened, as a sentence. */
  readonly forbidden: () => string | undefined
  readonly lists: Pick<FindParts, 'datesOf'>
  readonly logger: Pick<BaseLogger, 'info' | 'warn'>
  /** Milliseconds since 1970. */
  readonly clock: () => number
  /** Milliseconds that only run forward. */
  readonly elapsed: () => number
  /** 0 to 1. */
  readonly random: () => number
  readonly patience?: Partial<PatienceLimits> | undefined
  /** Puts in order what runs leave; awaited at the end of each. */
  readonly onEnded?: () => Promise<void>
}

/** What a report says beside whose it is and when. */
type Ending = Omit<SyncReport, 'dryRun' | 'id' | 'name' | 'startedAt' | 'seconds'>

interface Reading {
  /** As `from` of the images that failed the last time. */
  readonly only: ReadonlySet<string> | undefined
  readonly signal: AbortSignal
  readonly onEvent: (event: SyncEvent) => void
}

const NOTHING: Omit<Ending, 'outcome'> = {
  images: [],
  pruned: [],
  counts: countResults([]),
  blobs: 0,
  bytes: 0,
  planned: { blobs: 0, bytes: 0 },
}

export class Syncer implements Syncing {
  readonly #parts: SyncerParts
  readonly #reports: KeptReports

  constructor(parts: SyncerParts) {
    this.#parts = parts
    this.#reports = new KeptReports(parts)
  }

  async plan(order: SyncOrder, wishes: SyncWishes): Promise<SyncPlanReport> {
    const startedAt = new Date(this.#parts.clock()).toISOString()
    const reading = this.#prepare(order, wishes)
    return this.#read(order, reading, async ({ plan, gone }) => ({
      dryRun: true,
      id: order.id,
      name: order.name,
      startedAt,
      ...reportPlan({ plan, gone, free: this.#parts.context.store.room.spare(), begun: this.#begunOf(plan) }),
    }))
  }

  async run(order: SyncOrder, wishes: SyncWishes): Promise<SyncReport> {
    const { context, clock, elapsed, logger } = this.#parts
    requireWritable(context)
    const reading = this.#prepare(order, wishes)
    const [startedAt, since] = [clock(), elapsed()]
    const { id, name } = order
    const head = { dryRun: false, id, name, startedAt: new Date(startedAt).toISOString() } as const
    const keep = (ending: Ending): Promise<SyncReport> =>
      this.#keep({
        ...head,
        seconds: Math.round(elapsed() - since) / 1000,
        ...ending,
        ...(ending.outcome === 'stopped' && { stoppedBy: whoStopped(reading.signal) }),
      })
    logger.info({ sync: name }, 'sync begins')
    const end = await this.#reports.begin({ ...head, seconds: 0, ...NOTHING, outcome: 'running' })
    try {
      const confirmed = wishes.confirmed === true
      return await keep(
        await this.#read(order, reading, (read, patience) =>
          this.#carryOut(order, { ...reading, confirmed }, read, patience),
        ),
      )
    } catch (error) {
      // Somebody ended it before it had a plan.
      if (reading.signal.aborted) return await keep({ ...NOTHING, outcome: 'stopped' })
      await keep({ ...NOTHING, outcome: 'failed', fault: describeFault(error) })
      throw error
    } finally {
      end()
      await this.#parts.onEnded?.()
    }
  }

  lastReport(id: string): KeptReport | undefined {
    return this.#reports.last(id)
  }

  async lastReports(most: number): Promise<KeptReport[]> {
    return this.#reports.list(most)
  }

  /** What stands before a run is begun; throws a Problem where it cannot be. */
  #prepare(order: SyncOrder, { missing = false, signal: stop, onEvent = () => undefined }: SyncWishes): Reading {
    const why = this.#parts.forbidden()
    if (why !== undefined)
      throw new Problem(`nothing can be synced: ${why}`, { hint: 'a sync connects to other registries' })
    const only = missing ? failedIn(this.#requireLast(order), order.entries) : undefined
    const { signal } = this.#parts.fetching()
    return { only, onEvent, signal: stop === undefined ? signal : AbortSignal.any([signal, stop]) }
  }

  async #read<T>(
    order: SyncOrder,
    { only, signal, onEvent }: Reading,
    act: (read: ReadPlan, patience: Patience) => Promise<T>,
  ): Promise<T> {
    const { context, configured, shared, open, elapsed, random, clock, lists } = this.#parts
    // Signatures lie where a person says that they lie.
    const fetcher = openFetcher({ reach: 'anywhere' })
    const upstreams = new SyncUpstreams(order, { configured, shared, open })
    const onWait = (host: string, milliseconds: number, { message: why }: UpstreamError): void => {
      const until = new Date(clock() + milliseconds).toISOString()
      this.#parts.logger.warn({ sync: order.name, upstream: host, until, why }, 'upstream asks to wait')
      onEvent({ waits: { host, until, why } })
    }
    const patience = new Patience({ elapsed, signal, random, limits: this.#parts.patience ?? {}, onWait })
    try {
      const read = await readPlan(order, {
        context,
        fetching: this.#parts.fetching(),
        clock,
        upstreamOf: (host) => upstreams.find(host),
        known: configured,
        signal,
        patient: (host, ask) => patience.run(host, ask),
        ...lists,
        policies: new ImagePolicies(order.entries, { fetcher, clock }),
        onProgress: onEvent,
        only,
      })
      return await act(read, patience)
    } finally {
      await Promise.all([upstreams.close(), fetcher.close()])
    }
  }

  async #carryOut(
    order: SyncOrder,
    { signal, onEvent, confirmed }: Reading & { readonly confirmed: boolean },
    { plan, work, gone, left }: ReadPlan,
    patience: Patience,
  ): Promise<Ending> {
    const { context, elapsed, remove } = this.#parts
    this.#requireRoom(plan)
    const owner = ownerOf(order.id)
    const parts = { context, fetching: this.#parts.fetching(), patience, owner, elapsed, onEvent, signal }
    const result = await runPlan(plan, work, parts)
    let pruned: PrunedTags[] = []
    if (result.fault === undefined && !signal.aborted) {
      // What cannot be written down now is left by the next run.
      for (const { to, tags } of left) await context.store.mirrored.leaveSynced(to, tags, owner).catch(() => undefined)
      if (gone.length > 0) {
        onEvent({ phase: 'prune', done: 0, total: gone.length })
        pruned = await prune(gone, { context, remove, owner, confirmed })
      }
    }
    return {
      outcome: outcomeOf(result, pruned, signal.aborted),
      ...(result.fault !== undefined && { fault: describeFault(result.fault) }),
      images: result.images,
      pruned,
      counts: countResults(result.images),
      blobs: result.blobs,
      bytes: result.bytes,
      planned: { blobs: plan.blobs, bytes: plan.bytes },
    }
  }

  #requireLast({ id, name }: SyncOrder): KeptReport {
    const last = this.lastReport(id)
    // Single images share an id: the report may be about another one.
    if (last?.name === name) return last
    throw new Problem(`there is no report of an earlier sync of ${name}`, {
      hint: 'leave --missing out: what is here is not fetched again',
      exitCode: 2,
    })
  }

  #requireRoom(plan: Plan): void {
    const free = this.#parts.context.store.room.spare()
    const needs = plan.bytes + plan.manifestBytes - this.#begunOf(plan)
    if (needs <= Math.max(0, free)) return
    throw new Problem(`there is no room: ${needs} bytes are needed, and ${Math.max(0, free)} may still be written`, {
      hint: 'nothing was fetched; free some space, or sync less: --dry-run shows what each image takes',
    })
  }

  /** Bytes of what is to be fetched that an earlier run left. */
  #begunOf(plan: Plan): number {
    const { layout } = this.#parts.context.store
    let begun = 0
    for (const { steps } of plan.images) {
      for (const step of steps) {
        if (step.act !== 'blob' || step.how !== 'fetch') continue
        begun += Math.min(step.size, statFile(layout.mirrorBlob(step.digest))?.size ?? 0)
      }
    }
    return begun
  }

  async #keep(report: SyncReport): Promise<SyncReport> {
    const { name, outcome, counts, bytes, seconds, fault } = report
    await this.#reports.keep(report)
    const facts = { sync: name, outcome, ...counts, bytes, seconds, ...(fault && { why: fault.message }) }
    if (outcome === 'done') this.#parts.logger.info(facts, 'sync ended')
    else this.#parts.logger.warn(facts, 'sync ended')
    return report
  }
}

function outcomeOf({ images, fault }: RunResult, pruned: readonly PrunedTags[], isStopped: boolean): SyncOutcome {
  if (fault !== undefined) return 'failed'
  if (isStopped) return 'stopped'
  const isPart = images.some(({ result }) => result === 'failed') || pruned.some(({ why }) => why !== undefined)
  return isPart ? 'partly' : 'done'
}

function describeFault(fault: unknown): { message: string; hint?: string } {
  if (isNoRoom(fault))
    return {
      message: 'no space left for the data directory',
      hint: 'free some and give the command again: what came is not fetched again',
    }
  const hint = fault instanceof UpstreamError || fault instanceof Problem ? fault.hint : undefined
  return { message: messageOf(fault), ...(hint !== undefined && { hint }) }
}
