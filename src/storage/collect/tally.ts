// What a collection counts, and what went wrong in it.
import type { Problem, SurveyTotals } from './survey-result.ts'

export interface Tally {
  /** `left` are those where a manifest that was to go was promised meanwhile, or one turned up: for the next time. */
  repositories: { seen: number; removed: number; left: number }
  manifests: { seen: number; removed: number }
  /** `_layers` links and links in the histories of tags. */
  links: { seen: number; removed: number }
  blobs: {
    seen: number
    bytes: number
    kept: number
    trashed: number
    trashedBytes: number
    restored: number
    deleted: number
    deletedBytes: number
  }
  /** Blobs that nothing needs and that are too young to go, or were promised a moment ago; `until` is RFC 3339. */
  waiting: { blobs: number; bytes: number; until?: string }
  /** What went, the first of each; manifests as `repository@digest`. */
  removed: { repositories: string[]; manifests: string[]; blobs: string[] }
  /** What lies in the trash afterwards. */
  trash: { blobs: number; bytes: number }
  problems: Problem[]
  complete: boolean
}

// Longer lists help nobody, and would fill a memory.
const MOST_NAMED = 10_000

/** Adds what went to a list of such. */
export function nameRemoved(list: string[], what: string): void {
  if (list.length < MOST_NAMED) list.push(what)
}

/** The tally of a collection that has taken nothing yet. */
export function openTally(totals: SurveyTotals, problems: Problem[]): Tally {
  const { blobs, bytes, trash, complete } = totals
  const { until, ...counts } = totals.waiting
  return {
    repositories: { seen: totals.repositories, removed: 0, left: 0 },
    manifests: { seen: totals.manifests, removed: 0 },
    links: { seen: totals.links, removed: 0 },
    blobs: { seen: blobs, bytes, kept: blobs, trashed: 0, trashedBytes: 0, restored: 0, deleted: 0, deletedBytes: 0 },
    waiting: { ...counts, ...(until > 0 && { until: new Date(until).toISOString() }) },
    removed: { repositories: [], manifests: [], blobs: [] },
    trash: { ...trash },
    problems,
    complete,
  }
}
