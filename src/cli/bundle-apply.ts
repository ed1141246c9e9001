// `tarn bundle apply`: takes bundles in, part after part, through the running registry or in the directory itself. The exit
// code says whether all of it is here.
import { renameSync, writeFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { Command } from 'commander'
import { listArchives } from '../bundle/archive-files.ts'
import type { ApplyReport } from '../bundle/apply-bundle.ts'
import { takeInventory, writeInventory } from '../bundle/inventory.ts'
import { Problem } from '../config/problem.ts'
import type { Layout } from '../storage/layout.ts'
import { openArchive } from './archive-file.ts'
import type { CommandContext } from './context.ts'
import { outputOf } from './context.ts'
import { findDataDirectory } from './data-directory.ts'
import { configOption, readHome } from './home.ts'
import { EXIT } from './output.ts'
import { watchProgress } from './progress.ts'
import { formatBytes, formatCount } from './table.ts'

interface ApplyCommandOptions {
  readonly dryRun?: true
  readonly requireSignature?: true
  readonly receipt?: string
  readonly config?: string
}

type Reported = ApplyReport & { readonly file: string }

const MOST_NAMED = 20

/** `tarn bundle apply FILE…`. */
export function bundleApplyCommand(context: CommandContext): Command {
  return new Command('apply')
    .description('take bundles in: every byte verified, tags last, nothing at all of a file that has a flaw')
    .argument('<file...>', 'parts in any order, a directory of parts, or - for standard input')
    .option('--dry-run', 'verify all of it and tell what would come, and change nothing')
    .option('--require-signature', 'refuse what nobody in auth/allowed_signers signed')
    .option('--receipt <file>', 'write what is here afterwards, for: tarn bundle create --against FILE')
    .addOption(configOption())
    .action(async (files: string[], options: ApplyCommandOptions, command: Command) => {
      await apply(files, options, command, context)
    })
}

async function apply(
  files: readonly string[],
  options: ApplyCommandOptions,
  command: Command,
  context: CommandContext,
): Promise<void> {
  const home = readHome(options, command, context)
  const { dryRun = false, requireSignature = false, receipt } = options
  const paths = listArchives(files)
  const output = outputOf(command, context)
  // Only here: other commands need neither the lock nor the API.
  const { reach } = await import('./reach.ts')
  const reached = await reach(home, context, { removes: !dryRun })
  const reports: Reported[] = []
  // A file with a flaw is no reason to leave the others; whatever else is wrong is wrong for all of them.
  const failed: unknown[] = []
  try {
    for (const file of paths) {
      const progress = watchProgress(command, context)
      try {
        const asked = { dryRun, requireSignature }
        const report = await reached.call('POST /bundle', asked, progress.onEvent, openArchive(file, context))
        reports.push({ file, ...report })
      } catch (error) {
        failed.push(nameFile(error, file, paths.length))
        if (!isFlaw(error)) break
      } finally {
        progress.end()
      }
    }
  } finally {
    await reached.close()
  }
  // What kept the files behind it from being looked at is worse than a flaw that was found.
  const worst = failed.find((error) => !isFlaw(error)) ?? failed[0]
  if (worst !== undefined && reports.length === 0 && failed.length === 1) throw worst
  if (receipt !== undefined && !dryRun) writeReceipt(receipt, findDataDirectory(home))
  const told = dryRun ? foreseeAll(reports) : reports
  output.result({ files: told }, formatApplied(told))
  for (const error of failed) if (error !== worst) output.note(`error: ${(error as Error).message}`)
  if (worst !== undefined) throw worst
  if (lastOfEach(told).some(({ waiting, heldBack }) => waiting.length > 0 || heldBack.length > 0)) {
    process.exitCode = EXIT.partly
  }
}

/** Whether it says that something is wrong with one file, so that others may be right. */
function isFlaw(error: unknown): boolean {
  return error instanceof Problem && error.exitCode === EXIT.notVerified
}

/** A dry run takes nothing, so that each part is alone: what one waits for and another that was given brings does not wait. */
function foreseeAll(reports: readonly Reported[]): Reported[] {
  return reports.map((report) => {
    const { id, parts } = report.bundle
    // The same content cut otherwise has the same id.
    const own = reports.filter(({ bundle }) => bundle.id === id && bundle.parts === parts)
    const given = new Set(own.map(({ bundle }) => bundle.part))
    if (given.size < parts) return report
    const waiting = report.waiting.filter(({ part }) => part === 0)
    return { ...report, waiting, images: { ...report.images, here: report.images.all - waiting.length } }
  })
}

/** The inventory of what is here now, in the place of an earlier one. */
function writeReceipt(file: string, layout: Layout): void {
  const path = resolve(file)
  const taken = takeInventory(layout, { onStray: () => undefined, onUnreadable: () => undefined })
  writeFileSync(`${path}.partial`, writeInventory(taken))
  renameSync(`${path}.partial`, path)
}

// Of several the reader must know which.
function nameFile(error: unknown, file: string, count: number): unknown {
  if (!(error instanceof Problem) || count === 1) return error
  const { message, hint, exitCode } = error
  return new Problem(`${file}: ${message}`, { exitCode, cause: error, ...(hint !== undefined && { hint }) })
}

/** What bundles brought, for people. */
export function formatApplied(reports: readonly Reported[]): string {
  const lines = reports.map((report) => formatFile(report))
  for (const report of lastOfEach(reports)) {
    const own = reports.filter(({ bundle }) => bundle.id === report.bundle.id)
    const tags = own.reduce((sum, one) => sum + one.repositories.reduce((part, { set }) => part + set.length, 0), 0)
    lines.push(...formatBundle(report, tags))
  }
  return lines.join('\n')
}

function formatFile({ file, blobs, bundle, dryRun, seconds, signature }: Reported): string {
  const verb = dryRun ? 'would come in' : 'came in'
  const signed =
    signature.state === 'unsigned'
      ? 'unsigned'
      : signature.state === 'signed'
        ? `signed by ${signature.key}, whom no auth/allowed_signers names`
        : `signed by ${signature.signer}`
  return [
    `${file}: part ${bundle.part} of ${bundle.parts}, number ${bundle.sequence}, ${signed}`,
    `  ${formatCount(blobs.added, 'blob')} (${formatBytes(blobs.addedBytes)}) ${verb}, ${blobs.here} were here, ${formatBytes(blobs.bytes)} verified in ${seconds.toFixed(1)} s`,
  ].join('\n')
}

function formatBundle({ images, waiting, heldBack, dryRun }: ApplyReport, tags: number): string[] {
  const lines = [
    `${images.here} of ${formatCount(images.all, 'image')} ${dryRun ? 'would be' : 'are'} here, ${formatCount(tags, 'tag')} ${dryRun ? 'would be set' : 'set'}`,
  ]
  if (waiting.length > 0) {
    const parts = [...new Set(waiting.map(({ part }) => part))].toSorted((a, b) => a - b)
    const forWhat = parts
      .map((part) => (part === 0 ? 'what an earlier bundle was to bring' : `part ${part}`))
      .join(', ')
    lines.push(`${waiting.length} of ${formatCount(images.all, 'image')} wait for ${forWhat}:`)
    for (const { repository, tags: names, digest, missing } of waiting.slice(0, MOST_NAMED)) {
      lines.push(
        `  ${repository}${names.length === 0 ? `@${digest}` : `:${names.join(', :')}`}  (${missing} is missing)`,
      )
    }
    if (waiting.length > MOST_NAMED) lines.push(`  and ${waiting.length - MOST_NAMED} more; --json shows all`)
  }
  for (const { repository, tag, sequence } of heldBack) {
    lines.push(`${repository}:${tag} stays as bundle number ${sequence} set it`)
  }
  return lines
}

/** The last report of each bundle: the earlier ones knew less. */
function lastOfEach<Report extends ApplyReport>(reports: readonly Report[]): Report[] {
  return [...new Map(reports.map((report) => [report.bundle.id, report])).values()]
}
