// `tarn ls`: what is in the registry, how much room it takes, and where it was mirrored from. Reads the directory: it needs
// neither server nor lock, and works beside a running one and where nothing may be written.
import { dirname, resolve } from 'node:path'
import { Command, Option } from 'commander'
import { readHomeId } from '../config/home-id.ts'
import type { LoadedConfig } from '../config/load.ts'
import { Problem } from '../config/problem.ts'
import type { RepositoryName } from '../oci/name.ts'
import type { ListReport, ListedImage, ListedRepository } from '../registry/list-images.ts'
import { listImages } from '../registry/list-images.ts'
import { selectImages } from '../registry/select.ts'
import type { Layout } from '../storage/layout.ts'
import type { Marks } from '../storage/mirrored.ts'
import { readMarks } from '../storage/mirrored.ts'
import { Pulls } from '../storage/pulls.ts'
import type { CommandContext } from './context.ts'
import { outputOf } from './context.ts'
import { findDataDirectory } from './data-directory.ts'
import { configOption, readHome } from './home.ts'
import { makeImageTree, shortenDigest } from './image-tree.ts'
import { EXIT } from './output.ts'
import { describeProblem } from './printable.ts'
import { createProgress } from './progress.ts'
import { formatAge, formatBytes, formatCount, formatTable, formatTree } from './table.ts'

const ORDERS = ['name', 'size', 'tags', 'pulled', 'pushed'] as const

interface LsOptions {
  readonly tags?: true
  readonly untagged?: true
  readonly tree?: true
  readonly mirror?: true
  readonly sizes: boolean
  readonly sort: (typeof ORDERS)[number]
  readonly reverse?: true
  readonly config?: string
}

const MOST_PROBLEMS = 20
// So often at most: a terminal is slower than the directory.
const PROGRESS_EVERY = 100

/** `tarn ls`. */
export function lsCommand(context: CommandContext): Command {
  return new Command('ls')
    .description('list repositories, their tags, sizes on disk and last pulls')
    .argument('[pattern...]', 'repo, repo:tag or repo@sha256:…; globs in quotes: "ocp4/**", "ocp4/release:4.1*"')
    .option('--tags', 'a line for each tag')
    .option('--untagged', 'a line for each manifest without a tag too')
    .option('--tree', 'each tag with its platforms, configurations and layers')
    .option('--mirror', 'only what was mirrored: from where, and when its upstream was last asked')
    .option('--no-sizes', 'leave out sizes; quicker in a large registry')
    .addOption(new Option('--sort <by>', 'the order').choices(ORDERS).default('name'))
    .option('--reverse', 'the other way round')
    .addOption(configOption())
    .action((patterns: string[], options: LsOptions, command: Command) => {
      list(patterns, options, command, context)
    })
}

function list(patterns: readonly string[], options: LsOptions, command: Command, context: CommandContext): void {
  const home = readHome(options, command, context)
  const layout = findDataDirectory(home)
  const kinds = selectImages(patterns).patterns.map(({ kind }) => kind)
  const images =
    Boolean(options.tags ?? options.untagged ?? options.tree ?? options.mirror) ||
    kinds.some((kind) => kind !== 'repository')
  const pulls = new Pulls({ path: layout.pulls, clock: context.clock, writable: () => false })
  const { quiet = false, json = false } = command.optsWithGlobals<{ quiet?: boolean; json?: boolean }>()
  const progress = createProgress({ ...context, quiet: quiet || context.stderr.isTTY !== true })
  const report = listImages(layout, {
    patterns,
    images,
    untagged: options.untagged === true,
    sizes: options.sizes,
    lastPulled: (name, digest) => pulls.lastPulled(name, digest),
    ...(options.mirror && { marksOf: marksReader(layout, home) }),
    onProgress(phase, done, total) {
      if (done > 0 && done % PROGRESS_EVERY === 0) progress.update({ phase, done, total })
    },
  })
  progress.end()
  const sorted = { ...report, repositories: sortBy(report.repositories, options, ({ name }) => name) }
  const output = outputOf(command, context)
  const now = context.clock()
  if (json) output.result(toJson(sorted, options.tree === true), '')
  else if (options.tree) output.result({}, formatTrees(sorted))
  else output.result({}, images ? formatImages(sorted, options, now) : formatRepositories(sorted, options, now))
  sayTheRest(report, patterns, layout.root, output)
  if (patterns.length > 0 && report.repositories.length === 0) {
    const here = report.complete ? 'nothing' : 'nothing that can be read'
    throw new Problem(`${here} in ${layout.root} matches ${patterns.join(' ')}`, {
      hint: 'see what is here: tarn ls; write patterns in quotes, "**" for any repository',
    })
  }
  for (const text of report.missing) output.note(`warning: ${text} is not here`)
  if (!report.complete || report.missing.length > 0) process.exitCode = EXIT.failed
}

// Marks that another home set say nothing here: what came with a tar counts as pushed.
function marksReader(layout: Layout, { path }: LoadedConfig): (name: RepositoryName) => Marks {
  const id = readHomeId(path === undefined ? undefined : dirname(resolve(path)), layout.root, false)
  return (name) => readMarks(layout, name, id)
}

