// `tarn bundle inspect`: what is in a bundle by its index, and what of that is new here. Blobs are not read: whether their
// bytes are right is for `tarn bundle verify`.
import { existsSync } from 'node:fs'
import { resolve } from 'node:path'
import { Command } from 'commander'
import { listArchives } from '../bundle/archive-files.ts'
import type { BundleBlob, BundleIndex } from '../bundle/bundle-index.ts'
import { carriedBytes } from '../bundle/bundle-index.ts'
import { formatTime } from '../bundle/index-file.ts'
import type { BundleHead } from '../bundle/read-bundle.ts'
import { readBundleHead } from '../bundle/read-bundle.ts'
import { findReceipt } from '../bundle/receipts.ts'
import { verifySignature } from '../bundle/signature.ts'
import { fingerprint } from '../bundle/ssh-key.ts'
import { loadCommandConfig } from '../config/load.ts'
import type { Digest } from '../oci/digest.ts'
import type { Layout } from '../storage/layout.ts'
import { createLayout } from '../storage/layout.ts'
import { readTiny, statFile } from '../storage/stamp.ts'
import { openArchive } from './archive-file.ts'
import type { CommandContext } from './context.ts'
import { outputOf } from './context.ts'
import { configOption } from './home.ts'
import { formatBytes, formatCount, formatTable } from './table.ts'

interface InspectOptions {
  readonly config?: string
}

interface InspectedTag {
  readonly image: string
  readonly digest: Digest
  /** Bytes of what the image's repository gets, and how much of that is not here. */
  readonly state: 'new' | 'moves' | 'here' | 'unknown'
}

interface Inspected {
  readonly file: string
  readonly id: string
  readonly sequence: number
  readonly created: string
  readonly part: number
  readonly parts: number
  readonly plainTar: boolean
  readonly signature: string
  readonly buildsOn: BundleIndex['buildsOn']
  readonly blobs: { readonly carried: number; readonly bytes: number; readonly needed: number }
  /** Against the data directory of the home; absent where there is none. */
  readonly here?: {
    readonly newBlobs: number
    readonly newBytes: number
    readonly lacking: number
    readonly applied: readonly number[]
  }
  readonly tags: readonly InspectedTag[]
}

/** `tarn bundle inspect FILE…`. */
export function bundleInspectCommand(context: CommandContext): Command {
  return new Command('inspect')
    .description('what is in a bundle, and what of it is new here; reads no more than its index')
    .argument('<file...>', 'parts, a directory of parts, or - for standard input')
    .addOption(configOption())
    .action(async (files: string[], { config }: InspectOptions, command: Command) => {
      const layout = findLayout(config)
      const seen = new Set<string>()
      const found: Inspected[] = []
      for (const file of listArchives(files)) {
        const head = await readBundleHead(openArchive(file, context).bytes)
        // All parts have the same index.
        if (seen.has(head.index.id)) continue
        seen.add(head.index.id)
        found.push(describe(file, head, layout))
      }
      outputOf(command, context).result({ bundles: found }, found.map(formatInspected).join('\n\n'))
    })
}

/** A bundle can be looked at where there is no registry. */
function findLayout(config: string | undefined): Layout | undefined {
  const loaded = loadCommandConfig({ env: process.env, ...(config !== undefined && { path: config }) })
  const layout = createLayout(resolve(loaded.config.storage.filesystem.rootdirectory))
  return existsSync(layout.root) ? layout : undefined
}

function describe(
  file: string,
  { index, part, signature, indexBytes }: BundleHead,
  layout: Layout | undefined,
): Inspected {
  const { id, sequence, parts, blobs, buildsOn } = index
  const carried = blobs.filter((blob) => blob.part > 0)
  return {
    file,
    id,
    sequence,
    created: formatTime(index.created),
    part,
    parts,
    plainTar: blobs.every(({ slices }) => slices === undefined),
    signature: signature === undefined ? 'unsigned' : fingerprint(verifySignature(indexBytes, signature)),
    buildsOn,
    blobs: { carried: carried.length, bytes: carriedBytes(blobs), needed: blobs.length - carried.length },
    ...(layout !== undefined && { here: compareWith(layout, index, carried) }),
    tags: listTags(index, layout),
  }
}

function compareWith(
  layout: Layout,
  index: BundleIndex,
  carried: readonly BundleBlob[],
): NonNullable<Inspected['here']> {
  const isMissing = ({ digest, size }: BundleBlob): boolean => statFile(layout.blobData(digest))?.size !== size
  const fresh = carried.filter(isMissing)
  return {
    newBlobs: fresh.length,
    newBytes: fresh.reduce((sum, { size }) => sum + size, 0),
    lacking: index.blobs.filter((blob) => blob.part === 0 && isMissing(blob)).length,
    applied: findReceipt(layout, index.id)?.applied ?? [],
  }
}

function listTags({ blobs, repositories }: BundleIndex, layout: Layout | undefined): InspectedTag[] {
  return repositories.flatMap(({ name, images }) =>
    images.flatMap(({ manifest, tags }): InspectedTag[] => {
      const digest = blobs[manifest]?.digest as Digest
      if (tags.length === 0) {
        const isHere = layout && statFile(layout.revisionLink(name, digest)) !== undefined
        return [
          { image: `${name}@${digest}`, digest, state: isHere === undefined ? 'unknown' : isHere ? 'here' : 'new' },
        ]
      }
      return tags.map((tag) => {
        const before = layout && readTiny(layout.tagLink(name, tag))
        const state =
          layout === undefined ? 'unknown' : before === digest ? 'here' : before === undefined ? 'new' : 'moves'
        return { image: `${name}:${tag}`, digest, state }
      })
    }),
  )
}

function formatInspected(one: Inspected): string {
  const { blobs, here, tags } = one
  const lines = [
    `${one.file}: bundle ${one.id.slice(0, 16)}, number ${one.sequence}, of ${one.created.slice(0, 10)}, part ${one.part} of ${one.parts}`,
    `signature: ${one.signature}`,
    `${formatCount(blobs.carried, 'blob')}, ${formatBytes(blobs.bytes)}${blobs.needed === 0 ? '' : `; ${blobs.needed} more must be here already`}`,
  ]
  if (!one.plainTar) lines.push('tar alone does not suffice: a blob is cut over its parts')
  for (const { kind, id, sequence } of one.buildsOn)
    lines.push(`builds on ${kind} ${id.slice(0, 16)}, number ${sequence}`)
  if (here !== undefined) {
    lines.push(`new here: ${formatCount(here.newBlobs, 'blob')}, ${formatBytes(here.newBytes)}`)
    if (here.lacking > 0)
      lines.push(`${formatCount(here.lacking, 'blob')} that it needs and does not bring are not here`)
    if (here.applied.length > 0) lines.push(`applied already: part ${here.applied.join(', ')} of ${one.parts}`)
  }
  const rows = tags.map(({ image, digest, state }) => [image, digest.slice(0, 19), state === 'unknown' ? '' : state])
  return [...lines, formatTable([['image', 'digest', ''], ...rows])].join('\n')
}
