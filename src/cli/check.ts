// `tarn check`: reads everything and compares it with its digests, through the running registry or in the directory
// itself. What is wrong is told as it is found; the exit code says whether something still is.
import { resolve } from 'node:path'
import { Command } from 'commander'
import type { CheckReport, Finding } from '../registry/check.ts'
import type { CommandContext } from './context.ts'
import { collect, outputOf } from './context.ts'
import { configOption, readHome } from './home.ts'
import { EXIT } from './output.ts'
import { watchProgress } from './progress.ts'
import { formatBytes, formatCount, formatTable } from './table.ts'

interface CheckOptions {
  readonly repair?: true
  readonly fast?: true
  readonly from?: readonly string[]
  readonly config?: string
}

/** `tarn check [REPO…]`. */
export function checkCommand(context: CommandContext): Command {
  return new Command('check')
    .description('verify every blob, manifest and link; exit code 4 when something is wrong and not repaired')
    .argument('[repository...]', 'only these, globs too (default: all)')
    .option('--repair', 'heal what can be healed: from the trash, another copy, --from; quarantine the rest')
    .option('--fast', 'compare sizes and links, without reading the blobs')
    .option('--from <path>', 'a data directory or bundle with good copies (can be given again)', collect)
    .addOption(configOption())
    .action(async (repositories: string[], options: CheckOptions, command: Command) => {
      await check(repositories, options, command, context)
    })
}

async function check(
  repositories: readonly string[],
  options: CheckOptions,
  command: Command,
  context: CommandContext,
): Promise<void> {
  const home = readHome(options)
  const { repair = false, fast = false, from = [] } = options
  const progress = watchProgress(command, context, (event) => describeFinding(event).join('  '))
  // Only here: other commands need neither the lock nor the API.
  const { reach } = await import('./reach.ts')
  const reached = await reach(home, context)
  let report: CheckReport
  try {
    // The registry runs in a directory of its own.
    const sources = from.map((path) => resolve(path))
    const asked = { repair, fast, repositories: [...repositories], from: sources }
    report = await reached.call('POST /check', asked, progress.onEvent)
  } finally {
    progress.end()
    await reached.close()
  }
  outputOf(command, context).result(report, formatCheck(report))
  if (report.unrepaired > 0) process.exitCode = EXIT.notVerified
}

/** What a check found, for people. */
export function formatCheck({
  blobs,
  manifests,
  links,
  repositories,
  findings,
  unrepaired,
  ...facts
}: CheckReport): string {
  const how = facts.fast ? 'looked at' : 'verified'
  const seen = [
    `${formatCount(blobs.checked, 'blob')} (${formatBytes(blobs.bytes)})`,
    formatCount(manifests.checked, 'manifest'),
    formatCount(links.checked, 'link'),
  ].join(', ')
  const where = formatCount(repositories.checked, 'repository', 'repositories')
  const lines = [`${how} ${seen} in ${where} in ${facts.seconds.toFixed(1)} s`]
  if (findings.length === 0) return [...lines, 'nothing is wrong'].join('\n')
  lines.push('', formatTable([['outcome', 'kind', 'where', 'what'], ...findings.map(describeFinding)]), '')
  lines.push(`${formatCount(findings.length, 'finding')}, ${unrepaired} of them not repaired`)
  if (unrepaired > 0 && !facts.repair) lines.push('tarn check --repair heals what can be healed')
  return lines.join('\n')
}

function describeFinding({ kind, path, repository, tag, digest, what, outcome, by }: Finding): string[] {
  const image = repository === undefined ? path : `${repository}${tag === undefined ? '' : `:${tag}`}`
  const where = digest === undefined || image.includes(digest) ? image : `${image} ${digest}`
  return [by === undefined ? outcome : `${outcome} (${by})`, kind, where, what]
}
