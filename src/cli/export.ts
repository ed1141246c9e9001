// `tarn export IMAGE… DEST`: writes images as what other programs read. It reads the directory, as `tarn ls` does.
import { mkdirSync } from 'node:fs'
import { resolve } from 'node:path'
import { Command } from 'commander'
import { Problem } from '../config/problem.ts'
import type { LoadedConfig } from '../config/load.ts'
import type { CopyReport, ImageToCopy } from '../exchange/copied-image.ts'
import { copyImages } from '../exchange/copy-images.ts'
import { parseImageName } from '../exchange/image-name.ts'
import type { ImageTarget } from '../exchange/image-target.ts'
import { openFileTarget } from '../exchange/open-target.ts'
import type { Place } from '../exchange/place.ts'
import { parsePlace } from '../exchange/place.ts'
import { storeSource } from '../exchange/store-source.ts'
import { storeTarget } from '../exchange/store-target.ts'
import { writeSignatureMaps } from '../exchange/write-signatures.ts'
import type { Context } from '../registry/context.ts'
import type { Selection } from '../registry/select.ts'
import { selectImages } from '../registry/select.ts'
import { walkRevisions } from '../storage/read-tags.ts'
import type { CommandContext } from './context.ts'
import { collect, outputOf } from './context.ts'
import { exitCodeOf, formatCopied } from './copied.ts'
import { findDataDirectory } from './data-directory.ts'
import { configOption, readHome } from './home.ts'
import { EXIT } from './output.ts'
import { watchProgress } from './progress.ts'

export interface ExportOptions {
  readonly platform?: readonly string[]
  readonly referrers: boolean
  readonly dryRun?: true
  readonly config?: string
}

const USUAL_PLATFORM = 'linux/amd64'
const WRITTEN = 'oci:PATH[:NAME], oci-archive:FILE[:NAME], docker-archive:FILE[:NAME], dir:PATH, data:PATH'

/** `tarn export`. */
export function exportCommand(context: CommandContext): Command {
  return new Command('export')
    .description('write images as OCI layouts, archives of docker and podman, directories of oc, data directories')
    .argument(
      '<image...>',
      `repo, repo:tag or repo@sha256:…, globs too; and as the last word where they go: ${WRITTEN}`,
    )
    .option('--platform <platform>', 'of indexes only this platform, such as linux/amd64 (can be given again)', collect)
    .option('--no-referrers', 'leave out signatures, SBOMs and attestations')
    .option('--dry-run', 'tell what would be written, and write nothing')
    .addOption(configOption())
    .action(async (words: string[], options: ExportOptions, command: Command) => {
      await exportImages(words, options, command, context)
    })
}

async function exportImages(
  words: readonly string[],
  options: ExportOptions,
  command: Command,
  context: CommandContext,
): Promise<void> {
  const { place, selection } = readWords(words)
  const { dryRun = false } = options
  const home = readHome(options, command, context)
  const progress = watchProgress(command, context)
  // Only here: other commands need no store.
  const { openParts } = await import('../open-upkeep.ts')
  const { root: directory } = findDataDirectory(home)
  const { upkeep } = openParts(home.config, {
    directory,
    keeps: () => false,
    whyReadOnly: () => 'tarn export only reads',
    clock: context.clock,
    serving: false,
  })
  let report: CopyReport
  try {
    const images = rename(await findImages(upkeep.context, selection, words), place)
    const target = dryRun ? nowhere(place) : await openPlace(place, home, context)
    try {
      report = await copyImages({
        source: storeSource(upkeep.context, 'this registry'),
        target,
        images,
        ...settle(options, place),
        foresee: true,
        onProgress: progress.onEvent,
      })
      if (place.kind === 'dir' && !dryRun)
        await writeSignatureMaps(upkeep.context.store.layout, place.path, report.images)
    } catch (error) {
      await giveUp(target)
      throw error
    }
    // An archive of nothing would only be found to be that at its other end.
    await (report.counts.failed === images.length ? giveUp(target) : target.close())
  } finally {
    progress.end()
    await upkeep.close()
  }
  outputOf(command, context).result(report, formatCopied(report, dryRun))
  const code = exitCodeOf([report])
  if (code !== EXIT.done) process.exitCode = code
}

