// `tarn retain`: applies retention.policies of the configuration now, through the running registry or in the directory
// itself. It removes tags; the bytes are freed by collection.
import { Command } from 'commander'
import type { RetentionReport } from '../registry/retention-report.ts'
import type { CommandContext } from './context.ts'
import { outputOf } from './context.ts'
import { configOption, readHome } from './home.ts'
import { EXIT } from './output.ts'
import { describeProblem } from './printable.ts'
import { watchProgress } from './progress.ts'
import { formatCount, formatTable } from './table.ts'

interface RetainOptions {
  readonly dryRun?: true
  readonly config?: string
}

const MOST_LINES = 200

/** `tarn retain`. */
export function retainCommand(context: CommandContext): Command {
  return new Command('retain')
    .description('remove the tags that no rule of retention.policies keeps')
    .option('--dry-run', 'tell what would be removed, and change nothing')
    .addOption(configOption())
    .action(async (options: RetainOptions, command: Command) => {
      await retain(options, command, context)
    })
}

async function retain(options: RetainOptions, command: Command, context: CommandContext): Promise<void> {
  const home = readHome(options, command, context)
  const output = outputOf(command, context)
  const progress = watchProgress(command, context)
  // Only here: other commands need neither the lock nor the API.
  const { reach } = await import('./reach.ts')
  const reached = await reach(home, context, { removes: options.dryRun !== true })
  let report: RetentionReport
  try {
    report = await reached.call('POST /retention', { dryRun: options.dryRun === true }, progress.onEvent)
  } finally {
    progress.end()
    await reached.close()
  }
  output.result(report, formatRetention(report))
  if (home.config.retention.policies.length === 0) {
    output.note('there are no retention.policies in the configuration: every tag is kept')
  }
  if (report.dryRun && options.dryRun !== true) {
    output.note('nothing was removed: retention.dryrun is set in the configuration')
  }
  for (const problem of report.problems) output.note(`warning: ${describeProblem(problem)}`)
  if (report.problems.length > 0) process.exitCode = EXIT.partly
}

/** What retention did, for people. */
export function formatRetention(report: RetentionReport): string {
  const { removed, tags, repositories, dryRun } = report
  const rows = removed.slice(0, MOST_LINES).map(({ repository, tag, pushed, lastPulled, why }) => {
    return [`${repository}:${tag}`, pushed.slice(0, 10), lastPulled?.slice(0, 10) ?? '', why]
  })
  const rest = removed.length - rows.length
  return [
    ...(rows.length === 0 ? [] : [formatTable([['tag', 'pushed', 'last pulled', 'why'], ...rows])]),
    ...(rest > 0 ? [`and ${rest} more; --json shows all`] : []),
    ...formatKept(report),
    `${dryRun ? 'would remove' : 'removed'} ${tags.removed} of ${formatCount(tags.seen, 'tag')} in ${formatCount(repositories.judged, 'repository', 'repositories')} that policies judge`,
    ...formatFreed(report),
  ].join('\n')
}

function formatKept({ keptBy: { rules, pinned, following, changed } }: RetentionReport): string[] {
  const kept = [
    ...rules.map(({ policy, rule, tags }) => [tags, `by rule ${rule} of policy ${policy}`] as const),
    [pinned, 'pinned'] as const,
    [following, 'because they belong to what stays'] as const,
    [changed, 'because they changed meanwhile'] as const,
  ].filter(([count]) => count > 0)
  return kept.length === 0 ? [] : [`kept: ${kept.map(([count, why]) => `${count} ${why}`).join(', ')}`]
}

// A tag takes no space. What it led to is collected only where untagged manifests are.
function formatFreed({ manifests: { untagged, collectable }, tags, dryRun }: RetentionReport): string[] {
  if (tags.removed === 0) return []
  const would = dryRun ? 'would lose' : 'lost'
  const stay = untagged - collectable
  return [
    `${formatCount(untagged, 'manifest')} ${would} the last tag`,
    ...(collectable > 0 ? [`the space of ${collectable} is freed by: tarn gc`] : []),
    ...(stay > 0 ? [`${stay} stay on the disk: set untaggedAfter in the policy, or run: tarn gc --untagged`] : []),
  ]
}
