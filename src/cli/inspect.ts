// `tarn inspect IMAGE`: everything about one image. Reads the directory, as `tarn ls` does.
import { Command } from 'commander'
import { Problem } from '../config/problem.ts'
import type { ImageReferrer } from '../registry/find-referrers.ts'
import type { ImageConfig, ImageDetails } from '../registry/inspect-image.ts'
import { choosePlatform, findImage, inspectImage, readConfigBytes, readRaw } from '../registry/inspect-image.ts'
import type { ManifestNode } from '../registry/describe-manifest.ts'
import { describeManifest, formatPlatform, listParts } from '../registry/describe-manifest.ts'
import { findPin, readPins } from '../storage/pins.ts'
import { Pulls } from '../storage/pulls.ts'
import type { CommandContext } from './context.ts'
import { outputOf } from './context.ts'
import { openDataDirectory } from './data-directory.ts'
import { configOption } from './home.ts'
import { describePart, makeImageTree, shortenDigest } from './image-tree.ts'
import { describeProblem, printable } from './printable.ts'
import { formatBytes, formatCount, formatTable, formatTree } from './table.ts'

interface InspectOptions {
  readonly raw?: true
  readonly imageConfig?: true
  readonly platform?: string
  readonly config?: string
}

/** `tarn inspect`. */
export function inspectCommand(context: CommandContext): Command {
  return new Command('inspect')
    .description('show an image: platforms, layers, annotations, signatures, who else holds it')
    .argument('<image>', 'repo:tag, repo@sha256:…, or repo, which means repo:latest')
    .option('--raw', 'print the manifest, byte for byte')
    .option('--image-config', 'print the configuration of the image, byte for byte')
    .option('--platform <os/arch>', 'of an index, the manifest for this platform')
    .addOption(configOption())
    .action(async (image: string, options: InspectOptions, command: Command) => {
      await inspect(image, options, command, context)
    })
}

async function inspect(
  text: string,
  options: InspectOptions,
  command: Command,
  context: CommandContext,
): Promise<void> {
  if (options.raw && options.imageConfig) {
    throw new Problem('--raw and --image-config are two different things', { hint: 'give one of them', exitCode: 2 })
  }
  const layout = openDataDirectory(options, command, context)
  const named = findImage(layout, text)
  const { platform } = options
  const choose = (): ManifestNode =>
    choosePlatform(layout, describeManifest(layout, named.name, named.digest), platform)
  const chosen = platform === undefined ? named.digest : choose().digest
  const image = chosen === named.digest ? named : { ...named, tag: undefined, digest: chosen }
  if (options.raw) return writeBytes(context, readRaw(layout, image))
  if (options.imageConfig) return writeBytes(context, readConfigBytes(layout, choose()))
  const { name, tag, digest } = image
  const pin = findPin(readPins(layout).pins, name, { digest, ...(tag === undefined ? {} : { tag }) })
  const details = inspectImage(layout, image, pin !== undefined)
  const pulls = new Pulls({ path: layout.pulls, clock: context.clock, writable: () => false })
  const times = { pushedAt: toTime(details.pushedAt), pulledAt: toTime(pulls.lastPulled(name, digest)) }
  const shown = { ...details, ...times }
  const output = outputOf(command, context)
  output.result(shown, formatDetails(tag === undefined ? `${name}@${digest}` : `${name}:${tag}`, shown))
  for (const problem of details.problems) output.note(`warning: ${describeProblem(problem)}`)
  if (details.manifest.state === 'here') return
  throw new Problem(`the manifest of ${text} is ${details.manifest.state}: it cannot be pulled`, {
    hint: `look closer: tarn check ${name}`,
  })
}

function toTime(time: number | undefined): string | undefined {
  return time === undefined ? undefined : new Date(time).toISOString()
}

// The process may end right after this: what a pipe has not taken yet must be waited for. A failure is
// seen to where the stream is looked after.
async function writeBytes({ stdout }: CommandContext, bytes: Uint8Array): Promise<void> {
  await new Promise<void>((resolve) => void stdout.write(bytes, () => resolve()))
}

interface ShownDetails extends Omit<ImageDetails, 'pushedAt'> {
  readonly pushedAt: string | undefined
  readonly pulledAt: string | undefined
}