async function giveUp(target: ImageTarget): Promise<void> {
  await (target.discard === undefined ? target.close() : target.discard())
}

function readWords(words: readonly string[]): { readonly place: Place; readonly selection: Selection } {
  const last = words.at(-1) ?? ''
  const place = parsePlace(last)
  if (place === undefined || words.length < 2) {
    throw new Problem(`${last} does not say where to`, { hint: `the last word is one of: ${WRITTEN}`, exitCode: 2 })
  }
  return { place, selection: selectImages(words.slice(0, -1)) }
}

function settle({ platform, referrers, ...options }: ExportOptions, { kind }: Place) {
  const dryRun = options.dryRun === true
  // It holds one platform, and nothing that refers to an image.
  if (kind === 'docker-archive') return { platforms: platform ?? [USUAL_PLATFORM], referrers: false, dryRun }
  return { platforms: platform ?? ('all' as const), referrers, dryRun }
}

async function findImages({ store }: Context, selection: Selection, words: readonly string[]): Promise<ImageToCopy[]> {
  const found: ImageToCopy[] = []
  const matched = new Set<string>()
  const ignore = { onStray: () => undefined, onUnreadable: () => undefined }
  for await (const repository of store.repositories.names()) {
    const patterns = selection.of(repository)
    if (patterns.length === 0) continue
    for await (const tag of store.tags.list(repository)) {
      const meant = patterns.filter((pattern) => pattern.kind === 'repository' || pattern.matchesTag(tag))
      if (meant.length === 0) continue
      for (const { text } of meant) matched.add(text)
      found.push({ from: { repository, reference: { kind: 'tag', tag } }, to: { repository, tags: [tag] } })
    }
    for (const { digest } of patterns.some(({ kind }) => kind === 'digest')
      ? walkRevisions(store.layout, repository, ignore)
      : []) {
      const meant = patterns.filter((pattern) => pattern.matchesDigest(digest))
      if (meant.length === 0) continue
      for (const { text } of meant) matched.add(text)
      found.push({ from: { repository, reference: { kind: 'digest', digest } }, to: { repository, tags: [] } })
    }
  }
  const missing = words.slice(0, -1).filter((word) => !matched.has(word))
  if (missing.length === 0) return found
  throw new Problem(`${missing.join(', ')}: no such image here`, { hint: 'see what is here: tarn ls --tags' })
}

/** Gives the one image the name that stands in the place, where there is one. */
function rename(images: readonly ImageToCopy[], { kind, name, text }: Place): readonly ImageToCopy[] {
  if (name === undefined) return images
  const [only, ...others] = images
  if (only === undefined || others.length > 0) {
    throw new Problem(`${text} names one image, and ${images.length} are meant`, {
      hint: 'leave the name away: each image keeps its own',
      exitCode: 2,
    })
  }
  if (kind !== 'docker-archive') return [only]
  const { repository, tag } = parseImageName(name) ?? {}
  if (repository === undefined || tag === undefined)
    throw new Problem(`${JSON.stringify(name)} is no name of an image`, { hint: 'write REPO:TAG', exitCode: 2 })
  return [{ from: only.from, to: { repository, tags: [tag] } }]
}

async function openPlace(place: Place, home: LoadedConfig, { clock }: CommandContext): Promise<ImageTarget> {
  if (place.kind !== 'data') return openFileTarget(place)
  const directory = resolve(place.path)
  mkdirSync(directory, { recursive: true })
  const { openUpkeep } = await import('../open-upkeep.ts')
  const { storage } = home.config
  const config = {
    ...home.config,
    storage: { ...storage, filesystem: { ...storage.filesystem, rootdirectory: directory } },
  }
  const opened = await openUpkeep(config, { clock })
  return storeTarget(opened.upkeep.context, place.text, () => opened.close())
}

/** For a dry run: nothing is there, and nothing comes there. */
function nowhere({ text }: Place): ImageTarget {
  const none = async (): Promise<false> => false
  const nothing = async (): Promise<undefined> => undefined
  return {
    name: text,
    hasBlob: none,
    putBlob: async () => 'sent',
    hasManifest: none,
    putManifest: nothing,
    readTag: nothing,
    close: nothing,
  }
}
