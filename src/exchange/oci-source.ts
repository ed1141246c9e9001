// OCI image layouts (image-spec "Image Layout"), in a directory or in a tar, as a place to read images from; with the names
// that containerd, docker and hauler add to them.
import type { Descriptor } from '../oci/descriptor.ts'
import type { Digest } from '../oci/digest.ts'
import { algorithmOf, digestOf, hexOf, isDigest } from '../oci/digest.ts'
import type { Manifest } from '../oci/manifest.ts'
import { readManifest } from '../oci/manifest.ts'
import type { RepositoryName } from '../oci/name.ts'
import type { Tag } from '../oci/reference.ts'
import { isTag } from '../oci/reference.ts'
import { subjectTagOf } from '../oci/subject-tag.ts'
import { checkFile } from './check-file.ts'
import type { FileTree } from './file-tree.ts'
import { UnreadableTree, readSmall } from './file-tree.ts'
import type { ImageName } from './image-name.ts'
import { parseImageName } from './image-name.ts'
import type { ImageManifest, ImageSource, SourceImage } from './image-source.ts'

/** image-spec "Annotations", and what containerd calls an image. */
const REF_NAME = 'org.opencontainers.image.ref.name'
const FULL_NAME = 'io.containerd.image.name'
// hauler's, and cosign's where it saves to a layout: what an entry is about its image.
const KIND = 'kind'
const SUBJECT = 'hauler.dev/subject-digest'
const KINDS: Readonly<Record<string, string>> = { sigs: '.sig', atts: '.att', sboms: '.sbom' }
const ABOUT = /^dev\.(?:cosignproject\.cosign|hauler)\/(sigs|atts|sboms)(?:\/([0-9a-f]{64}))?$/

const LARGEST_INDEX = 64 * 1024 * 1024
const LARGEST_MANIFEST = 4 * 1024 * 1024
/** hauler puts everything there where its index.json is for containerd's eyes. */
const INDEXES = ['hauler-index.json', 'index.json']

/** Whether there is a layout. */
export async function isOciLayout(tree: FileTree): Promise<boolean> {
  return (await tree.size('index.json')) !== undefined
}

/** `name` is for messages. Closing it closes the tree. Throws an UnreadableTree when there is no layout. */
export async function ociSource(tree: FileTree, name: string): Promise<ImageSource> {
  const entries = await readIndex(tree, name)
  const named = new Map<string, Digest>()
  const referrers = new Map<Digest, Descriptor[]>()
  const images: SourceImage[] = []
  const listed = new Set<Digest>()
  for (const { descriptor, name: image } of entries) {
    const { digest } = descriptor
    if (image.tag !== undefined) {
      named.set(keyOf(image.repository, image.tag), digest)
      named.set(keyOf(undefined, image.tag), digest)
    }
    const subject = await findSubject(tree, descriptor)
    if (subject !== undefined) referrers.set(subject, [...(referrers.get(subject) ?? []), descriptor])
    // What is about another image comes with that.
    if (image.tag === undefined && (subject !== undefined || listed.has(digest))) continue
    listed.add(digest)
    const { host, repository, tag } = image
    images.push({ repository, digest, ...(host !== undefined && { host }), ...(tag !== undefined && { tag }) })
  }
  return {
    name,
    async *images() {
      yield* images
    },
    async readManifest(repository, reference) {
      const digest = reference.kind === 'digest' ? reference.digest : named.get(keyOf(repository, reference.tag))
      return digest === undefined ? undefined : readBlobManifest(tree, digest)
    },
    async openBlob(_repository, { digest }) {
      return tree.open(blobPath(digest))
    },
    checkBlob: (_repository, blob) => checkFile(tree, blobPath(blob.digest), blob),
    listReferrers: async (_repository, digest) => referrers.get(digest) ?? [],
    close: () => tree.close(),
  }
}

export function blobPath(digest: Digest): string {
  return `blobs/${algorithmOf(digest)}/${hexOf(digest)}`
}

/** A manifest that lies among the blobs of a tree; undefined when it does not. Throws when it has another digest. */
export async function readBlobManifest(tree: FileTree, digest: Digest): Promise<ImageManifest | undefined> {
  const bytes = await readSmall(tree, blobPath(digest), LARGEST_MANIFEST)
  if (bytes === undefined) return undefined
  if (digestOf(bytes, algorithmOf(digest)) !== digest)
    throw new UnreadableTree(`${tree.name}: the bytes of ${blobPath(digest)} have another digest`)
  return { bytes, digest, mediaType: readManifest(bytes).mediaType }
}

interface Entry {
  readonly descriptor: Descriptor
  readonly name: ImageName
}

async function readIndex(tree: FileTree, name: string): Promise<readonly Entry[]> {
  for (const file of INDEXES) {
    const bytes = await readSmall(tree, file, LARGEST_INDEX)
    if (bytes === undefined) continue
    const index = parseIndex(bytes, `${tree.name}: ${file}`)
    const images = new Map<string, Digest>()
    for (const { annotations = {}, digest } of index.manifests) {
      if (!ABOUT.test(annotations[KIND] ?? '')) images.set(textOf(annotations), digest)
    }
    return index.manifests.map((descriptor) => ({ descriptor, name: nameOf(descriptor, images) }))
  }
  throw new UnreadableTree(`${name} is no OCI layout: index.json is not in it`)
}

function parseIndex(bytes: Buffer, where: string): Manifest {
  try {
    const index = readManifest(bytes)
    if (index.kind === 'index') return index
  } catch (cause) {
    throw new UnreadableTree(`${where} is no index`, { cause })
  }
  throw new UnreadableTree(`${where} is no index`)
}

function textOf(annotations: Readonly<Record<string, string>>): string {
  return annotations[FULL_NAME] ?? annotations[REF_NAME] ?? ''
}

/** What an entry is called: by its full name where it has one, as cosign would where it is about another image. */
function nameOf({ annotations = {} }: Descriptor, images: ReadonlyMap<string, Digest>): ImageName {
  const text = textOf(annotations)
  const name = parseImageName(text) ?? parseImageName(annotations[REF_NAME] ?? '') ?? {}
  const [, kind = '', hex] = ABOUT.exec(annotations[KIND] ?? '') ?? []
  const ending = KINDS[kind]
  if (ending === undefined) return name
  const said = annotations[SUBJECT] ?? (hex === undefined ? images.get(text) : `sha256:${hex}`)
  const { tag: _tag, ...rest } = name
  const tag = said !== undefined && isDigest(said) ? `${subjectTagOf(said)}${ending}` : ''
  return isTag(tag) ? { ...rest, tag } : rest
}

function keyOf(repository: RepositoryName | undefined, tag: Tag): string {
  return `${repository ?? ''}:${tag}`
}

/** What an image manifest says that it is about; an index may say so too, and is not read for it. */
async function findSubject(tree: FileTree, { digest, size }: Descriptor): Promise<Digest | undefined> {
  if (size > LARGEST_MANIFEST) return undefined
  try {
    const found = await readBlobManifest(tree, digest)
    return found && readManifest(found.bytes).subject?.digest
  } catch {
    // It is told when the image is read.
    return undefined
  }
}
