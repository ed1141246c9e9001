// The report of a sync for people: a table of the images, what was pruned, and all of it in a line or two.
import type { SyncedImage, SyncReport } from '../mirror/sync/report.ts'
import { nameHere } from '../mirror/sync/report.ts'
import { formatLeft } from './progress.ts'
import { printable } from './printable.ts'
import { formatBytes, formatCount, formatTable } from './table.ts'

// More of those that were here already hide what happened; --json has all.
const MOST_HERE = 20

/** The whole report. */
export function formatSyncReport(report: SyncReport): string {
  const { images, pruned, counts, outcome, fault } = report
  const isLong = counts.here > MOST_HERE
  const rows = images.filter(({ result }) => !isLong || result !== 'here').map(formatImage)
  const table = rows.length === 0 ? [] : [formatTable([['IMAGE', 'RESULT', 'BYTES', 'REASON'], ...rows], [2])]
  const removed = pruned.map(({ to, tags, removed: gone, why }) => {
    const names = (gone.length > 0 ? gone : tags.map(({ tag }) => tag)).join(', ')
    return printable(
      `${gone.length > 0 ? 'removed' : 'not removed'}  ${to}: ${names}${why === undefined ? '' : `  (${why})`}`,
    )
  })
  const found = Object.entries(counts).flatMap(([result, count]) => (count > 0 ? [`${count} ${result}`] : []))
  const total = `${formatCount(images.length, 'image')}${found.length > 0 ? `: ${found.join(', ')}` : ''}`
  const held = pruned.some(({ removed: gone, isHeld }) => isHeld && gone.length === 0)
  return [
    ...table,
    ...removed,
    ...(held ? ['to remove them all the same: --prune'] : []),
    total,
    formatFetched(report),
    ...(fault === undefined
      ? []
      : [
          printable(`ended before its end: ${fault.message}`),
          ...(fault.hint === undefined ? [] : [printable(`hint: ${fault.hint}`)]),
        ]),
    ...(outcome === 'stopped' ? ['stopped before its end; the next run goes on'] : []),
  ].join('\n')
}

function formatImage({ from, result, bytes, why, missingPlatforms, ...here }: SyncedImage): string[] {
  const missing = missingPlatforms.length > 0 ? [`without ${missingPlatforms.join(', ')}`] : []
  const reason = [...(why === undefined ? [] : [why]), ...missing].join('; ')
  return [nameHere(here) || from, result, bytes === 0 ? '' : formatBytes(bytes), reason]
}

function formatFetched({ bytes, blobs, seconds }: Pick<SyncReport, 'bytes' | 'blobs' | 'seconds'>): string {
  const time = seconds < 10 ? `${seconds.toFixed(1)} s` : formatLeft(seconds * 1000)
  if (bytes === 0) return `nothing fetched, in ${time}`
  const rate = seconds > 0 ? `, ${formatBytes(Math.round(bytes / seconds))}/s` : ''
  return `fetched: ${formatCount(blobs, 'blob')}, ${formatBytes(bytes)}, in ${time}${rate}`
}
