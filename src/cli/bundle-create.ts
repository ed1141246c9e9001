// `tarn bundle create FILE [IMAGE…]`: writes images into a bundle, from a running registry or from a directory at rest.
import type { KeyObject } from 'node:crypto'
import { existsSync, statSync } from 'node:fs'
import { basename, dirname, join, resolve } from 'node:path'
import { Command } from 'commander'
import { readAgainst } from '../bundle/against.ts'
import { KEY_FILE, readBundleKey } from '../bundle/bundle-key.ts'
import { carriedBytes, isPlainTar } from '../bundle/bundle-index.ts'
import { sliceDigestsOf } from '../bundle/hash-slices.ts'
import { LATEST_TIME } from '../bundle/index-file.ts'
import { findLeftBeside } from '../bundle/left-beside.ts'
import type { ExactImages, PickOptions } from '../bundle/picked.ts'
import type { Plan } from '../bundle/plan.ts'
import { planBundle } from '../bundle/plan.ts'
import type { WrittenFile } from '../bundle/write-bundle.ts'
import { writeBundle } from '../bundle/write-bundle.ts'
import { parseBytes } from '../config/bytes.ts'
import type { LoadedConfig } from '../config/load.ts'
import { Problem } from '../config/problem.ts'
import { authDirectory } from './auth-directory.ts'
import { findSyncedHere, pickHere } from './bundle-pick.ts'
import { addTarn, findTarn } from './bundle-with-tarn.ts'
import type { CommandContext } from './context.ts'
import { collect, outputOf } from './context.ts'
import { configOption, readHome } from './home.ts'
import { readSyncFile } from './sync-file.ts'
import { EXIT } from './output.ts'
import { watchProgress } from './progress.ts'
import { formatBytes, formatCount } from './table.ts'

const MOST_LEFT = 3

interface CreateOptions {
  readonly sync?: readonly string[]
  readonly platform?: readonly string[]
  readonly referrers: boolean
  readonly keepTags?: true
  readonly against?: readonly string[]
  readonly sequence?: string
  readonly partSize?: string
  readonly zstd?: true
  readonly withTarn?: true | string
  readonly key?: string
  readonly config?: string
}

/** `tarn bundle create FILE [IMAGE…]`. */
export function bundleCreateCommand(context: CommandContext): Command {
  return new Command('create')
    .description('write images into a tar that any registry can unpack')
    .argument('<file>', 'the bundle: march.tar')
    .argument('[image...]', 'REPO, REPO:TAG or REPO@DIGEST, globs too (default: everything)')
    .option('--sync <file>', 'what the entries of this sync file mean, as it lies here (can be given again)', collect)
    .option(
      '--platform <platform>',
      'of indexes only the images for this one, as linux/arm64 (can be given again)',
      collect,
    )
    .option('--no-referrers', 'leave out signatures and whatever else refers to the images')
    .option('--keep-tags', 'tag the images of indexes too, so that garbage-collect -m of registry:2 keeps them')
    .option('--against <file>', 'leave out what this inventory or earlier bundle has (can be given again)', collect)
    .option('--sequence <number>', 'the number of the bundle (default: the last one of --against, and one more)')
    .option('--part-size <size>', 'cut it into files of this size, as 4GB')
    .option('--zstd', 'compress it (layers mostly are already)')
    .option(
      '--with-tarn [folder]',
      'put Tarn itself beside it, as npm run dist made it, with a README.txt for the far side',
    )
    .option('--key <file>', 'sign with this key (default: bundle.key beside the htpasswd file, when it is there)')
    .addOption(configOption())
    .action(async (file: string, images: string[], options: CreateOptions, command: Command) => {
      await create(file, images, options, command, context)
    })
}

async function create(
  file: string,
  images: readonly string[],
  options: CreateOptions,
  command: Command,
  context: CommandContext,
): Promise<void> {
  const { platform = [], referrers, keepTags = false, zstd = file.endsWith('.zst') } = options
  const output = outputOf(command, context)
  // What is wrong with these must not be found after hours.
  const path = checkTarget(file)
  const partSize = readPartSize(options.partSize)
  const created = readEpoch(process.env['SOURCE_DATE_EPOCH'])
  const home = readHome(options, command, context)
  const key = findKey(options.key, home)
  const entries = options.sync?.flatMap((name) => readSyncFile(name, (text) => output.note(text)).entries)
  const { withTarn } = options
  const tarn = withTarn === undefined ? undefined : findTarn(withTarn === true ? undefined : withTarn)
  const against = await readAgainst(options.against ?? [])
  const sequence = readSequence(options.sequence) ?? against.sequence + 1
  const progress = watchProgress(command, context)
  const synced = entries && (await findSyncedHere(home, entries, context.clock))
  const exact = synced?.images.map((one) => narrow(one, platform, referrers))
  const selection: PickOptions = { images, platforms: platform, referrers, keepTags, ...(exact && { exact }) }
  const here = await pickHere(home, selection, context.clock, progress.onEvent).finally(() => progress.end())
  try {
    const { layout } = here
    const picked = { ...here.picked, unmatched: [...here.picked.unmatched, ...(synced?.absent ?? [])] }
    for (const pattern of picked.unmatched) output.note(`warning: nothing here is called ${pattern}`)
    for (const { image, why } of picked.skipped) output.note(`left out: ${image}: ${why}`)
    const { known, buildsOn, hasImage } = against
    const facts = { known, buildsOn, hasImage, sequence, created, partSize }
    const plan = await planBundle(picked, facts, sliceDigestsOf(layout))
    const written = await writeBundle(plan, { path, zstd, key, layout, onProgress: progress.onEvent })
    progress.end()
    const beside =
      tarn === undefined ? [] : await addTarn(tarn, written, { isSigned: key !== undefined, index: plan.index })
    const own = written.map((one) => one.path)
    const left = findLeftBeside(path, own, key !== undefined)
    if (left.length > 0) output.note(describeLeft(left))
    const isWhole = picked.skipped.length === 0 && picked.unmatched.length === 0
    output.result({ ...describe(plan, written, key), beside, left }, [...beside, format(plan, written, key)].join('\n'))
    if (!isWhole) process.exitCode = EXIT.partly
  } finally {
    progress.end()
    await here.release()
  }
}

