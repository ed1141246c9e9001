// What a sync into another place tells, in the words of every sync: its plan and its report. Pure.
import type { PlanReport, PlannedImageReport } from '../mirror/sync/plan-report.ts'
import type { PlannedState, UnreadImage } from '../mirror/sync/plan.ts'
import type { ImageAsk } from '../mirror/sync/read-image.ts'
import type { SyncedImage, SyncPlanReport, SyncReport, SyncResult } from '../mirror/sync/report.ts'
import type { CopiedImage } from './copied-image.ts'

/** The report of an order that was carried out elsewhere. */
export type ElsewhereReport = SyncReport & { readonly target: string }

/** The plan of one; `free` is null where nobody tells. What of an image is linked there is not known before. */
export interface ElsewherePlan
  extends
    Pick<SyncPlanReport, 'dryRun' | 'id' | 'name' | 'startedAt'>,
    Pick<PlanReport, 'gone' | 'counts' | 'blobs' | 'bytes' | 'needs' | 'fits'> {
  readonly target: string
  readonly images: readonly PlannedElsewhere[]
  readonly free: number | null
}

export type PlannedElsewhere = Omit<PlannedImageReport, 'blobs' | 'manifests'>

const RESULTS: Readonly<Record<PlannedState, SyncResult>> = {
  new: 'copied',
  moved: 'moved',
  incomplete: 'completed',
  here: 'here',
  kept: 'kept',
  failed: 'failed',
}

/** What a dry run of the copying says of an image. */
export function planOne(copied: CopiedImage, { image }: Pick<ImageAsk, 'image'>): PlannedElsewhere {
  const { to, tags, digest, moved = [], bytes, missingPlatforms, why } = copied
  const [tag] = tags
  const [before] = moved
  return {
    from: image.from,
    to,
    ...(tag !== undefined && { tag }),
    state: stateOf(copied),
    ...(digest !== undefined && { digest }),
    ...(before !== undefined && { before: before.before }),
    platforms: [],
    missingPlatforms,
    bytes,
    ...(why !== undefined && { why }),
  }
}

/** Of one that cannot be asked for, or must not be taken. */
export function planUnread({ from, to, tag, why }: UnreadImage): PlannedElsewhere {
  const named = { from, to, ...(tag !== undefined && { tag }) }
  return { ...named, state: 'failed', platforms: [], missingPlatforms: [], bytes: 0, why }
}

/** An image of which nothing is done, as a report has it. */
export function endPlanned({ state, ...image }: PlannedElsewhere): SyncedImage {
  return { ...image, result: RESULTS[state], bytes: 0, seconds: 0 }
}

/** What became of an image that was planned; `seconds` since its first byte. */
export function endCopied(planned: PlannedElsewhere, copied: CopiedImage, seconds: number): SyncedImage {
  const { state: _, why: before, ...image } = planned
  const { state, bytes, digest, why = before, missingPlatforms } = copied
  return {
    ...image,
    ...(digest !== undefined && { digest }),
    // Something of it is not there, such as a signature: it is tried again by the next run.
    result: state === 'failed' || state === 'incomplete' ? 'failed' : RESULTS[planned.state],
    missingPlatforms,
    bytes,
    seconds: Math.round(seconds * 1000) / 1000,
    ...(why !== undefined && { why }),
  }
}

/** How many images are in which state. */
export function countStates(images: readonly PlannedElsewhere[]): Record<PlannedState, number> {
  const counts = { new: 0, moved: 0, incomplete: 0, here: 0, kept: 0, failed: 0 }
  for (const { state } of images) counts[state] += 1
  return counts
}

function stateOf({ state, isLed = false, moved = [] }: CopiedImage): PlannedState {
  if (state === 'here') return 'here'
  if (state === 'failed') return 'failed'
  if (moved.length > 0) return 'moved'
  return isLed || state === 'incomplete' ? 'incomplete' : 'new'
}
