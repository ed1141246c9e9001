// `tarn garbage-collect CONFIG [-m] [-d] [-q]`: collection as registry:2 spells it, for scripts and habits: all that is
// not needed goes at once. With a registry running, its leases hold and it says so.
import { Command } from 'commander'
import { formatDuration } from '../config/duration.ts'
import { loadConfig } from '../config/load.ts'
import type { CollectReport } from '../registry/collect.ts'
import type { CommandContext } from './context.ts'
import { outputOf } from './context.ts'
import { formatProblems } from './gc.ts'
import { describeHome } from './home.ts'
import { EXIT } from './output.ts'
import { watchProgress } from './progress.ts'
import { formatBytes, formatCount } from './table.ts'

interface GarbageCollectOptions {
  readonly deleteUntagged?: true
  readonly dryRun?: boolean
  readonly quiet?: boolean
}

/** `tarn garbage-collect`. */
export function garbageCollectCommand(context: CommandContext): Command {
  return new Command('garbage-collect')
    .description('gc as registry:2 spells it: nothing is spared for its age, nothing waits in the trash')
    .argument('[CONFIG]', 'config.yml; without it, found as by serve')
    .option('-m, --delete-untagged', 'collect manifests without a tag too')
    .option('-d, --dry-run', 'tell what would be collected, and change nothing')
    .option('-q, --quiet', 'say nothing but errors')
    .action(async (path: string | undefined, options: GarbageCollectOptions, command: Command) => {
      await collectGarbage(path, options, command, context)
    })
}

async function collectGarbage(
  path: string | undefined,
  { deleteUntagged, dryRun = false, quiet = false }: GarbageCollectOptions,
  command: Command,
  context: CommandContext,
): Promise<void> {
  const home = loadConfig({ env: process.env, ...(path === undefined ? {} : { path }) })
  const output = outputOf(command, context)
  output.note(describeHome(home))
  const progress = watchProgress(command, context)
  // Only here: other commands need neither the lock nor the API.
  const { reach } = await import('./reach.ts')
  const reached = await reach(home, context)
  let report: CollectReport
  try {
    const untagged = deleteUntagged === undefined ? {} : { untagged: true }
    report = await reached.call('POST /gc', { dryRun, ...untagged, olderThan: '0s', grace: '0s' }, progress.onEvent)
  } finally {
    progress.end()
    await reached.close()
  }
  const { blobs, manifests } = report
  // registry:2's own line, which scripts look for.
  const eligible = `${blobs.trashed} blobs and ${manifests.removed} manifests eligible for deletion`
  const { removed } = report
  const line = [
    ...removed.manifests.map((manifest) => `manifest eligible for deletion: ${manifest.replace(/^.*@/, '')}`),
    '',
    `${blobs.kept} blobs marked, ${eligible}`,
    ...removed.blobs.map((blob) => `blob eligible for deletion: ${blob}`),
  ].join('\n')
  output.result(report, quiet ? '' : line)
  if (reached.served) {
    const age = formatDuration(home.config.gc.lease)
    output.note(`the registry is running: what is younger than gc.lease (${age}) stays`)
  }
  if (!dryRun) output.note(`${formatCount(blobs.deleted, 'blob')}, ${formatBytes(blobs.deletedBytes)}, were deleted`)
  for (const text of formatProblems(report)) context.stderr.write(`${text}\n`)
  if (!report.complete) process.exitCode = EXIT.failed
}
