// `tarn import SOURCE… [REPO]`: takes images in from what other programs write, through the running registry or into the
// directory itself. The exit code says whether all of it is here.
import { Command } from 'commander'
import { listEntries, pathOf } from '../config/upstreams.ts'
import type { LoadedConfig } from '../config/load.ts'
import { Problem } from '../config/problem.ts'
import type { CopyReport, ImageToCopy } from '../exchange/copied-image.ts'
import { copyImages } from '../exchange/copy-images.ts'
import type { SourceImage } from '../exchange/image-source.ts'
import { listedSource } from '../exchange/with-fallback.ts'
import type { OpenedSource } from '../exchange/open-source.ts'
import { openSource } from '../exchange/open-source.ts'
import type { Place } from '../exchange/place.ts'
import { PLACE_KINDS, parsePlace } from '../exchange/place.ts'
import { planImport } from '../exchange/plan-import.ts'
import { recoverTags } from '../openshift/lost-tags.ts'
import type { CommandContext } from './context.ts'
import { collect, outputOf } from './context.ts'
import { exitCodeOf, formatCopied } from './copied.ts'
import { configOption, readHome } from './home.ts'
import { openHere, openTarget } from './image-target.ts'
import type { DataReport } from './import-data.ts'
import { formatData, importDataDirectory, isWholeData } from './import-data.ts'
import { describeReleases } from './imported-release.ts'
import { EXIT } from './output.ts'
import { watchProgress } from './progress.ts'
import type { Reached } from './reach.ts'
import { formatCount } from './table.ts'

export interface ImportOptions {
  readonly only?: readonly string[]
  readonly platform?: readonly string[]
  readonly referrers: boolean
  readonly dryRun?: true
  readonly fromDir?: string
  readonly config?: string
}

/** What became of one source. */
interface Imported {
  readonly source: string
  readonly copied?: CopyReport
  readonly data?: DataReport
  /** Signatures of releases that lay beside the images, and how many of them were new here. */
  readonly signatures: { readonly found: number; readonly added: number }
  /** What oc prints of a release that it mirrored. */
  readonly releases: readonly string[]
}

/** `tarn import`. */
export function importCommand(context: CommandContext): Command {
  return new Command('import')
    .description('take images in: archives of docker and podman, OCI layouts, oc’s directories, data directories')
    .argument(
      '<source...>',
      `where they are, and as the last word where they go (REPO, REPO:TAG or PREFIX/): ${PLACE_KINDS.map((kind) => `${kind}:PATH`).join(', ')}`,
    )
    .option('--only <glob>', 'only these images of the source: "openshift/release:4.18*" (can be given again)', collect)
    .option('--platform <platform>', 'of indexes only this platform, such as linux/amd64 (can be given again)', collect)
    .option('--no-referrers', 'leave out signatures, SBOMs and attestations')
    .option('--from-dir <dir>', 'as oc has it: where file://REPO[:TAG] lies')
    .option('--dry-run', 'read everything, tell what would come in, and change nothing')
    .addOption(configOption())
    .action(async (words: string[], options: ImportOptions, command: Command) => {
      await importImages(words, options, command, context)
    })
}

interface Asked {
  readonly place: Place
  readonly only: readonly string[]
}

/** Does it for `words`, as the command has them. */
export async function importImages(
  words: readonly string[],
  options: ImportOptions,
  command: Command,
  context: CommandContext,
): Promise<void> {
  // Wrong words are refused before anything is opened.
  const { asked, to } = readWords(words, options)
  const home = readHome(options, command, context)
  // Only here: other commands need neither the lock nor the API.
  const { reach } = await import('./reach.ts')
  const reached = await reach(home, context, { removes: options.dryRun !== true })
  const output = outputOf(command, context)
  const imported: Imported[] = []
  try {
    for (const each of asked) imported.push(await importOne(each, { to, options, command, context, home, reached }))
  } finally {
    await reached.close()
  }
  output.result(
    imported.length === 1 ? imported[0] : { sources: imported },
    imported.map((each) => format(each, options.dryRun === true)).join('\n\n'),
  )
  const code = Math.max(exitCodeOf(imported.flatMap(({ copied }) => copied ?? [])), codeOfData(imported))
  if (code !== EXIT.done) process.exitCode = code
}

function codeOfData(imported: readonly Imported[]): number {
  return imported.every(({ data }) => data === undefined || isWholeData(data)) ? EXIT.done : EXIT.partly
}

