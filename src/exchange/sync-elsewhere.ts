// A sync into another place than this registry's directory: planned first, then copied by the engine that copies everything
// between places. Nothing is pruned there.
import { Problem } from '../config/problem.ts'
import type { SyncOrder } from '../mirror/sync/order.ts'
import { Patience } from '../mirror/sync/patience.ts'
import type { SyncedImage, SyncOutcome } from '../mirror/sync/report.ts'
import { countResults, nameHere } from '../mirror/sync/report.ts'
import { isNoRoom } from '../storage/room.ts'
import { copyImages } from './copy-images.ts'
import type { ElsewherePlan, ElsewhereReport } from './elsewhere-report.ts'
import { countStates, endCopied, endPlanned } from './elsewhere-report.ts'
import type { ImageTarget } from './image-target.ts'
import type { PlanElsewhereParts, PlannedGroups, WorkElsewhere } from './plan-elsewhere.ts'
import { planElsewhere } from './plan-elsewhere.ts'

export interface SyncElsewhereParts extends Omit<PlanElsewhereParts, 'patience'> {
  /** Bytes that may be written at the target; undefined where nobody tells. */
  readonly free: () => number | undefined
  readonly dryRun: boolean
  /** Milliseconds that only run forward. */
  readonly elapsed: () => number
  /** 0 to 1. */
  readonly random: () => number
}

const IMAGES_AT_A_TIME = 8
const TELL_EVERY_MS = 200

/** Throws a Problem for what cannot be done elsewhere; what one image fails with is in the report. */
export async function syncElsewhere(
  order: SyncOrder,
  parts: SyncElsewhereParts,
): Promise<ElsewhereReport | ElsewherePlan> {
  const { clock, elapsed, random, signal, target } = parts
  const [startedAt, since] = [new Date(clock()).toISOString(), elapsed()]
  const onWait = (host: string, milliseconds: number, { message: why }: Error): void =>
    parts.onEvent({ waits: { host, until: new Date(clock() + milliseconds).toISOString(), why } })
  const plan = await planElsewhere(order, { ...parts, patience: new Patience({ elapsed, signal, random, onWait }) })
  const head = { id: order.id, name: order.name, target: target.name, startedAt }
  const free = parts.free()
  const needs = plan.bytes + plan.manifestBytes
  const fits = free === undefined || needs <= free
  const { images, blobs, bytes } = plan
  if (parts.dryRun) {
    const counts = countStates(images)
    return { dryRun: true, ...head, images, gone: [], counts, blobs, bytes, needs, free: free ?? null, fits }
  }
  if (!fits)
    throw new Problem(
      `there is no room at ${target.name}: ${needs} bytes are needed, and ${Math.max(0, free)} may be written`,
      { hint: 'nothing was fetched; free some space, or sync less: --dry-run shows what each image takes' },
    )
  const run = new Run(plan, parts)
  await run.carryOut()
  return {
    dryRun: false,
    ...head,
    seconds: Math.round(elapsed() - since) / 1000,
    ...run.end(),
    pruned: [],
    planned: { blobs, bytes },
  }
}

interface Active {
  bytes: number
  readonly since: number
}

class Run {
  readonly #plan: PlannedGroups
  readonly #parts: SyncElsewhereParts
  readonly #stop = new AbortController()
  readonly #active = new Map<WorkElsewhere, Active>()
  readonly #ended: SyncedImage[] = []
  #blobs = 0
  #bytes = 0
  #fault: unknown

  constructor(plan: PlannedGroups, parts: SyncElsewhereParts) {
    this.#plan = plan
    this.#parts = parts
  }

