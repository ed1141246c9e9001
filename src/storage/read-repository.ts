// Everything that one repository's directory says, read tolerantly: for collection, verification and lists. Synchronous
// and read-only (see walk.ts). A link that is torn is told by its path, which says what it should have held.
import type { Digest } from '../oci/digest.ts'
import { ALGORITHMS, isDigest, joinDigest } from '../oci/digest.ts'
import type { RepositoryName } from '../oci/name.ts'
import type { Tag } from '../oci/reference.ts'
import { isTag } from '../oci/reference.ts'
import type { Layout } from './layout.ts'
import { childOf } from './layout.ts'
import type { Stamp } from './stamp.ts'
import { isNotThere, readTiny, statFile } from './stamp.ts'
import { isUploadId } from './upload-id.ts'
import type { UploadId } from './upload-id.ts'
import type { WalkReport } from './walk.ts'
import { isDirectory, readEntries } from './walk.ts'

export interface FoundLink {
  /** What the path says; for `_layers` the content may be another digest (an alias). */
  readonly digest: Digest
  /** What the file holds; undefined when it is torn (empty, or no digest). */
  readonly target: Digest | undefined
  /** Milliseconds since 1970 of its last change (ctime): when it came to this disk, or was last promised. */
  readonly changedAt: number
  /** Milliseconds since 1970 (mtime): when it was written, also before a tar. */
  readonly writtenAt: number
  /** Of its file, before it was read. */
  readonly stamp: Stamp
}

/** A directory of links by an algorithm that Tarn does not know (registry:2 takes sha384), in which something lies. */
export interface UnknownLinks {
  readonly path: string
  /** What those of its links hold that can be understood. */
  readonly targets: readonly Digest[]
}

export interface FoundTag {
  readonly tag: Tag
  /** `current/link`; undefined when it is missing or torn. */
  readonly target: Digest | undefined
  /** Whether `current/link` is there and torn; a tag directory without it is what an interrupted push leaves. */
  readonly torn: boolean
  readonly changedAt: number
  readonly writtenAt: number
  /** The digests that it ever pointed to, as its `index` directory says. */
  readonly history: readonly FoundLink[]
}

export interface FoundRepository {
  readonly name: RepositoryName
  readonly hasLayers: boolean
  readonly hasManifests: boolean
  readonly layers: readonly FoundLink[]
  readonly revisions: readonly FoundLink[]
  readonly tags: readonly FoundTag[]
  readonly uploads: readonly UploadId[]
  /** Below `_layers` and `revisions`; each is told as a stray too. */
  readonly unknown: readonly UnknownLinks[]
  /** Whether something in it was there and could not be read (an error of the system, not a torn file). */
  readonly unreadable: boolean
}

/** Reads one repository; strays and what cannot be read are told to `report`. */
export function readRepository(layout: Layout, name: RepositoryName, report: WalkReport): FoundRepository {
  let unreadable = false
  const inner: WalkReport = {
    onStray: (path) => report.onStray(path),
    onUnreadable(path, error) {
      unreadable = true
      report.onUnreadable(path, error)
    },
    onLeftover: (path, digest) => report.onLeftover?.(path, digest),
  }
  const top = new Set(readEntries(layout.repository(name), inner).map((entry) => entry.name))
  const unknown: UnknownLinks[] = []
  const layers = top.has('_layers') ? readLinks(layout.layers(name), inner, unknown) : []
  const revisions = top.has('_manifests') ? readLinks(layout.revisions(name), inner, unknown) : []
  const tags = top.has('_manifests') ? readTags(layout, name, inner) : []
  const uploads = top.has('_uploads') ? readUploads(layout, name, inner) : []
  return {
    name,
    hasLayers: top.has('_layers'),
    hasManifests: top.has('_manifests'),
    layers,
    revisions,
    tags,
    uploads,
    unknown,
    unreadable,
  }
}

function readTags(layout: Layout, name: RepositoryName, report: WalkReport): FoundTag[] {
  const directory = layout.tags(name)
  const tags: FoundTag[] = []
  for (const entry of readEntries(directory, report)) {
    const path = childOf(directory, entry.name)
    if (!isTag(entry.name) || !isDirectory(entry, path)) {
      report.onStray(path)
      continue
    }
    tags.push(readTag(layout, name, entry.name, report))
  }
  return tags
}

/** Reads one tag, whose directory may be missing. */
export function readTag(layout: Layout, name: RepositoryName, tag: Tag, report: WalkReport): FoundTag {
  const link = readLink(layout.tagLink(name, tag), report)
  return {
    tag,
    target: link?.target,
    torn: link !== undefined && link.target === undefined,
    changedAt: link?.changedAt ?? 0,
    writtenAt: link?.writtenAt ?? 0,
    history: readLinks(layout.tagIndex(name, tag), report),
  }
}

function readUploads(layout: Layout, name: RepositoryName, report: WalkReport): UploadId[] {
  const uploads: UploadId[] = []
  for (const { name: id } of readEntries(layout.uploads(name), report)) {
    if (isUploadId(id)) uploads.push(id)
    else report.onStray(childOf(layout.uploads(name), id))
  }
  return uploads
}

// `<directory>/<alg>/<hex>/link`. Directories without a link are what a deletion leaves.
function readLinks(directory: string, report: WalkReport, unknown: UnknownLinks[] = []): FoundLink[] {
  const found: FoundLink[] = []
  for (const entry of readEntries(directory, report)) {
    const algorithm = entry.name
    const path = childOf(directory, algorithm)
    if (!isKnown(algorithm)) {
      report.onStray(path)
      if (isUnknownAlgorithm(algorithm) && isDirectory(entry, path)) unknown.push(...readUnknown(path, report))
      continue
    }
    for (const { name: hex } of readEntries(path, report)) {
      const digest = joinDigest(algorithm, hex)
      const link = digest && readLink(childOf(childOf(path, hex), 'link'), report)
      if (digest === undefined) report.onStray(childOf(path, hex))
      else if (link !== undefined) found.push({ digest, ...link })
      else report.onLeftover?.(childOf(path, hex), digest)
    }
  }
  return found
}

function isKnown(algorithm: string): boolean {
  return ALGORITHMS.some((known) => known === algorithm)
}

/** Whether a directory of this name holds links by digests that Tarn does not know (image-spec "Digests", `algorithm`). */
export function isUnknownAlgorithm(name: string): boolean {
  return /^[a-z0-9]+(?:[+._-][a-z0-9]+)*$/.test(name) && !isKnown(name)
}

function readUnknown(path: string, report: WalkReport): UnknownLinks[] {
  const entries = readEntries(path, report)
  if (entries.length === 0) return []
  const links = entries.map(({ name }) => readLink(childOf(childOf(path, name), 'link'), report)?.target)
  return [{ path, targets: links.filter((target) => target !== undefined) }]
}

function readLink(path: string, report: WalkReport): Omit<FoundLink, 'digest'> | undefined {
  try {
    const facts = statFile(path)
    const text = facts && readTiny(path)
    if (facts === undefined || text === undefined) return undefined
    const target = isDigest(text) ? text : undefined
    return { target, changedAt: facts.changedAt, writtenAt: facts.writtenAt, stamp: facts.stamp }
  } catch (error) {
    if (!isNotThere(error)) report.onUnreadable(path, error as Error)
    return undefined
  }
}
