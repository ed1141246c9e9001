// How commands lay out what they print for people: columns, trees, sizes, ages. Text only; what is printed as JSON
// never passes here. What a terminal would act on comes out escaped.
import { printable } from './printable.ts'

const UNITS = ['KB', 'MB', 'GB', 'TB', 'PB', 'EB']
const MINUTE = 60_000
const HOUR = 60 * MINUTE
const DAY = 24 * HOUR

/**
 * Lines of columns that are two blanks apart; the first row is the heading. Columns whose numbers (from 0) are in
 * `right` are flush right. No line ends in blanks.
 */
export function formatTable(cells: readonly (readonly string[])[], right: readonly number[] = []): string {
  const rows = cells.map((row) => row.map(printable))
  const widths: number[] = []
  for (const row of rows) {
    for (const [column, cell] of row.entries()) widths[column] = Math.max(widths[column] ?? 0, cell.length)
  }
  const lines = rows.map((row) =>
    row
      .map((cell, column) =>
        right.includes(column) ? cell.padStart(widths[column] ?? 0) : cell.padEnd(widths[column] ?? 0),
      )
      .join('  ')
      .trimEnd(),
  )
  return lines.join('\n')
}

export interface TreeNode {
  readonly text: string
  readonly children?: readonly TreeNode[]
}

/** The node's text, and below it its children with the lines that lead to them. */
export function formatTree({ text, children = [] }: TreeNode): string {
  return [printable(text), ...drawBranches(children, '')].join('\n')
}

function drawBranches(nodes: readonly TreeNode[], before: string): string[] {
  return nodes.flatMap(({ text, children = [] }, index) => {
    const isLast = index === nodes.length - 1
    const line = `${before}${isLast ? '└─ ' : '├─ '}${printable(text)}`
    return [line, ...drawBranches(children, before + (isLast ? '   ' : '│  '))]
  })
}

/** Bytes in decimal units with three digits that count: `999 B`, `1.23 MB`, `45.6 GB`, `789 GB`. */
export function formatBytes(bytes: number): string {
  if (bytes < 1000) return `${bytes} B`
  let value = bytes
  let unit = -1
  // 999.5 would be printed as 1000.
  while (value >= 999.5 && unit < UNITS.length - 1) {
    value /= 1000
    unit += 1
  }
  return `${value.toFixed(value < 9.995 ? 2 : value < 99.95 ? 1 : 0)} ${UNITS[unit]}`
}

/** How long ago, from milliseconds, in its largest unit: `12 s`, `5 min`, `3 h`, `41 d`. Times to come count as now. */
export function formatAge(ms: number): string {
  if (ms < MINUTE) return `${Math.max(0, Math.floor(ms / 1000))} s`
  if (ms < HOUR) return `${Math.floor(ms / MINUTE)} min`
  if (ms < 2 * DAY) return `${Math.floor(ms / HOUR)} h`
  return `${Math.floor(ms / DAY)} d`
}

/** `1 tag`, `3 tags`; the plural is the singular with an s unless it is given. */
export function formatCount(count: number, one: string, many = `${one}s`): string {
  return `${count} ${count === 1 ? one : many}`
}
