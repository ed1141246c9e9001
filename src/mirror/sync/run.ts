// Carries out a plan: images of each upstream at a time, each whole or not at all, and what one fails with does not keep
// the others. Only a full disk, and whoever stops it, ends the whole run.
import { messageOf } from '../retry.ts'
import { isNoRoom } from '../../storage/room.ts'
import { BlobsUnderWay } from './blobs-under-way.ts'
import { copyImage } from './copy-image.ts'
import type { CopyImageParts } from './copy-image.ts'
import { inParallel } from './in-parallel.ts'
import type { Plan, PlannedImage, PlannedState } from './plan.ts'
import type { ImageToBring, ImageWork } from './read-plan.ts'
import { isToBring } from './read-plan.ts'
import type { ActiveImage, SyncedImage, SyncEvent, SyncResult } from './report.ts'
import { nameHere } from './report.ts'

export interface RunParts extends Omit<CopyImageParts, 'signal'> {
  /** Milliseconds that only run forward. */
  readonly elapsed: () => number
  readonly onEvent: (event: SyncEvent) => void
  /** Aborted when somebody stops the run. */
  readonly signal: AbortSignal
}

export interface RunResult {
  /** In the order of the plan. */
  readonly images: readonly SyncedImage[]
  readonly blobs: number
  readonly bytes: number
  /** What ended the run before its end, such as a full disk. */
  readonly fault: unknown
}

// Of one upstream at a time; how many of their blobs come at once is the upstream's own limit.
const MOST_IMAGES = 16
const TELL_EVERY_MS = 200

const RESULTS: Readonly<Record<PlannedState, SyncResult>> = {
  new: 'copied',
  moved: 'moved',
  incomplete: 'completed',
  here: 'here',
  kept: 'kept',
  failed: 'failed',
}

/** Never rejects for what an upstream or the disk says. */
export async function runPlan(plan: Plan, work: readonly ImageWork[], parts: RunParts): Promise<RunResult> {
  const run = new Run(plan, parts)
  return run.carryOut(work)
}

interface Ending {
  readonly result: SyncResult
  readonly why: string | undefined
  readonly bytes?: number
  readonly seconds?: number
}

interface Active {
  readonly name: string
  readonly blobs: BlobsUnderWay
  readonly since: number
}

class Run {
  readonly #plan: Plan
  readonly #parts: RunParts
  readonly #stop = new AbortController()
  readonly #signal: AbortSignal
  readonly #active = new Set<Active>()
  readonly #ended = new Map<PlannedImage, SyncedImage>()
  #blobs = 0
  #bytes = 0
  #fault: unknown

  constructor(plan: Plan, parts: RunParts) {
    this.#plan = plan
    this.#parts = parts
    this.#signal = AbortSignal.any([parts.signal, this.#stop.signal])
  }

  async carryOut(work: readonly ImageWork[]): Promise<RunResult> {
    const known = new Map(work.map((each) => [each.planned, each]))
    for (const planned of this.#plan.images) {
      const isWork = known.has(planned) && planned.steps.length > 0
      if (!isWork) this.#end(planned, { result: RESULTS[planned.state], why: planned.why })
    }
    const lanes = Map.groupBy(work.filter(isToBring), ({ located }) => located.upstream.client)
    await this.#markHere(work)
    const timer = setInterval(() => this.#tell(), TELL_EVERY_MS)
    this.#tell()
    try {
      await Promise.all([...lanes.values()].map((lane) => inParallel(lane, MOST_IMAGES, (each) => this.#copy(each))))
    } finally {
      clearInterval(timer)
    }
    this.#tell()
    const images = this.#plan.images.flatMap((planned) => this.#ended.get(planned) ?? [])
    return { images, blobs: this.#blobs, bytes: this.#bytes, fault: this.#fault }
  }

  async #copy(work: ImageToBring): Promise<void> {
    const { planned } = work
    if (this.#signal.aborted) return this.#end(planned, { result: 'failed', why: this.#whyEnded() })
    const { elapsed } = this.#parts
    const blobs = new BlobsUnderWay(planned.steps.flatMap((step) => (step.act === 'blob' ? [step] : [])))
    const active = { name: nameHere(planned), blobs, since: elapsed() }
    this.#active.add(active)
    const end = (result: SyncResult, why?: string): void => {
      this.#active.delete(active)
      this.#blobs += blobs.fetchedBlobs
      this.#bytes += blobs.fetched
      this.#end(planned, { result, why, bytes: blobs.fetched, seconds: (elapsed() - active.since) / 1000 })
    }
    try {
      const isLed = await copyImage(work, blobs, { ...this.#parts, signal: this.#signal })
      if (isLed) end(RESULTS[planned.state], planned.why)
      else end('kept', 'somebody pushed this tag here meanwhile')
    } catch (error) {
      if (isNoRoom(error)) this.#giveUp(error)
      end('failed', this.#signal.aborted ? this.#whyEnded() : messageOf(error))
    }
  }

  // Everything else would fail as well, one by one.
  #giveUp(error: unknown): void {
    this.#fault ??= error
    this.#stop.abort(error)
  }

  #whyEnded(): string {
    return this.#fault === undefined ? 'the sync was stopped' : `the sync ended: ${messageOf(this.#fault)}`
  }

  #end(planned: PlannedImage, { result, why, bytes = 0, seconds = 0 }: Ending): void {
    const { from, to, tag, digest, before, platforms, missingPlatforms } = planned
    const ended: SyncedImage = {
      from,
      to,
      ...(tag !== undefined && { tag }),
      result,
      ...(digest !== undefined && { digest }),
      ...(before !== undefined && { before }),
      platforms,
      missingPlatforms,
      bytes,
      seconds: Math.round(seconds * 1000) / 1000,
      ...(why !== undefined && { why }),
    }
    this.#ended.set(planned, ended)
    this.#parts.onEvent({ ended })
  }

  #tell(): void {
    const { elapsed, onEvent } = this.#parts
    const now = elapsed()
    let bytes = this.#bytes
    const images: ActiveImage[] = [...this.#active].map(({ name, blobs, since }) => {
      bytes += blobs.fetched
      return { image: name, bytes: blobs.done, totalBytes: blobs.total, seconds: (now - since) / 1000 }
    })
    const total = this.#plan.images.length
    onEvent({ phase: 'fetch', done: this.#ended.size, total, bytes, totalBytes: this.#plan.bytes, images })
  }

  // What is here already is meant as well: it is not evicted, and its tag was just compared with the upstream's.
  async #markHere(work: readonly ImageWork[]): Promise<void> {
    const { mirrored } = this.#parts.context.store
    const here = work.filter(({ planned }) => planned.state === 'here')
    for (const [name, images] of Map.groupBy(here, ({ located }) => located.name)) {
      for (const { planned, readAt } of images) {
        if (planned.tag !== undefined) mirrored.noteChecked(name, planned.tag, readAt)
      }
      try {
        const tags = images.flatMap(({ planned }) => planned.tag ?? [])
        const digests = images.flatMap(({ planned }) => (planned.tag === undefined ? (planned.digest ?? []) : []))
        await mirrored.markSynced(name, tags, digests, this.#parts.owner)
      } catch (error) {
        if (!isNoRoom(error)) throw error
        return this.#giveUp(error)
      }
    }
  }
}
