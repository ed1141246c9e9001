// `tarn sync --status` and `--stop`: what the running registry syncs, when it does it next, and the end of it.
import type { Command } from 'commander'
import type { ReportOf } from '../http/api/routes.ts'
import type { CommandContext } from './context.ts'
import { outputOf } from './context.ts'
import { readHome } from './home.ts'
import { formatLeft } from './progress.ts'
import { printable } from './printable.ts'
import { formatBytes, formatCount, formatTable } from './table.ts'

type Status = ReportOf<'GET /sync'>

/** Prints what runs and what is planned. */
export async function showSyncStatus(
  options: { readonly config?: string },
  command: Command,
  context: CommandContext,
): Promise<void> {
  const output = outputOf(command, context)
  const home = readHome(options, command, context)
  const { reach } = await import('./reach.ts')
  const reached = await reach(home, context, { removes: false })
  try {
    const status = await reached.call('GET /sync', {})
    const served = reached.served ? [] : ['no registry runs here, so nothing is synced by itself']
    output.result(status, [...served, formatStatus(status, context.clock())].join('\n'))
  } finally {
    await reached.close()
  }
}

/** Ends the syncs that run, or the one of this id. */
export async function stopSyncs(
  id: string | undefined,
  options: { readonly config?: string },
  command: Command,
  context: CommandContext,
): Promise<void> {
  const output = outputOf(command, context)
  const home = readHome(options, command, context)
  const { reach } = await import('./reach.ts')
  const reached = await reach(home, context, { removes: false })
  try {
    const report = await reached.call('DELETE /sync', id === undefined ? {} : { id })
    const { stopped } = report
    output.result(report, stopped.length === 0 ? 'no sync runs' : `ending: ${stopped.map(printable).join(', ')}`)
  } finally {
    await reached.close()
  }
}

/** `now` in milliseconds since 1970. */
export function formatStatus({ running, scheduled, problems }: Status, now: number): string {
  const runs = running.map(({ name, by, isEnding, progress, ended, failed }) => [
    printable(name),
    isEnding ? 'ending' : by === 'schedule' ? 'by schedule' : 'by command',
    progress === undefined ? '' : progress.phase,
    `${ended}${progress?.total === undefined ? '' : `/${progress.total}`}${failed === 0 ? '' : `, ${failed} failed`}`,
    progress?.bytes === undefined ? '' : formatShare(progress.bytes, progress.totalBytes),
  ])
  const plans = scheduled.map(({ name, id, schedule, nextAt, isWaiting, last }) => [
    printable(name),
    printable(id),
    schedule,
    isWaiting ? 'waits for its window' : nextAt === null ? 'never' : `in ${formatLeft(Date.parse(nextAt) - now)}`,
    last === null ? 'never' : `${last.outcome}, ${formatLeft(now - Date.parse(last.startedAt))} ago`,
    last === null || last.counts.failed === 0 ? '' : `${formatCount(last.counts.failed, 'image')} failed`,
  ])
  return [
    runs.length === 0
      ? 'nothing is being synced'
      : formatTable([['SYNC', 'BEGUN', 'PHASE', 'IMAGES', 'BYTES'], ...runs], []),
    ...(plans.length === 0 ? [] : ['', formatTable([['SCHEDULED', 'ID', 'CRON', 'NEXT', 'LAST', ''], ...plans], [])]),
    ...problems.map(({ file, problem }) => printable(`not used as it is: ${file}: ${problem}`)),
  ].join('\n')
}

function formatShare(bytes: number, total: number | undefined): string {
  return total === undefined ? formatBytes(bytes) : `${formatBytes(bytes)} of ${formatBytes(total)}`
}
