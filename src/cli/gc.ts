// `tarn gc`: collects what nothing needs any more, through the running registry or in the directory itself, and says
// what and how much.
import { Command } from 'commander'
import { formatDuration } from '../config/duration.ts'
import type { CollectReport } from '../registry/collect.ts'
import { parseAge } from './age.ts'
import type { CommandContext } from './context.ts'
import { outputOf } from './context.ts'
import { configOption, readHome } from './home.ts'
import { EXIT } from './output.ts'
import { describeProblem } from './printable.ts'
import { watchProgress } from './progress.ts'
import { formatBytes, formatCount, formatTable } from './table.ts'

interface GcOptions {
  readonly dryRun?: true
  readonly untagged?: true
  readonly olderThan?: number
  readonly grace?: number
  readonly config?: string
}

const MOST_PROBLEMS = 20
const MOST_NAMED = 50

/** `tarn gc`. */
export function gcCommand(context: CommandContext): Command {
  return new Command('gc')
    .description('collect the blobs and links that nothing needs any more; the registry goes on serving')
    .option('--dry-run', 'tell what would be collected, and change nothing')
    .option('--untagged', 'collect manifests without a tag too, as gc.untagged of the configuration does')
    .option('--older-than <time>', 'take only what is older, such as 36h or 7d (default: gc.lease)', parseAge)
    .option('--grace <time>', 'how long it lies in the trash before it is deleted (default: gc.grace)', parseAge)
    .addOption(configOption())
    .action(async (options: GcOptions, command: Command) => {
      await collect(options, command, context)
    })
}

async function collect(options: GcOptions, command: Command, context: CommandContext): Promise<void> {
  const home = readHome(options, command, context)
  const { dryRun, untagged, olderThan, grace } = options
  const output = outputOf(command, context)
  const progress = watchProgress(command, context)
  // Only here: other commands need neither the lock nor the API.
  const { reach } = await import('./reach.ts')
  const reached = await reach(home, context, { removes: dryRun !== true })
  let report: CollectReport
  try {
    const asked = {
      dryRun: dryRun === true,
      ...(untagged === undefined ? {} : { untagged }),
      ...(olderThan === undefined ? {} : { olderThan: formatDuration(olderThan) }),
      ...(grace === undefined ? {} : { grace: formatDuration(grace) }),
    }
    report = await reached.call('POST /gc', asked, progress.onEvent)
  } finally {
    progress.end()
    await reached.close()
  }
  output.result(report, formatCollect(report))
  const { lease, grace: usual } = home.config.gc
  if (reached.served && olderThan !== undefined && olderThan < lease) {
    output.note(`the registry is running: what is younger than gc.lease (${formatDuration(lease)}) stays`)
  }
  const { waiting } = report
  if (waiting.blobs > 0) {
    const until = waiting.until === undefined ? '' : `, until ${formatTime(new Date(waiting.until))} at the latest`
    output.note(
      `${formatCount(waiting.blobs, 'blob')}, ${formatBytes(waiting.bytes)}, that nothing needs any more stay as long as a client may rely on them (gc.lease, ${formatDuration(lease)}${until})`,
    )
  }
  const waits = grace ?? usual
  if (!report.dryRun && report.trash.bytes > 0 && waits > 0) {
    const until = new Date(Date.parse(report.startedAt) + report.seconds * 1000 + waits)
    const size = formatBytes(report.trash.bytes)
    output.note(`${size} lie in the trash until ${formatTime(until)}; tarn gc --grace 0s deletes them now`)
  }
  if (!report.complete) process.exitCode = EXIT.failed
}

function formatTime(time: Date): string {
  return `${time.toISOString().slice(0, 16).replace('T', ' ')} UTC`
}

/** What a collection did, for people. */
export function formatCollect(report: CollectReport): string {
  const { repositories, manifests, links, blobs, dryRun } = report
  const [would, were] = dryRun ? ['would go', 'would be'] : ['went', 'were']
  const row = (name: string, seen: number, gone: number): string[] => [name, `${seen}`, `${seen - gone}`, `${gone}`]
  const table = [
    ['', 'seen', 'kept', 'collected'],
    row('repositories', repositories.seen, repositories.removed),
    row('manifests', manifests.seen, manifests.removed),
    row('links', links.seen, links.removed),
    ['blobs', `${blobs.seen}`, `${blobs.kept}`, `${blobs.trashed}`],
  ]
  const lines = [
    formatTable(table, [1, 2, 3]),
    `${formatCount(blobs.trashed, 'blob')}, ${formatBytes(blobs.trashedBytes)} of ${formatBytes(blobs.bytes)}, ${would} into the trash`,
    `${formatCount(blobs.deleted, 'blob')}, ${formatBytes(blobs.deletedBytes)}, ${were} deleted from it`,
  ]
  lines.push(...nameRemoved(report))
  if (blobs.restored > 0) lines.push(`${formatCount(blobs.restored, 'blob')} ${were} given back from it`)
  if (repositories.left > 0) {
    lines.push(
      `${formatCount(repositories.left, 'repository', 'repositories')} changed meanwhile: left for the next time`,
    )
  }
  return [...lines, ...formatProblems(report)].join('\n')
}

// Blobs say nothing to a person; --json has them.
function nameRemoved({ removed, dryRun }: CollectReport): string[] {
  const names = [...removed.repositories.map((name) => `${name} (whole)`), ...removed.manifests]
  if (names.length === 0) return []
  const rest = names.length - MOST_NAMED
  return [
    dryRun ? 'would be collected:' : 'collected:',
    ...names.slice(0, MOST_NAMED).map((name) => `  ${name}`),
    ...(rest > 0 ? [`  and ${rest} more; --json shows all`] : []),
  ]
}

/** A line for each thing that could not be read, the first of many. */
export function formatProblems({ problems, complete }: Pick<CollectReport, 'problems' | 'complete'>): string[] {
  if (problems.length === 0) return []
  const head = complete
    ? `${formatCount(problems.length, 'problem')}; what could depend on it was kept:`
    : `${formatCount(problems.length, 'problem')}; no blob was taken, since not everything could be looked at:`
  const rest = problems.length - MOST_PROBLEMS
  return [
    head,
    ...problems.slice(0, MOST_PROBLEMS).map((problem) => `  ${describeProblem(problem)}`),
    ...(rest > 0 ? [`  and ${rest} more; --json shows all`] : []),
  ]
}