function formatDetails(image: string, details: ShownDetails): string {
  const { manifest, digest, tags, configs, referrers, heldBy, pinned } = details
  const parts = listParts(manifest)
  const size = parts.reduce((sum, part) => sum + part.size, 0)
  const missing = parts.filter(({ state }) => state !== 'here' && state !== 'elsewhere')
  const rows = [
    ['image', image],
    ['digest', digest],
    ['media type', manifest.mediaType],
    ['artifact', manifest.artifactType],
    ['size', `${formatBytes(size)} in ${formatCount(parts.length, 'part')}`],
    ['tags', tags.join(', ')],
    ['pushed', details.pushedAt],
    ['last pulled', details.pulledAt],
    ['pinned', pinned ? 'yes' : undefined],
    ['subject', manifest.subject],
    [
      'part of',
      details.partOf.map((index) => [index.digest, ...index.tags.map((tag) => `:${tag}`)].join(' ')).join(', '),
    ],
    [
      'state',
      missing.length === 0
        ? 'here; bytes not read (tarn check does)'
        : `${formatCount(missing.length, 'part')} not here`,
    ],
    ...describeConfig(configs[digest]),
  ].flatMap(([key, value]) => (key === undefined || value === undefined || value === '' ? [] : [[key, value]]))
  const remark = ({ digest: part }: { digest: string }): string | undefined => {
    const holders = details.sharedParts[part as typeof digest]
    return holders && `also in ${nameSome(holders)}`
  }
  const options = { fullDigests: true, mediaTypes: true, remark }
  const sections = [
    formatTable(rows),
    formatTree(makeImageTree(describePart(manifest.kind ?? 'manifest', manifest, options), manifest, options)),
    formatSection(
      'annotations',
      Object.entries(manifest.annotations ?? {}).map(([key, value]) => `${key}=${value}`),
    ),
    ...manifest.children.map((child) => formatChild(child, configs[child.digest])),
    formatSection('referrers', referrers.map(describeReferrer)),
    formatSection(
      'the same manifest is in',
      heldBy.map(({ repository, tags: others }) => [repository, ...others.map((tag) => `:${tag}`)].join(' ')),
    ),
  ]
  return sections.filter((section) => section !== '').join('\n\n')
}

function formatChild({ platform, digest, annotations }: ManifestNode, config: ImageConfig | undefined): string {
  const notes = Object.entries(annotations ?? {}).map(([key, value]) => ['annotation', `${key}=${value}`] as const)
  const facts = [...describeConfig(config), ...notes]
  const lines = facts.flatMap(([key, value]) => (value === undefined ? [] : [`${key}: ${value}`]))
  return formatSection(formatPlatform(platform) || shortenDigest(digest), lines)
}

function describeConfig(config: ImageConfig | undefined): (readonly [string, string | undefined])[] {
  if (config === undefined) return []
  return [
    ['created', config.created],
    ['platform', [config.os, config.architecture, config.variant].filter(Boolean).join('/') || undefined],
    ['entrypoint', config.entrypoint && JSON.stringify(config.entrypoint)],
    ['command', config.cmd && JSON.stringify(config.cmd)],
    ['user', config.user],
    ...Object.entries(config.labels ?? {}).map(([key, value]) => ['label', `${key}=${value}`] as const),
  ]
}

function describeReferrer({ digest, artifactType, mediaType, size, tag, annotations }: ImageReferrer): string {
  const notes = Object.entries(annotations ?? {}).map(([key, value]) => `${key}=${value}`)
  const by = tag === undefined ? '' : `by tag ${tag}`
  return [artifactType || mediaType, digest, formatBytes(size), by, ...notes].filter(Boolean).join('  ')
}

function formatSection(title: string, lines: readonly string[]): string {
  return lines.length === 0 ? '' : [printable(title), ...lines.map((line) => `  ${printable(line)}`)].join('\n')
}

const SOME = 3

function nameSome(names: readonly string[]): string {
  const more = names.length - SOME
  return `${names.slice(0, SOME).join(', ')}${more > 0 ? ` and ${more} more` : ''}`
}
