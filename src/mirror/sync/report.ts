// What a run of a sync tells: while it goes on, and at its end for every image. Pure.
import type { Digest } from '../../oci/digest.ts'
import type { RepositoryName } from '../../oci/name.ts'
import type { Tag } from '../../oci/reference.ts'
import type { Progress } from '../../registry/collect.ts'
import type { GoneTags } from './gone.ts'
import type { PlanReport } from './plan-report.ts'

export type SyncResult =
  /** It was not here and is now. */
  | 'copied'
  /** Its tag led to another image before. */
  | 'moved'
  /** A platform or something that refers to it was missing. */
  | 'completed'
  | 'here'
  /** Somebody pushed this tag: it stays as it is. */
  | 'kept'
  | 'failed'

export interface SyncedImage {
  /** As the upstream names it; a repository or a registry whose images could not be listed. */
  readonly from: string
  readonly to: RepositoryName | ''
  readonly tag?: Tag
  readonly result: SyncResult
  readonly digest?: Digest
  /** What the tag led to. */
  readonly before?: Digest
  readonly platforms: readonly string[]
  readonly missingPlatforms: readonly string[]
  /** Of blobs that came from the upstream for this image; a blob of several images counts for one of them. */
  readonly bytes: number
  readonly seconds: number
  /** Why it failed or was kept, or what of its referrers was left out. */
  readonly why?: string
}

/** Tags that the entries do not mean any more. */
export interface PrunedTags extends GoneTags {
  /** Those that went; none where they were held or pinned. */
  readonly removed: readonly Tag[]
  readonly why?: string
}

export interface SyncReport {
  readonly dryRun: false
  /** Names the sync among others, and the directory of its report. */
  readonly id: string
  /** The file or the image that was asked for. */
  readonly name: string
  /** ISO 8601. */
  readonly startedAt: string
  readonly seconds: number
  readonly outcome: SyncOutcome
  /** Who stopped it. */
  readonly stoppedBy?: SyncStopper
  /** What ended the whole run before its end, such as a full disk. */
  readonly fault?: { readonly message: string; readonly hint?: string }
  readonly images: readonly SyncedImage[]
  readonly pruned: readonly PrunedTags[]
  readonly counts: Readonly<Record<SyncResult, number>>
  /** Blobs that came from upstreams, and their bytes. */
  readonly blobs: number
  readonly bytes: number
  /** What was to be fetched when the run began. */
  readonly planned: { readonly blobs: number; readonly bytes: number }
}

/** `partly`: some images failed; `failed`: the run could not go on; `stopped`: somebody ended it. */
export type SyncOutcome = 'done' | 'partly' | 'failed' | 'stopped'

/**
 * As it lies in the directory, where a run leaves it when it begins: `running`, and `cutOff` when a kill or a power cut
 * kept that run from its end. Of both nothing is known but when it began.
 */
export type KeptReport = Omit<SyncReport, 'outcome'> & { readonly outcome: SyncOutcome | 'running' | 'cutOff' }

/** A person, the end of its window, or the end of the process that ran it. */
export type SyncStopper = 'request' | 'window' | 'shutdown'

/** What would be done. */
export interface SyncPlanReport extends PlanReport {
  readonly dryRun: true
  readonly id: string
  readonly name: string
  /** ISO 8601. */
  readonly startedAt: string
}

/** An image that is being fetched. */
export interface ActiveImage {
  /** `repository:tag` here. */
  readonly image: string
  /** Of the blobs that it needs; those that others fetch count too. */
  readonly bytes: number
  readonly totalBytes: number
  /** Since it began. */
  readonly seconds: number
}

export type SyncPhase = 'list' | 'read' | 'fetch' | 'prune'

/** How far a run is; `done` of `total` are images, `bytes` of `totalBytes` what comes from upstreams. */
export interface SyncProgress extends Progress {
  readonly phase: SyncPhase
  readonly totalBytes?: number
  readonly images?: readonly ActiveImage[]
}

/** An upstream that asks to wait before it is asked again; told once a minute. */
export interface UpstreamWait {
  readonly host: string
  /** ISO 8601. */
  readonly until: string
  /** What it answered. */
  readonly why: string
}

export type SyncEvent = SyncProgress | { readonly ended: SyncedImage } | { readonly waits: UpstreamWait }

const NONE: Readonly<Record<SyncResult, number>> = { copied: 0, moved: 0, completed: 0, here: 0, kept: 0, failed: 0 }

/** How many images ended how. */
export function countResults(images: readonly SyncedImage[]): Record<SyncResult, number> {
  const counts = { ...NONE }
  for (const { result } of images) counts[result] += 1
  return counts
}

/** `repository:tag`, or `repository@digest` of an image without a tag here; what is not known yet is left out. */
export function nameHere({ to, tag, digest }: Pick<SyncedImage, 'to' | 'tag' | 'digest'>): string {
  if (tag !== undefined) return `${to}:${tag}`
  return digest === undefined ? to : `${to}@${digest}`
}