function readWords(
  words: readonly string[],
  { only = [], fromDir }: ImportOptions,
): { asked: readonly Asked[]; to: string | undefined } {
  const asked: Asked[] = []
  let to: string | undefined
  for (const [index, word] of words.entries()) {
    const file = /^file:\/\/\/?([^:@]+)(?::([\w.*-]+))?$/.exec(word)
    const place = file === null ? parsePlace(word) : undefined
    if (file !== null) {
      const [, repository = '', tag = '*'] = file
      asked.push({ place: { kind: 'dir', path: fromDir ?? '.', text: word }, only: [`${repository}:${tag}`] })
    } else if (place !== undefined)
      asked.push({ place, only: place.name === undefined ? only : [...only, `{${place.name},*:${place.name}}`] })
    else if (index === words.length - 1 && index > 0) to = word
    else {
      throw new Problem(`${word} does not say what it is`, {
        hint: `begin it with one of ${PLACE_KINDS.map((kind) => `${kind}:`).join(' ')}; images of a registry are fetched by: tarn sync`,
        exitCode: 2,
      })
    }
  }
  return { asked, to }
}

interface Surroundings {
  readonly to: string | undefined
  readonly options: ImportOptions
  readonly command: Command
  readonly context: CommandContext
  readonly home: LoadedConfig
  readonly reached: Reached
}

async function importOne({ place, only }: Asked, around: Surroundings): Promise<Imported> {
  const { to, options, command, context, reached } = around
  const { dryRun = false, platform } = options
  const nothing = { source: place.text, signatures: { found: 0, added: 0 }, releases: [] }
  const progress = watchProgress(command, context)
  try {
    // A whole data directory goes in as one stream, marks and histories with it.
    if (place.kind === 'data' && to === undefined && only.length === 0 && platform === undefined) {
      return { ...nothing, data: await importDataDirectory(place.path, { reached, dryRun, onEvent: progress.onEvent }) }
    }
    const opened = await openSource(place)
    try {
      const found = await listImages(opened)
      const upstreams = listEntries(around.home.config.mirror).map(({ entry }) => ({
        host: entry.host,
        path: pathOf(entry),
      }))
      const images = planImport(found, { only, to, source: place.text, upstreams })
      const copied = await copy(opened, found, images, { ...around, onProgress: progress.onEvent })
      const signatures = await storeSignatures(opened, around)
      progress.end()
      if (opened.partial && copied.counts.failed > 0) {
        outputOf(command, context).note(
          'an archive that holds only what is new needs what the ones before it brought: import those first, or put all into one directory',
        )
      }
      const releases =
        place.kind === 'dir' && !dryRun
          ? await describeReleases(listedSource(opened.source, found), copied, around)
          : []
      return { ...nothing, copied, signatures, releases }
    } finally {
      await opened.source.close()
    }
  } finally {
    progress.end()
  }
}

async function listImages({ source, untagged }: OpenedSource): Promise<readonly SourceImage[]> {
  const images: SourceImage[] = []
  for await (const image of source.images()) images.push(image)
  const lost = new Set(untagged)
  const kept = images.filter(({ repository }) => repository === undefined || !lost.has(repository))
  for (const repository of lost) {
    kept.push(
      ...(await recoverTags(
        source,
        repository,
        images.filter((image) => image.repository === repository),
      )),
    )
  }
  return kept
}

async function copy(
  { source, partial }: OpenedSource,
  found: readonly SourceImage[],
  images: readonly ImageToCopy[],
  {
    options,
    context,
    reached,
    onProgress,
  }: Surroundings & { readonly onProgress: (event: { phase: string; done: number }) => void },
): Promise<CopyReport> {
  const { dryRun = false, platform, referrers } = options
  const target = openTarget(reached, context.clock)
  const here = partial ? openHere(reached, context.clock) : undefined
  try {
    return await copyImages({
      source: listedSource(source, found, here && { source: here, images }),
      target,
      images,
      platforms: platform ?? 'all',
      referrers,
      dryRun,
      foresee: true,
      onProgress,
    })
  } finally {
    await here?.close()
    await target.close()
  }
}

async function storeSignatures(
  { signatures }: OpenedSource,
  { options, reached }: Surroundings,
): Promise<Imported['signatures']> {
  let added = 0
  for (const { digest, bytes } of options.dryRun === true ? [] : signatures) {
    const stored = await reached.call('POST /signatures', { digest, signature: bytes.toString('base64') })
    if (stored.added) added += 1
  }
  return { found: signatures.length, added }
}

function format({ copied, data, signatures, releases }: Imported, dryRun: boolean): string {
  const { found, added } = signatures
  return [
    ...(data === undefined ? [] : [formatData(data)]),
    ...(copied === undefined ? [] : [formatCopied(copied, dryRun)]),
    ...(found > 0 && !dryRun ? [`${formatCount(found, 'signature')} of releases beside them, ${added} new here`] : []),
    ...releases.flatMap((text) => ['', text]),
  ].join('\n')
}
