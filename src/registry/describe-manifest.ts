// A manifest with all that it names, and in what state each part is here: what lists and inspections show. Reads the
// directory past all caches, synchronously, and so belongs into a command's own process. Hashes manifests, not layers.
import type { Descriptor, Platform } from '../oci/descriptor.ts'
import type { Digest } from '../oci/digest.ts'
import { isDigest } from '../oci/digest.ts'
import type { Manifest } from '../oci/manifest.ts'
import type { RepositoryName } from '../oci/name.ts'
import type { Layout } from '../storage/layout.ts'
import { readManifestFile } from '../storage/read-manifest-file.ts'
import { readTiny, statFile } from '../storage/stamp.ts'

/**
 * `here`: linked and of the right size (whether its bytes are right is for `tarn check`). `not linked`: the bytes are here
 * for another repository, and this one does not serve them. `elsewhere`: not here, and it has urls to get it from.
 */
export type BlobState = 'here' | 'missing' | 'in trash' | 'wrong size' | 'not linked' | 'elsewhere' | 'broken'

export interface BlobNode {
  readonly digest: Digest
  readonly mediaType: string
  /** Bytes, as the manifest says; for schema 1, which does not, as the file has. */
  readonly size: number
  readonly state: BlobState
  /** The digest under which the bytes are stored, where a link says another one. */
  readonly storedAs?: Digest
  readonly annotations?: Readonly<Record<string, string>>
  readonly urls?: readonly string[]
}

export interface ManifestNode extends BlobNode {
  readonly kind?: Manifest['kind']
  readonly artifactType?: string
  readonly platform?: Platform
  readonly subject?: Digest
  readonly config?: BlobNode
  readonly layers: readonly BlobNode[]
  readonly children: readonly ManifestNode[]
}

// An index in an index in an index: more than any builder makes, and an end for what is made to have none.
const DEEPEST = 8

/** Describes the manifest `digest` of the repository with all below it. Never throws. */
export function describeManifest(layout: Layout, name: RepositoryName, digest: Digest): ManifestNode {
  return describe({ layout, name, known: new Map() }, digest)
}

interface Around {
  readonly layout: Layout
  readonly name: RepositoryName
  /**
   * What was read already, without what indexes say of it. Each manifest is read once, each index opened once: those that
   * name one another a thousand times have no end else.
   */
  readonly known: Map<Digest, ManifestNode>
}

// `by` is the descriptor in the index that names it.
function describe(around: Around, digest: Digest, by?: Descriptor, depth = 0): ManifestNode {
  const known = around.known.get(digest)
  if (known !== undefined) return nameBy(around, { ...known, children: [] }, by)
  const { manifest, ...node } = read(around, digest)
  if (depth < DEEPEST) around.known.set(digest, node)
  const children = depth < DEEPEST ? (manifest?.manifests ?? []) : []
  return nameBy(around, { ...node, children: children.map((one) => describe(around, one.digest, one, depth + 1)) }, by)
}

function read({ layout, name }: Around, digest: Digest): ManifestNode & { readonly manifest?: Manifest } {
  const stored = readLinkTo(layout.revisionLink(name, digest))
  const file = readManifestFile(layout, digest, stored ?? digest)
  const facts = sizeOf(layout.blobData(stored ?? digest))
  const base: ManifestNode = {
    digest,
    mediaType: file.state === 'read' ? file.manifest.mediaType : '',
    size: file.state === 'read' ? file.bytes.byteLength : (facts ?? 0),
    state: file.state === 'broken' ? 'broken' : stateOf(layout, stored, { digest, size: facts ?? 0 }),
    ...(stored !== undefined && stored !== digest && { storedAs: stored }),
    layers: [],
    children: [],
  }
  if (file.state !== 'read') return base
  const { manifest } = file
  const sizeUnknown = manifest.kind === 'schema1'
  return {
    ...base,
    manifest,
    kind: manifest.kind,
    ...(manifest.artifactType && { artifactType: manifest.artifactType }),
    ...(manifest.annotations && { annotations: manifest.annotations }),
    ...(manifest.subject && { subject: manifest.subject.digest }),
    ...(manifest.config && { config: describeBlob(layout, name, manifest.config) }),
    layers: manifest.layers.map((layer) => describeBlob(layout, name, layer, sizeUnknown)),
  }
}

// Adds what the index says of it.
function nameBy({ layout, name }: Around, node: ManifestNode, by: Descriptor | undefined): ManifestNode {
  if (by === undefined) return node
  const { digest } = node
  const stored = readLinkTo(layout.revisionLink(name, digest))
  const annotations = { ...by.annotations, ...node.annotations }
  const artifactType = node.artifactType ?? by.artifactType
  return {
    ...node,
    mediaType: node.mediaType || by.mediaType,
    size: node.size || by.size,
    state: node.state === 'broken' ? 'broken' : stateOf(layout, stored, { digest, size: by.size }),
    ...(by.platform && { platform: by.platform }),
    ...(artifactType && { artifactType }),
    ...(Object.keys(annotations).length > 0 && { annotations }),
  }
}

/** Every blob and manifest of the node, itself first, each digest once. */
export function listParts(node: ManifestNode): BlobNode[] {
  const parts = new Map<Digest, BlobNode>()
  const open = new Set<Digest>()
  const add = (one: ManifestNode): void => {
    if (open.has(one.digest)) return
    if (one.children.length + one.layers.length > 0) open.add(one.digest)
    for (const part of [one, ...(one.config ? [one.config] : []), ...one.layers]) {
      if (!parts.has(part.digest)) parts.set(part.digest, part)
    }
    for (const child of one.children) add(child)
  }
  add(node)
  return [...parts.values()]
}

/** `linux/arm64/v8`; '' where nothing is known. */
export function formatPlatform(platform: Platform | undefined): string {
  if (platform === undefined) return ''
  return [platform.os, platform.architecture, platform.variant].filter(Boolean).join('/')
}

function describeBlob(layout: Layout, name: RepositoryName, blob: Descriptor, sizeUnknown = false): BlobNode {
  const stored = readLinkTo(layout.layerLink(name, blob.digest))
  const actual = sizeOf(layout.blobData(stored ?? blob.digest))
  const size = sizeUnknown ? (actual ?? 0) : blob.size
  const state = stateOf(layout, stored, { digest: blob.digest, size })
  const urls = blob.urls ?? []
  return {
    digest: blob.digest,
    mediaType: blob.mediaType,
    size,
    state: urls.length > 0 && state === 'missing' ? 'elsewhere' : state,
    ...(stored !== undefined && stored !== blob.digest && { storedAs: stored }),
    ...(blob.annotations && { annotations: blob.annotations }),
    ...(urls.length > 0 && { urls }),
  }
}

function stateOf(
  layout: Layout,
  stored: Digest | undefined,
  { digest, size }: { readonly digest: Digest; readonly size: number },
): BlobState {
  const actual = sizeOf(layout.blobData(stored ?? digest))
  if (actual === undefined) return sizeOf(layout.blobTrash(stored ?? digest)) === undefined ? 'missing' : 'in trash'
  if (stored === undefined) return 'not linked'
  return actual === size ? 'here' : 'wrong size'
}

function sizeOf(path: string): number | undefined {
  try {
    return statFile(path)?.size
  } catch {
    return undefined
  }
}

function readLinkTo(path: string): Digest | undefined {
  try {
    const text = readTiny(path)
    return text !== undefined && isDigest(text) ? text : undefined
  } catch {
    return undefined
  }
}
