// The plan of a sync for people: what is not here yet by image, then what goes, then all of it in three lines.
import type { PlanReport, PlannedImageReport } from '../mirror/sync/plan-report.ts'
import { printable } from './printable.ts'
import { formatBytes, formatCount, formatTable } from './table.ts'

/** What it reads of a plan, here or elsewhere. */
type Plan = Pick<PlanReport, 'gone' | 'counts' | 'blobs' | 'bytes' | 'needs' | 'fits'> & {
  readonly images: readonly PlannedImage[]
  readonly free: number | null
}
type PlannedImage = Omit<PlannedImageReport, 'blobs' | 'manifests'>

/** The whole plan; images that are here already are only counted. */
export function formatSyncPlan(report: Plan): string {
  const { images, gone, counts, blobs, bytes, needs, free, fits } = report
  const rows = images.filter(({ state }) => state !== 'here').map(formatImage)
  const table = rows.length === 0 ? [] : [formatTable([['IMAGE', 'TO', 'STATE', 'FETCH', 'NOTE'], ...rows], [3])]
  const removed = gone.flatMap(({ to, tags, share, maxShare, isHeld }) => {
    const names = tags.map(({ tag }) => tag).join(', ')
    const held = `held: ${formatShare(share)} of its tags, and prune.maxShare is ${formatShare(maxShare)}`
    return [printable(`gone  ${to}: ${names}${isHeld ? `  (${held})` : ''}`)]
  })
  const found = Object.entries(counts).flatMap(([state, count]) => (count > 0 ? [`${count} ${state}`] : []))
  const total = `${formatCount(images.length, 'image')}${found.length > 0 ? `: ${found.join(', ')}` : ''}`
  const fetched = bytes === 0 ? 'nothing to fetch' : `to fetch: ${formatCount(blobs, 'blob')}, ${formatBytes(bytes)}`
  const room = fits
    ? []
    : [`no room: ${formatBytes(needs)} are needed, ${formatBytes(Math.max(0, free ?? 0))} are free`]
  return [...table, ...removed, total, fetched, ...room].join('\n')
}

function formatImage({ from, to, tag, state, bytes, why, missingPlatforms }: PlannedImage): string[] {
  const missing = missingPlatforms.length > 0 ? [`without ${missingPlatforms.join(', ')}`] : []
  const note = [...(why === undefined ? [] : [why]), ...missing].join('; ')
  return [from, tag === undefined ? to : `${to}:${tag}`, state, bytes === 0 ? '' : formatBytes(bytes), note]
}

function formatShare(share: number): string {
  return `${Number((share * 100).toFixed(1))}%`
}
