// What the syncs of a process came to, counted for the metrics.
import type { SyncOrder } from './order.ts'
import type { KeptReport, SyncOutcome, SyncReport, SyncResult } from './report.ts'
import { countResults } from './report.ts'

export interface SyncTally {
  readonly runs: Record<SyncOutcome, number>
  readonly images: Record<SyncResult, number>
  /** Of blobs that came from upstreams. */
  bytes: number
  /** By the id of the sync; how its last run ended. */
  readonly last: Map<string, LastRun>
}

/** Times in milliseconds since 1970. */
export interface LastRun {
  readonly endedAt: number
  readonly outcome: KeptReport['outcome']
  /** Of the last run that nobody ended before its end. */
  readonly isFailed: boolean
  readonly goodAt?: number
}

// One image at a time from the command line has one id; somebody who gives a thousand files is not in the metrics whole.
const MOST = 200

export function makeSyncTally(): SyncTally {
  return { runs: { done: 0, partly: 0, failed: 0, stopped: 0 }, images: countResults([]), bytes: 0, last: new Map() }
}

/** `endedAt` in milliseconds since 1970. */
export function noteReport(tally: SyncTally, report: SyncReport, endedAt: number): void {
  for (const { result } of report.images) tally.images[result] += 1
  tally.bytes += report.bytes
  note(tally, report.id, report.outcome, endedAt)
}

/** A run of an earlier life, so that an alarm does not end with the process; nothing is counted. One that was cut off failed. */
export function recallReport({ last }: SyncTally, { id, outcome, startedAt, seconds }: KeptReport): void {
  const endedAt = Date.parse(startedAt) + seconds * 1000
  if (last.has(id) || Number.isNaN(endedAt)) return
  const isFailed = outcome === 'failed' || outcome === 'partly' || outcome === 'cutOff'
  last.set(id, { endedAt, outcome, isFailed, ...(outcome === 'done' && { goodAt: endedAt }) })
}

/** A run that ended without a report. */
export function noteFailure(
  tally: SyncTally,
  { id }: Pick<SyncOrder, 'id'>,
  isStopped: boolean,
  endedAt: number,
): void {
  note(tally, id, isStopped ? 'stopped' : 'failed', endedAt)
}

function note(tally: SyncTally, id: string, outcome: SyncOutcome, endedAt: number): void {
  tally.runs[outcome] += 1
  const before = tally.last.get(id)
  const goodAt = outcome === 'done' ? endedAt : before?.goodAt
  // Who ends a run, or the window that does, knows of it; it says nothing of the next one.
  const isFailed = outcome === 'stopped' ? before?.isFailed === true : outcome !== 'done'
  tally.last.delete(id)
  const [oldest] = tally.last.keys()
  if (tally.last.size >= MOST && oldest !== undefined) tally.last.delete(oldest)
  tally.last.set(id, { endedAt, outcome, isFailed, ...(goodAt !== undefined && { goodAt }) })
}
