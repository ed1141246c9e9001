// From figures to text: medians, the table, the verdicts. It never names the machine, only its class.
import { readFile, writeFile } from 'node:fs/promises'
import { cpus, loadavg, totalmem } from 'node:os'
import type { Requirement, Results, Row } from './bench.ts'

export interface Verdict {
  readonly met: boolean
  readonly line: string
}

/** The value in the middle; of an even number of values the mean of the two in the middle. */
export function medianOf(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  const upper = sorted[Math.floor(sorted.length / 2)] ?? Number.NaN
  const lower = sorted[Math.ceil(sorted.length / 2) - 1] ?? Number.NaN
  return (upper + lower) / 2
}

/** The rows as a Markdown table of medians; the range of the rounds stands in brackets. */
export function drawTable(rows: readonly Row[], peer = 'docker-registry'): string {
  const cells = rows.map((row) => [
    row.name,
    row.unit,
    describe(row.tarn),
    describe(row.peer),
    row.tarn.length === 0 || row.peer.length === 0 ? '' : formatRatio(medianOf(row.tarn) / medianOf(row.peer)),
  ])
  const lines = [['measured', 'unit', 'Tarn', peer, 'ratio'], ...cells]
  const widths = [0, 1, 2, 3, 4].map((column) => Math.max(...lines.map((line) => (line[column] ?? '').length)))
  const draw = (line: readonly string[]): string =>
    `| ${line.map((cell, column) => (column < 2 ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0))).join(' | ')} |`
  const rule = `| ${widths.map((width, column) => (column < 2 ? '-'.repeat(width) : `${'-'.repeat(width - 1)}:`)).join(' | ')} |`
  const [head = [], ...rest] = lines
  return [draw(head), rule, ...rest.map(draw)].join('\n')
}

/** Says of each requirement whether it is met. Throws when it names a row that nobody measured. */
export function judge({ rows, requirements }: Results): Verdict[] {
  const find = (name: string): Row => {
    const row = rows.find((each) => each.name === name)
    if (row === undefined) throw new Error(`nothing was measured under the name ${name}`)
    return row
  }
  return requirements.map((requirement: Requirement) => {
    const row = find(requirement.row)
    const tarn = medianOf(row.tarn)
    if ('most' in requirement) {
      const within = tarn <= requirement.most
      return {
        met: within,
        line: `${(within ? 'met' : 'not met').padEnd(7)} ${requirement.name}: ${format(tarn)} ${row.unit} (at most ${requirement.most})`,
      }
    }
    const { against } = requirement
    const ratio = tarn / medianOf(against === undefined ? row.peer : find(against.row).tarn)
    // A figure that is not a number meets nothing.
    const met = ratio >= requirement.times
    return {
      met,
      line: `${(met ? 'met' : 'not met').padEnd(7)} ${requirement.name}: ${formatRatio(ratio)} (at least ${Number(requirement.times.toFixed(2))})`,
    }
  })
}

/** Date, class of the machine and how busy it was with other things before the bench began. */
export function describeMachine(): string {
  const all = cpus()
  const memory = Math.round(totalmem() / 2 ** 30)
  const load = (loadavg()[0] ?? 0).toFixed(1)
  const day = new Date().toISOString().slice(0, 10)
  return `${day}: ${all.length} cores (${all[0]?.model.trim() ?? 'unknown'}), ${memory} GiB, ${process.platform} ${process.arch}, Node ${process.versions.node}, load average ${load} before the run`
}

/** Puts the table into the page, between its two markers. Throws when the page has none for this bench. */
export async function replaceTable(page: string, bench: string, table: string): Promise<void> {
  const [begin, end] = [`<!-- ${bench}: table begins -->`, `<!-- ${bench}: table ends -->`]
  const text = await readFile(page, 'utf8')
  const from = text.indexOf(begin)
  const to = text.indexOf(end)
  if (from < 0 || to < from) throw new Error(`${page} has no place for the table of ${bench}: ${begin} … ${end}`)
  await writeFile(page, `${text.slice(0, from + begin.length)}\n\n${table}\n\n${text.slice(to)}`)
}

function describe(values: readonly number[]): string {
  if (values.length === 0) return ''
  const median = format(medianOf(values))
  return values.length === 1 ? median : `${median} (${format(Math.min(...values))}–${format(Math.max(...values))})`
}

function format(value: number): string {
  if (value >= 100) return value.toFixed(0)
  return value >= 10 ? value.toFixed(1) : value.toFixed(2)
}

function formatRatio(ratio: number): string {
  return `${ratio.toFixed(ratio >= 10 ? 1 : 2)} ×`
}
