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
  /** What lies in the trash afterwards. */
  trash: { blobs: number; bytes: number }
  problems: Problem[]
  complete: boolean
}

/** The tally of a collection that has taken nothing yet. */
export function openTally(totals: SurveyTotals, problems: Problem[]): Tally {
  const { blobs, bytes, trash, complete } = totals
  return {
    repositories: { seen: totals.repositories, removed: 0, left: 0 },
    manifests: { seen: totals.manifests, removed: 0 },
    links: { seen: totals.links, removed: 0 },
    blobs: { seen: blobs, bytes, kept: blobs, trashed: 0, trashedBytes: 0, restored: 0, deleted: 0, deletedBytes: 0 },
    trash: { ...trash },
    problems,
    complete,
  }
}
