// A plan as others read it: what a sync would do, in numbers and by image, for `--json` and for people. Pure.
import type { GoneTags } from './gone.ts'
import type { Plan, PlannedImage, PlannedState } from './plan.ts'

export interface PlanFacts {
  readonly plan: Plan
  readonly gone: readonly GoneTags[]
  /** Bytes that may still be written before the directory counts as full. */
  readonly free: number
  /** Bytes of blobs to be fetched that an earlier run left. */
  readonly begun?: number
}

export interface PlanReport {
  readonly images: readonly PlannedImageReport[]
  readonly gone: readonly GoneTags[]
  readonly counts: Readonly<Record<PlannedState, number>>
  /** Blobs to be fetched, each once. */
  readonly blobs: number
  readonly bytes: number
  /** Of them that an earlier run left here, and that are not fetched again. */
  readonly begun: number
  /** What is written: blobs and manifests. */
  readonly needs: number
  readonly free: number
  readonly fits: boolean
}

export interface PlannedImageReport extends Omit<PlannedImage, 'steps'> {
  /** Blobs that are fetched for this image, that others of the plan fetch, and that are here under another name. */
  readonly blobs: { readonly fetch: number; readonly shared: number; readonly link: number }
  readonly manifests: number
}

const NONE: Readonly<Record<PlannedState, number>> = { new: 0, moved: 0, incomplete: 0, here: 0, kept: 0, failed: 0 }

export function reportPlan({ plan, gone, free, begun = 0 }: PlanFacts): PlanReport {
  const counts = { ...NONE }
  for (const { state } of plan.images) counts[state] += 1
  const needs = plan.bytes + plan.manifestBytes - begun
  return {
    images: plan.images.map(reportImage),
    gone,
    counts,
    blobs: plan.blobs,
    bytes: plan.bytes,
    begun,
    needs,
    free,
    // Where nothing comes in, a disk below its mark is no hindrance.
    fits: needs <= Math.max(0, free),
  }
}

function reportImage({ steps, ...image }: PlannedImage): PlannedImageReport {
  const blobs = { fetch: 0, shared: 0, link: 0 }
  let manifests = 0
  for (const step of steps) {
    if (step.act === 'blob') blobs[step.how] += 1
    if (step.act === 'manifest') manifests += 1
  }
  return { ...image, blobs, manifests }
}