function describeLeft(left: readonly string[]): string {
  const [first, more] = [left.slice(0, MOST_LEFT), left.length - MOST_LEFT]
  const names = `${first.join(', ')}${more > 0 ? ` and ${more} more` : ''}`
  return `warning: left by an earlier bundle of this name, and no part of this one: ${names}; remove what you do not want to carry`
}

// What the command says of all images stands above what the file says of some.
function narrow(images: ExactImages, platforms: readonly string[], referrers: boolean): ExactImages {
  return {
    ...images,
    referrers: images.referrers && referrers,
    ...(platforms.length > 0 && { platforms }),
  }
}

function describe(plan: Plan, files: readonly WrittenFile[], key: KeyObject | undefined) {
  const { index } = plan
  const { id, sequence, created, parts, blobs, repositories } = index
  return {
    id,
    sequence,
    created: new Date(created * 1000).toISOString(),
    signed: key !== undefined,
    plainTar: isPlainTar(blobs),
    parts,
    images: repositories.reduce((sum, { images }) => sum + images.length, 0),
    repositories: repositories.length,
    blobs: { carried: plan.sources.size, needed: blobs.length - plan.sources.size },
    bytes: carriedBytes(blobs),
    files,
  }
}

function format(plan: Plan, files: readonly WrittenFile[], key: KeyObject | undefined): string {
  const { images, repositories, blobs, bytes, sequence, id, plainTar } = describe(plan, files, key)
  const lines = files.map(({ path, size, written }) => `${path}  ${formatBytes(size)}${written ? '' : '  was there'}`)
  const where = formatCount(repositories, 'repository', 'repositories')
  lines.push(
    `${formatCount(images, 'image')} of ${where} in ${formatCount(blobs.carried, 'blob')} (${formatBytes(bytes)})`,
  )
  if (blobs.needed > 0) lines.push(`${formatCount(blobs.needed, 'blob')} left out: the far side has them`)
  if (!plainTar) lines.push('a blob is cut: plain tar does not suffice, tarn bundle apply does')
  lines.push(
    `bundle ${sequence}, ${id.slice(0, 12)}, ${key === undefined ? 'unsigned (tarn bundle keygen makes a key)' : 'signed'}`,
  )
  return lines.join('\n')
}

function checkTarget(file: string): string {
  const path = resolve(file)
  const directory = statSync(dirname(path), { throwIfNoEntry: false })
  if (directory?.isDirectory() !== true) {
    throw new Problem(`there is no directory ${dirname(path)}`, {
      hint: `make it: mkdir -p ${dirname(path)}`,
      exitCode: 2,
    })
  }
  if (statSync(path, { throwIfNoEntry: false })?.isDirectory() === true) {
    throw new Problem(`${path} is a directory`, {
      hint: `name a file: ${join(file, `${basename(path)}.tar`)}`,
      exitCode: 2,
    })
  }
  return path
}

function findKey(named: string | undefined, home: LoadedConfig): KeyObject | undefined {
  if (named !== undefined) return readBundleKey(resolve(named))
  const usual = join(authDirectory(home), KEY_FILE)
  return existsSync(usual) ? readBundleKey(usual) : undefined
}

function readPartSize(text: string | undefined): number | undefined {
  if (text === undefined) return undefined
  const bytes = parseBytes(text)
  if (bytes !== undefined && bytes > 0) return bytes
  throw new Problem(`${JSON.stringify(text)} is no size of a part`, { hint: 'write it as 4GB or 650MiB', exitCode: 2 })
}

function readSequence(text: string | undefined): number | undefined {
  if (text === undefined) return undefined
  const number = /^\d{1,9}$/.test(text) ? Number(text) : 0
  if (number > 0) return number
  throw new Problem(`${JSON.stringify(text)} is no number of a bundle`, { hint: 'count from 1', exitCode: 2 })
}

// reproducible-builds.org, "SOURCE_DATE_EPOCH": seconds since 1970.
function readEpoch(text: string | undefined): number | undefined {
  if (text === undefined || text === '') return undefined
  const seconds = /^\d{1,11}$/.test(text) ? Number(text) : Infinity
  if (seconds <= LATEST_TIME) return seconds
  throw new Problem(`SOURCE_DATE_EPOCH is ${JSON.stringify(text)}, not a number of seconds since 1970`, {
    hint: 'unset it, or set it to the output of: date +%s',
    exitCode: 2,
  })
}
