// `tarn check`: reads everything and compares it with its digests, through the running registry or in the directory
// itself. What is wrong is told as it is found; the exit code says whether something still is.
import { resolve } from 'node:path'
import { Command } from 'commander'
import type { CheckReport, Finding } from '../registry/check.ts'
import type { CommandContext } from './context.ts'
import { collect, outputOf } from './context.ts'
import { configOption, readHome } from './home.ts'
import { EXIT } from './output.ts'
import { printable } from './printable.ts'
import { watchProgress } from './progress.ts'
import { formatBytes, formatCount } from './table.ts'

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
    .option(
      '--from <path>',
      'a data directory, a bundle or another tar of one, with good copies (can be given again)',
      collect,
    )
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
  const home = readHome(options, command, context)
  const { repair = false, fast = false, from = [] } = options
  const told = new Set<string>()
  const progress = watchProgress(command, context, (finding) => {
    // Something may still come of it.
    if (repair && finding.outcome === 'found') return undefined
    const line = describeFinding(finding)
    told.add(line)
    return line
  })
  // Only here: other commands need neither the lock nor the API.
  const { reach } = await import('./reach.ts')
  const reached = await reach(home, context, { removes: repair })
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
  outputOf(command, context).result(report, formatCheck(report, told))
  if (report.unrepaired > 0) process.exitCode = EXIT.notVerified
}

/** What a check found, for people: the findings whose lines were not `told` yet, and how much there was. */
export function formatCheck(
  { blobs, manifests, links, repositories, findings, unrepaired, ...facts }: CheckReport,
  told: ReadonlySet<string> = new Set(),
): string {
  const how = facts.fast ? 'looked at' : 'verified'
  const seen = [
    `${formatCount(blobs.checked, 'blob')} (${formatBytes(blobs.bytes)})`,
    formatCount(manifests.checked, 'manifest'),
    formatCount(links.checked, 'link'),
  ].join(', ')
  const where = formatCount(repositories.checked, 'repository', 'repositories')
  const lines = findings.map(describeFinding).filter((line) => !told.has(line))
  lines.push(`${how} ${seen} in ${where} in ${facts.seconds.toFixed(1)} s`)
  if (findings.length === 0) return [...lines, 'nothing is wrong'].join('\n')
  lines.push(`${formatCount(findings.length, 'finding')}, ${unrepaired} of them not repaired`)
  if (unrepaired > 0) lines.push(facts.repair ? REMAINDER : 'tarn check --repair heals what can be healed')
  return lines.join('\n')
}

const REMAINDER =
  'what is left: push the images again, or heal from a good copy: tarn check --repair --from PATH (a data directory or a tar of one)'

function describeFinding({ kind, path, repository, tag, digest, what, outcome, by }: Finding): string {
  const image = repository === undefined ? path : `${repository}${tag === undefined ? '' : `:${tag}`}`
  const where = digest === undefined || image.includes(digest) ? image : `${image} ${digest}`
  return printable([by === undefined ? outcome : `${outcome} (${by})`, kind, where, what].join('  '))
}