function sayTheRest(
  report: ListReport,
  patterns: readonly string[],
  directory: string,
  output: { note(text: string): void },
): void {
  const { repositories, tags, bytes, problems } = report
  if (repositories.length === 0 && patterns.length === 0) {
    output.note(`there are no repositories${problems.length > 0 ? ' that can be read' : ''} in ${directory}`)
  }
  const size = bytes === undefined ? '' : `, ${formatBytes(bytes)} on disk, each blob counted once`
  if (repositories.length > 1) {
    const counted = `${formatCount(repositories.length, 'repository', 'repositories')}, ${formatCount(tags, 'tag')}`
    output.note(`${counted}${size}`)
  }
  for (const problem of problems.slice(0, MOST_PROBLEMS)) output.note(`warning: ${describeProblem(problem)}`)
  if (problems.length > 0) output.note(`${formatCount(problems.length, 'problem')}; look closer: tarn check`)
}

interface Sortable {
  readonly tags?: number
  readonly bytes?: number
  readonly pulledAt: number | undefined
  readonly pushedAt: number | undefined
}

// What is largest or newest comes first.
function sortBy<T extends Sortable>(rows: readonly T[], { sort, reverse }: LsOptions, nameOf: (row: T) => string): T[] {
  const keys = {
    name: () => 0,
    size: (row: T) => row.bytes ?? 0,
    tags: (row: T) => row.tags ?? 0,
    pulled: (row: T) => row.pulledAt ?? 0,
    pushed: (row: T) => row.pushedAt ?? 0,
  }
  const key = keys[sort]
  const sorted = rows.toSorted((a, b) => key(b) - key(a) || (nameOf(a) < nameOf(b) ? -1 : 1))
  return reverse ? sorted.toReversed() : sorted
}

function formatRepositories({ repositories }: ListReport, { sizes }: LsOptions, now: number): string {
  if (repositories.length === 0) return ''
  const head = ['REPOSITORY', 'TAGS', ...(sizes ? ['SIZE', 'SHARED'] : []), 'PULLED', 'PUSHED']
  const rows = repositories.map((row) => [
    row.name,
    String(row.tags),
    ...(sizes ? formatSizes(row) : []),
    formatTime(row.pulledAt, now),
    formatTime(row.pushedAt, now),
  ])
  return formatTable([head, ...rows], sizes ? [1, 2, 3] : [1])
}

function formatImages({ repositories }: ListReport, options: LsOptions, now: number): string {
  const { sizes } = options
  const rows = repositories
    .flatMap(({ name, images }) => images.map((image) => ({ ...image, image: nameImage(name, image) })))
    .map((row) => ({ ...row, text: row.image }))
  if (rows.length === 0) return ''
  const origin = options.mirror ? ['UPSTREAM', 'CHECKED'] : []
  const head = ['IMAGE', 'DIGEST', 'KIND', ...(sizes ? ['SIZE', 'SHARED'] : []), 'PULLED', 'PUSHED', ...origin]
  const lines = sortBy(rows, options, ({ text }) => text).map((row) => [
    row.text,
    shortenDigest(row.digest),
    describeKind(row),
    ...(sizes ? formatSizes(row) : []),
    formatTime(row.pulledAt, now),
    formatTime(row.pushedAt, now),
    ...(row.mirrored ? [row.mirrored.upstream, formatTime(row.mirrored.checkedAt, now)] : []),
  ])
  return formatTable([head, ...lines], sizes ? [3, 4] : [])
}

function formatTrees({ repositories }: ListReport): string {
  const options = { fullDigests: false, mediaTypes: false }
  return repositories
    .flatMap(({ name, images }) =>
      images.map((image) => {
        const text = `${nameImage(name, image)}  ${shortenDigest(image.digest)}  ${describeKind(image)}`
        return formatTree(makeImageTree(text, image.node, options))
      }),
    )
    .join('\n')
}

function nameImage(name: string, { tag, digest }: ListedImage): string {
  return tag === undefined ? `${name}@${shortenDigest(digest)}` : `${name}:${tag}`
}

function describeKind({ node, platforms, state }: ListedImage): string {
  if (state !== 'here') return state.toUpperCase()
  if (node.kind === 'index') return platforms.length > 0 ? platforms.join(',') : 'index'
  return node.artifactType ?? (node.kind === 'schema1' ? 'schema 1' : 'image')
}

function formatSizes({ bytes = 0, sharedBytes = 0 }: Pick<ListedRepository, 'bytes' | 'sharedBytes'>): string[] {
  return [formatBytes(bytes), formatBytes(sharedBytes)]
}

function formatTime(time: number | undefined, now: number): string {
  return time === undefined ? '-' : `${formatAge(now - time)} ago`
}

function toJson(report: ListReport, withTrees: boolean): object {
  const repositories = report.repositories.map(({ pushedAt, pulledAt, images, ...row }) => ({
    ...row,
    ...toTimes({ pushedAt, pulledAt }),
    ...(images.length > 0 && {
      images: images.map(({ node, pushedAt: pushed, pulledAt: pulled, mirrored, ...image }) => ({
        ...image,
        ...toTimes({ pushedAt: pushed, pulledAt: pulled }),
        ...(mirrored && { mirrored: { upstream: mirrored.upstream, ...toTimes({ checkedAt: mirrored.checkedAt }) } }),
        ...(withTrees && { manifest: node }),
      })),
    }),
  }))
  return { ...report, repositories }
}

function toTimes(times: Readonly<Record<string, number | undefined>>): Record<string, string> {
  const known = Object.entries(times).flatMap(([key, time]) =>
    time === undefined ? [] : [[key, new Date(time).toISOString()] as const],
  )
  return Object.fromEntries(known)
}
