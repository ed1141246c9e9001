// `tarn rm IMAGE…`: removes tags, manifests, repositories, through the running registry or in the directory itself. It
// shows first what goes, and asks; space is freed by `tarn gc`.
import { Command } from 'commander'
import { Problem } from '../config/problem.ts'
import type { RemoveReport, RemovedFrom } from '../registry/remove-images.ts'
import { selectImages } from '../registry/select.ts'
import { confirm } from './confirm.ts'
import type { CommandContext } from './context.ts'
import { outputOf } from './context.ts'
import { configOption, readHome } from './home.ts'
import { shortenDigest } from './image-tree.ts'
import type { Output } from './output.ts'
import { EXIT } from './output.ts'
import { describeProblem, printableLines } from './printable.ts'
import { formatBytes, formatCount } from './table.ts'

interface RmOptions {
  readonly dryRun?: true
  readonly yes?: true
  readonly config?: string
}

/** What carries out the removal: the running registry, or this process on the directory. */
export type Remove = (patterns: readonly string[], options: { readonly dryRun: boolean }) => Promise<RemoveReport>

const MOST_LINES = 40

/** `tarn rm`. */
export function rmCommand(context: CommandContext): Command {
  return new Command('rm')
    .description('remove tags, manifests or whole repositories; what is pinned or needed by something else stays')
    .argument('<image...>', 'repo:tag, repo@sha256:…, or repo for all of it; globs in quotes: "ocp4/release:4.1*"')
    .option('--dry-run', 'tell what would be removed, and change nothing')
    .option('--yes', 'do not ask')
    .addOption(configOption())
    .action(async (patterns: string[], options: RmOptions, command: Command) => {
      const output = outputOf(command, context)
      // Wrong words are refused before anything is opened.
      selectImages(patterns)
      requireTerminal(options, context)
      const home = readHome(options, command, context)
      // Only here: other commands need neither the lock nor the API.
      const { reach } = await import('./reach.ts')
      const reached = await reach(home, context, { removes: options.dryRun !== true })
      try {
        const act: Remove = (images, { dryRun }) => reached.call('POST /rm', { images: [...images], dryRun })
        await remove(act, patterns, { ...options, output, context })
      } finally {
        await reached.close()
      }
    })
}

function requireTerminal({ dryRun, yes }: RmOptions, { stdin }: CommandContext): void {
  if (dryRun || yes || stdin.isTTY === true) return
  throw new Problem('there is no terminal to ask whether to remove', {
    hint: 'see what would go with --dry-run; to remove without being asked: --yes',
    exitCode: 2,
  })
}

interface Surroundings extends RmOptions {
  readonly output: Output
  readonly context: CommandContext
}

/** Removes what the patterns select, having asked where that is to be done. Sets the exit code. */
export async function remove(act: Remove, patterns: readonly string[], around: Surroundings): Promise<void> {
  const { output, context, dryRun, yes } = around
  const mustAsk = !dryRun && !yes
  let report = await act(patterns, { dryRun: dryRun === true || mustAsk })
  let shown = ''
  // What is asked about may have grown meanwhile by a push; it is the same patterns that the person said yes to.
  if (mustAsk && !isEmpty(report)) {
    shown = formatRemoved(report)
    context.stderr.write(`${printableLines(shown)}\n`)
    if (!(await confirm(formatQuestion(report), context))) {
      output.note('nothing was removed')
      process.exitCode = EXIT.failed
      return
    }
    report = await act(patterns, { dryRun: false })
  }
  output.result(report, isEmpty(report) ? '' : formatResult(report, shown))
  finish(report, output)
}

function finish(report: RemoveReport, output: Output): void {
  const { refused, missing, problems, dryRun } = report
  for (const problem of problems) output.note(`warning: ${describeProblem(problem)}`)
  if (!dryRun && !isEmpty(report)) output.note('the space is freed by: tarn gc')
  const failures = [
    ...refused.map(({ image, why }) => `${image} ${why === 'pinned' ? 'is pinned' : 'is part of an index that stays'}`),
    ...missing.map((text) => `${text} is not here`),
  ]
  if (failures.length === 0) return
  const hint = refused.some(({ why }) => why === 'pinned')
    ? 'to let go of it: tarn pin --remove IMAGE'
    : refused.length > 0
      ? 'remove the index first: tarn inspect IMAGE shows which'
      : 'see what is here: tarn ls --tags'
  throw new Problem(failures.join('; '), { hint, exitCode: isEmpty(report) ? EXIT.failed : EXIT.partly })
}

function isEmpty({ repositories }: RemoveReport): boolean {
  return repositories.length === 0
}

// What was shown with the question is not told again.
function formatResult(report: RemoveReport, shown: string): string {
  const verb = report.dryRun ? 'would remove' : 'removed'
  const list = formatRemoved(report)
  return `${list === shown ? '' : `${list}\n`}${verb} ${formatCounts(report)}; a collection then frees ${formatBytes(report.freeable.bytes)}`
}

function formatQuestion(report: RemoveReport): string {
  return `Remove ${formatCounts(report)}, ${formatBytes(report.freeable.bytes)}?`
}

function formatCounts({ tags, manifests, repositories }: RemoveReport): string {
  const whole = repositories.filter((one) => one.whole).length
  const where = formatCount(repositories.length, 'repository', 'repositories')
  const what = `${formatCount(tags, 'tag')}, ${formatCount(manifests, 'manifest')} in ${where}`
  return whole === 0 ? what : `${what} (${whole === repositories.length ? 'whole' : `${whole} of them whole`})`
}

function formatRemoved({ repositories }: RemoveReport): string {
  const lines = repositories.flatMap(describeRemoved)
  const rest = lines.length - MOST_LINES
  return [...lines.slice(0, MOST_LINES), ...(rest > 0 ? [`and ${rest} more; --json shows all`] : [])].join('\n')
}

function describeRemoved({ name, whole, tags, manifests }: RemovedFrom): string[] {
  if (whole)
    return [
      `${name}  the whole repository: ${formatCount(tags.length, 'tag')}, ${formatCount(manifests.length, 'manifest')}`,
    ]
  return [...tags.map((tag) => `${name}:${tag}`), ...manifests.map((digest) => `${name}@${shortenDigest(digest)}`)]
}
