// What a copy of images did, for people: a table of the images, and all of it in a line.
import type { CopiedImage, CopyReport } from '../exchange/copied-image.ts'
import { EXIT } from './output.ts'
import { formatBytes, formatCount, formatTable } from './table.ts'

// More of those that were here already hide what happened; --json has all.
const MOST_HERE = 20

/** The whole report; `isTo` when the names of the images at the other end are what matters. */
export function formatCopied({ images, counts, blobs, bytes }: CopyReport, dryRun: boolean): string {
  const isLong = counts.here > MOST_HERE
  const shown = images.filter(({ state }) => !isLong || state !== 'here')
  const rows = shown.map((image) => [
    image.from,
    nameOf(image),
    word(image, dryRun),
    formatSize(image),
    reasonOf(image),
  ])
  const table = rows.length === 0 ? [] : [formatTable([['FROM', 'TO', 'RESULT', 'BYTES', 'REASON'], ...rows], [3])]
  const found = Object.entries(counts).flatMap(([state, count]) => (count > 0 ? [`${count} ${state}`] : []))
  const moved = dryRun ? 'would bring at most' : 'brought'
  const total = `${formatCount(images.length, 'image')}: ${found.join(', ')}`
  return [...table, `${total}; ${moved} ${formatCount(blobs, 'blob')}, ${formatBytes(bytes)}`].join('\n')
}

function nameOf({ to, tags, digest }: CopiedImage): string {
  if (tags.length > 0) return tags.map((tag) => `${to}:${tag}`).join(', ')
  return digest === undefined ? to : `${to}@${digest.slice(0, 19)}`
}

function word({ state, moved = [] }: CopiedImage, dryRun: boolean): string {
  if (state === 'copied') return moved.length > 0 ? 'moved' : dryRun ? 'new' : 'copied'
  return state
}

function formatSize({ bytes }: CopiedImage): string {
  return bytes === 0 ? '' : formatBytes(bytes)
}

function reasonOf({ why, hint, absent, missingPlatforms }: CopiedImage): string {
  const parts = [
    ...(why === undefined ? [] : [why]),
    ...(why !== undefined && hint !== undefined ? [hint] : []),
    ...(missingPlatforms.length > 0 ? [`without ${missingPlatforms.join(', ')}`] : []),
    ...(absent > 0 ? [`${formatCount(absent, 'part')} of the index not in the source`] : []),
  ]
  return parts.join('; ')
}

/** 0 for everything, 3 for a part, 1 for nothing. */
export function exitCodeOf(reports: readonly Pick<CopyReport, 'counts'>[]): number {
  const sum = (state: 'copied' | 'here' | 'incomplete' | 'failed'): number =>
    reports.reduce((all, { counts }) => all + counts[state], 0)
  if (sum('failed') + sum('incomplete') === 0) return EXIT.done
  return sum('copied') + sum('here') + sum('incomplete') > 0 ? EXIT.partly : EXIT.failed
}
