// OCI image layouts (image-spec "Image Layout"), in a directory or in a new tar, as a place to put images into. An image is
// listed under `repository:tag`, unless one name for it is given.
import type { Descriptor } from '../oci/descriptor.ts'
import type { Digest } from '../oci/digest.ts'
import type { Manifest } from '../oci/manifest.ts'
import { readManifest, requiredBlobs } from '../oci/manifest.ts'
import { OCI_INDEX } from '../oci/media-type.ts'
import type { RepositoryName } from '../oci/name.ts'
import type { Tag } from '../oci/reference.ts'
import type { FileTree } from './file-tree.ts'
import { readSmall } from './file-tree.ts'
import type { ImageManifest } from './image-source.ts'
import type { ImageTarget } from './image-target.ts'
import { blobPath, readBlobManifest } from './oci-source.ts'
import type { TreeWriter } from './tree-writer.ts'

const REF_NAME = 'org.opencontainers.image.ref.name'
const LARGEST_INDEX = 64 * 1024 * 1024
const LAYOUT = '{"imageLayoutVersion":"1.0.0"}'

interface Entry {
  readonly mediaType: string
  readonly digest: Digest
  readonly size: number
  readonly annotations?: Readonly<Record<string, string>>
}

export interface OciTargetOptions {
  readonly writer: TreeWriter
  /** What is there already: the same directory. */
  readonly before?: FileTree
  /** In place of `repository:tag`; for one image. */
  readonly refName?: string
  readonly name: string
}

/** Closing it writes the index: until then nobody sees what was put. */
export async function ociTarget({ writer, before, refName, name }: OciTargetOptions): Promise<ImageTarget> {
  const earlier = before === undefined ? [] : await readEntries(before)
  const known = before === undefined ? new Set<Digest>() : await findKnown(before, writer, earlier)
  const tagged = new Map<string, Entry>()
  const untagged = new Map<Digest, Entry>()
  const children = new Set<Digest>()
  const labelOf = (repository: RepositoryName, tag: Tag): string => refName ?? `${repository}:${tag}`
  const hasBlob = async ({ digest, size }: Pick<Descriptor, 'digest' | 'size'>): Promise<boolean> =>
    (await writer.size(blobPath(digest))) === size
  return {
    name,
    hasBlob: (_repository, blob) => hasBlob(blob),
    async putBlob(_repository, blob, open) {
      const bytes = await open()
      try {
        await writer.write(blobPath(blob.digest), bytes)
      } finally {
        bytes.destroy()
      }
      return 'sent'
    },
    hasManifest: async (_repository, digest) => known.has(digest),
    async putManifest(repository, manifest, tag) {
      await writer.write(blobPath(manifest.digest), manifest.bytes)
      known.add(manifest.digest)
      for (const child of readManifest(manifest.bytes).manifests) children.add(child.digest)
      if (tag === undefined) untagged.set(manifest.digest, entryOf(manifest))
      else tagged.set(labelOf(repository, tag), entryOf(manifest, labelOf(repository, tag)))
    },
    async readTag(repository, tag) {
      const label = labelOf(repository, tag)
      return (tagged.get(label) ?? earlier.find((entry) => entry.annotations?.[REF_NAME] === label))?.digest
    },
    async close() {
      const kept = earlier.filter(({ annotations }) => !tagged.has(annotations?.[REF_NAME] ?? ''))
      const named = new Set([...tagged.values(), ...kept].map(({ digest }) => digest))
      // Children are found through their index; what refers to an image is found by its place in this list.
      const loose = [...untagged.values()].filter(({ digest }) => !children.has(digest) && !named.has(digest))
      const manifests = [...kept, ...tagged.values(), ...loose].toSorted((a, b) => compare(orderOf(a), orderOf(b)))
      await writer.write('oci-layout', Buffer.from(LAYOUT))
      const index = JSON.stringify({ schemaVersion: 2, mediaType: OCI_INDEX, manifests })
      await writer.write('index.json', Buffer.from(index))
      await writer.close()
      await before?.close()
    },
    async discard() {
      await writer.discard()
      await before?.close()
    },
  }
}

function entryOf({ bytes, digest, mediaType }: ImageManifest, label?: string): Entry {
  return {
    mediaType,
    digest,
    size: bytes.byteLength,
    ...(label !== undefined && { annotations: { [REF_NAME]: label } }),
  }
}

function orderOf({ annotations, digest }: Entry): string {
  return `${annotations?.[REF_NAME] ?? '\uffff'} ${digest}`
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}

async function readEntries(tree: FileTree): Promise<readonly Entry[]> {
  const bytes = await readSmall(tree, 'index.json', LARGEST_INDEX)
  return bytes === undefined ? [] : readManifest(bytes).manifests
}

/** The manifests that are there with all their blobs. */
async function findKnown(tree: FileTree, writer: TreeWriter, entries: readonly Entry[]): Promise<Set<Digest>> {
  const known = new Set<Digest>()
  const seen = new Set<Digest>()
  const queue = entries.map(({ digest }) => digest)
  for (let digest = queue.shift(); digest !== undefined; digest = queue.shift()) {
    if (seen.has(digest)) continue
    seen.add(digest)
    // What is damaged is written anew.
    const found = await readBlobManifest(tree, digest).catch(() => undefined)
    const manifest: Manifest | undefined = found && readManifest(found.bytes)
    if (manifest === undefined) continue
    queue.push(...manifest.manifests.map((child) => child.digest))
    const sizes = await Promise.all(requiredBlobs(manifest).map((blob) => writer.size(blobPath(blob.digest))))
    if (requiredBlobs(manifest).every((blob, index) => sizes[index] === blob.size)) known.add(digest)
  }
  return known
}
