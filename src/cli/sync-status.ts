// `tarn sync --status` and `--stop`: what the running registry syncs, when it does it next, and the end of it.
import type { Command } from 'commander'
import type { ReportOf } from '../http/api/routes.ts'
import type { CommandContext } from './context.ts'
import { outputOf } from './context.ts'
import { readHome } from './home.ts'
import { formatLeft } from './progress.ts'
import { printable } from './printable.ts'
import type { Reached } from './reach.ts'
import { formatBytes, formatCount, formatTable } from './table.ts'

type Status = ReportOf<'GET /sync'>
type Last = Status['others'][number]

/** Prints what runs and what is planned. */
export async function showSyncStatus(
  options: { readonly config?: string },
  command: Command,
  context: CommandContext,
): Promise<void> {
  await askAndTell(options, command, context, async (reached) => {
    const status = await reached.call('GET /sync', {})
    const served = reached.served ? [] : ['no registry runs here, so nothing is synced by itself']
    return [status, [...served, formatStatus(status, context.clock())].join('\n')]
  })
}

/** Ends the syncs that run, or the one of this id. */
export async function stopSyncs(
  id: string | undefined,
  options: { readonly config?: string },
  command: Command,
  context: CommandContext,
): Promise<void> {
  await askAndTell(options, command, context, async (reached) => {
    const report = await reached.call('DELETE /sync', id === undefined ? {} : { id })
    const { stopped } = report
    return [report, stopped.length === 0 ? 'no sync runs' : `ending: ${stopped.map(printable).join(', ')}`]
  })
}

async function askAndTell(
  options: { readonly config?: string },
  command: Command,
  context: CommandContext,
  ask: (reached: Reached) => Promise<readonly [report: unknown, text: string]>,
): Promise<void> {
  const output = outputOf(command, context)
  const home = readHome(options, command, context)
  const { reach } = await import('./reach.ts')
  const reached = await reach(home, context, { removes: false })
  try {
    output.result(...(await ask(reached)))
  } finally {
    await reached.close()
  }
}

/** `now` in milliseconds since 1970. */
export function formatStatus({ running, scheduled, others, problems }: Status, now: number): string {
  const runs = running.map(({ name, by, isEnding, progress, ended, failed }) => [
    printable(name),
    isEnding ? 'ending' : by === 'schedule' ? 'by schedule' : 'by command',
    progress === undefined ? '' : progress.phase,
    `${ended}${progress?.total === undefined ? '' : `/${progress.total}`}${failed === 0 ? '' : `, ${failed} failed`}`,
    progress?.bytes === undefined ? '' : formatShare(progress.bytes, progress.totalBytes),
  ])
  const plans = scheduled.map(({ name, id, schedule, isWaiting, last, ...next }) => [
    printable(name),
    printable(id),
    schedule,
    isWaiting ? 'waits for its window' : formatNext(next, now),
    ...(last === null ? ['never', ''] : formatLast(last, now)),
  ])
  const lasts = others.map((last) => [printable(last.name), printable(last.id), ...formatLast(last, now)])
  return [
    runs.length === 0
      ? 'nothing is being synced'
      : formatTable([['SYNC', 'BEGUN', 'PHASE', 'IMAGES', 'BYTES'], ...runs], []),
    ...(plans.length === 0 ? [] : ['', formatTable([['SCHEDULED', 'ID', 'CRON', 'NEXT', 'LAST', ''], ...plans], [])]),
    ...(lasts.length === 0 ? [] : ['', formatTable([['BY COMMAND', 'ID', 'LAST', ''], ...lasts], [])]),
    ...problems.map(({ file, problem }) => printable(`not used as it is: ${file}: ${problem}`)),
  ].join('\n')
}

// What nobody knows the end of is no outcome.
function formatLast({ outcome, startedAt, counts }: Last, now: number): [last: string, failed: string] {
  const how = outcome === 'cutOff' ? 'was cut off' : outcome
  const failed = counts.failed === 0 ? '' : `${formatCount(counts.failed, 'image')} failed`
  return [`${how}, ${formatLeft(now - Date.parse(startedAt))} ago`, failed]
}

function formatNext(
  { nextAt, missedAt }: Pick<Status['scheduled'][number], 'nextAt' | 'missedAt'>,
  now: number,
): string {
  if (nextAt === null) return 'never'
  const missed = missedAt === null ? '' : `, missed ${formatLeft(now - Date.parse(missedAt))} ago`
  return `in ${formatLeft(Math.max(0, Date.parse(nextAt) - now))}${missed}`
}

function formatShare(bytes: number, total: number | undefined): string {
  return total === undefined ? formatBytes(bytes) : `${formatBytes(bytes)} of ${formatBytes(total)}`
}