  async carryOut(): Promise<void> {
    const { images, groups } = this.#plan
    const working = new Set(groups.flatMap(({ work }) => work.map(({ planned }) => planned)))
    for (const planned of images) if (!working.has(planned)) this.#end(endPlanned(planned))
    const timer = setInterval(() => this.#tell(), TELL_EVERY_MS)
    this.#tell()
    try {
      for (const group of groups) await this.#copy(group)
    } finally {
      clearInterval(timer)
    }
    this.#tell()
  }

  end(): Pick<ElsewhereReport, 'outcome' | 'fault' | 'stoppedBy' | 'images' | 'counts' | 'blobs' | 'bytes'> {
    const facts = { counts: countResults(this.#ended), blobs: this.#blobs, bytes: this.#bytes }
    const isStopped = this.#parts.signal.aborted
    const isPart = this.#ended.some(({ result }) => result === 'failed')
    const outcome: SyncOutcome =
      this.#fault !== undefined ? 'failed' : isStopped ? 'stopped' : isPart ? 'partly' : 'done'
    const message = `no space left at ${this.#parts.target.name}`
    const hint = 'free some and give the command again: what is there is not fetched again'
    return {
      outcome,
      ...(this.#fault !== undefined && { fault: { message, hint } }),
      ...(outcome === 'stopped' && { stoppedBy: 'request' as const }),
      images: this.#ended,
      ...facts,
    }
  }

  async #copy({ source, platforms, referrers, blobs, work }: PlannedGroups['groups'][number]): Promise<void> {
    const { signal, elapsed } = this.#parts
    const wished = new Map(work.map((each) => [each.wish, each]))
    const left = new Set(work)
    const both = AbortSignal.any([signal, this.#stop.signal])
    try {
      const report = await copyImages({
        source,
        target: this.#guarded(),
        images: [...wished.keys()],
        platforms,
        referrers,
        places: this.#plan.places,
        atATime: { images: IMAGES_AT_A_TIME, blobs },
        signal: both,
        onBytes: (wish, count) => {
          const each = wished.get(wish)
          if (each === undefined) return
          const active = this.#active.get(each) ?? { bytes: 0, since: elapsed() }
          active.bytes += count
          this.#bytes += count
          this.#active.set(each, active)
        },
        onImage: (copied, wish) => {
          const each = wished.get(wish)
          if (each === undefined || !left.has(each)) return
          const { since = elapsed() } = this.#active.get(each) ?? {}
          this.#active.delete(each)
          left.delete(each)
          this.#end(endCopied(each.planned, copied, (elapsed() - since) / 1000))
        },
      })
      this.#blobs += report.blobs
    } catch (error) {
      if (!both.aborted) throw error
      const why = this.#fault === undefined ? 'the sync was stopped' : 'the sync ended: no space left'
      this.#active.clear()
      for (const { planned } of left) this.#end({ ...endPlanned({ ...planned, why }), result: 'failed' })
    }
  }

  /** The target; when it is full, everything else would fail as well, one by one. */
  #guarded(): ImageTarget {
    const { target } = this.#parts
    const guard = async <T>(act: Promise<T>): Promise<T> => {
      try {
        return await act
      } catch (error) {
        if (isNoRoom(error)) {
          this.#fault ??= error
          this.#stop.abort(error)
        }
        throw error
      }
    }
    return {
      ...target,
      putBlob: (...asked) => guard(target.putBlob(...asked)),
      putManifest: (...asked) => guard(target.putManifest(...asked)),
    }
  }

  #end(ended: SyncedImage): void {
    this.#ended.push(ended)
    this.#parts.onEvent({ ended })
  }

  #tell(): void {
    const now = this.#parts.elapsed()
    const images = [...this.#active].map(([{ planned }, { bytes, since }]) => ({
      image: nameHere(planned),
      bytes,
      totalBytes: Math.max(bytes, planned.bytes),
      seconds: (now - since) / 1000,
    }))
    const total = this.#plan.images.length
    const { bytes: totalBytes } = this.#plan
    this.#parts.onEvent({
      phase: 'fetch',
      done: this.#ended.length,
      total,
      bytes: this.#bytes,
      totalBytes,
      images,
    })
  }
}
