// What is in a data directory, repository by repository, for `tarn ls`: read from the directory at the time of the
// question, without lock and without server, also where nothing may be written. Synchronous: never in the server.
import { lstatSync, statSync } from 'node:fs'
import type { Digest } from '../oci/digest.ts'
import type { RepositoryName } from '../oci/name.ts'
import type { Tag } from '../oci/reference.ts'
import { findHeld } from '../storage/holders.ts'
import type { Marks, MirroredTag } from '../storage/mirrored.ts'
import type { Layout } from '../storage/layout.ts'
import { readManifestFile } from '../storage/read-manifest-file.ts'
import type { FoundRepository } from '../storage/read-repository.ts'
import { readRepository } from '../storage/read-repository.ts'
import type { WalkReport } from '../storage/walk.ts'
import { walkRepositories } from '../storage/walk.ts'
import type { Sizes } from './blob-sizes.ts'
import { BlobSizes } from './blob-sizes.ts'
import type { ManifestNode } from './describe-manifest.ts'
import { describeManifest, formatPlatform, listParts } from './describe-manifest.ts'
import type { ImagePattern, Selection } from './select.ts'
import { selectImages } from './select.ts'

export interface ListOptions {
  /** All repositories when there are none. */
  readonly patterns: readonly string[]
  /** Whether each tag is described too; the manifests are read for that. */
  readonly images: boolean
  /** Whether manifests without a tag, which no index names, are described with them. */
  readonly untagged: boolean
  /** Whether sizes are taken and compared with what all other repositories hold. */
  readonly sizes: boolean
  /** Milliseconds since 1970. */
  readonly lastPulled: (name: RepositoryName, digest: Digest) => number | undefined
  /** Lists only what was mirrored, by these marks. */
  readonly marksOf?: ((name: RepositoryName) => Marks) | undefined
  readonly onProgress?: (phase: string, done: number, total: number) => void
}

export interface ListedImage extends Partial<Sizes> {
  /** Undefined for a manifest without a tag. */
  readonly tag: Tag | undefined
  readonly digest: Digest
  readonly mediaType: string
  readonly platforms: readonly string[]
  readonly state: ManifestNode['state']
  readonly pushedAt: number
  readonly pulledAt: number | undefined
  /** Where it came from, when only what was mirrored is listed. */
  readonly mirrored?: Omit<MirroredTag, 'digest'>
  readonly node: ManifestNode
}

export interface ListedRepository extends Partial<Sizes> {
  readonly name: RepositoryName
  readonly tags: number
  readonly manifests: number
  readonly uploads: number
  /** When its newest link was written; times are milliseconds since 1970. */
  readonly pushedAt: number | undefined
  readonly pulledAt: number | undefined
  readonly images: readonly ListedImage[]
}

export interface ListReport {
  readonly repositories: readonly ListedRepository[]
  /** Of what is listed: with `images` the tags of these, else all of each repository. */
  readonly tags: number
  /** Of what is listed in the same way, each blob once; undefined when sizes were not asked for. */
  readonly blobs: number | undefined
  readonly bytes: number | undefined
  /** Patterns that match nothing, neither an image nor a tag that is torn. */
  readonly missing: readonly string[]
  readonly problems: readonly { readonly path: string; readonly what: string }[]
  /** False when something could not be read, so that there may be more than is listed. */
  readonly complete: boolean
}

/** Lists what the patterns select. Throws a Problem for a pattern that is none; what cannot be read is a problem of the report. */
export function listImages(layout: Layout, options: ListOptions): ListReport {
  const selection = options.patterns.length === 0 ? undefined : selectImages(options.patterns)
  const problems: { path: string; what: string }[] = []
  let complete = true
  const addProblem = (path: string, what: string): void =>
    void problems.push({ path: path.slice(layout.root.length + 1), what })
  const walking: WalkReport = {
    onStray(path) {
      const why = describeLostLink(path)
      if (why === undefined) return
      complete = false
      addProblem(path, why)
    },
    onUnreadable(path, error) {
      complete = false
      addProblem(path, error.message)
    },
  }
  const mustWalk = selection?.names === undefined || options.sizes
  const all = mustWalk ? [...walkRepositories(layout, walking)] : (selection.names ?? [])
  const usage = new BlobSizes(layout)
  const matched = new Set<ImagePattern>()
  const rows: { row: ListedRepository; held: readonly Digest[] }[] = []
  const others: RepositoryName[] = []
  for (const [done, name] of all.entries()) {
    options.onProgress?.('reading repositories', done, all.length)
    if (selection !== undefined && selection.of(name).length === 0) {
      others.push(name)
      continue
    }
    const found = readRepository(layout, name, walking)
    if (!found.hasLayers && !found.hasManifests && found.uploads.length === 0) continue
    for (const pattern of selection?.of(name) ?? []) if (isAnyWanted(found, pattern)) matched.add(pattern)
    for (const { tag, torn } of found.tags) {
      if (!torn || !isWanted(tag, selection?.of(name))) continue
      complete = false
      addProblem(layout.tagLink(name, tag), 'a torn tag')
    }
    const row = describeRepository(layout, found, selection, options)
    if (row === undefined) {
      others.push(name)
      continue
    }
    const held = options.sizes ? heldBy(found) : []
    usage.add(held)
    rows.push({ row, held })
  }
  const repositories = rows.map(({ row }) => row)
  const tags = options.images
    ? repositories.flatMap(({ images }) => images).filter(({ tag }) => tag !== undefined).length
    : repositories.reduce((sum, row) => sum + row.tags, 0)
  const missing = (selection?.patterns ?? []).filter((pattern) => !matched.has(pattern)).map(({ text }) => text)
  if (!options.sizes) return { repositories, tags, blobs: undefined, bytes: undefined, missing, problems, complete }

  for (const [done, name] of others.entries()) {
    options.onProgress?.('comparing with other repositories', done, others.length)
    usage.add(findHeld(layout, name, usage, walking))
  }
  return {
    repositories: rows.map(({ row, held }) => ({
      ...row,
      ...usage.measure(held),
      images: row.images.map((image) => ({
        ...image,
        ...usage.measure(listBlobs(image)),
      })),
    })),
    tags,
    ...usage.total(new Set(rows.flatMap(({ row, held }) => (options.images ? row.images.flatMap(listBlobs) : held)))),
    missing,
    problems,
    complete,
  }
}

function listBlobs({ node }: ListedImage): Digest[] {
  return listParts(node).map(({ digest, storedAs = digest }) => storedAs)
}

function isWanted(tag: Tag, patterns: readonly ImagePattern[] | undefined): boolean {
  return patterns?.some((pattern) => pattern.kind === 'repository' || pattern.matchesTag(tag)) ?? true
}

function isAnyWanted({ tags, revisions }: FoundRepository, pattern: ImagePattern): boolean {
  if (pattern.kind === 'repository') return true
  const isTag = tags.some(({ tag, target, torn }) => (target !== undefined || torn) && pattern.matchesTag(tag))
  return isTag || revisions.some(({ digest }) => pattern.matchesDigest(digest))
}

// Repositories may lie on another disk: a link to one that is not mounted is no reason to say that there is none.
function describeLostLink(path: string): string | undefined {
  try {
    if (lstatSync(path, { throwIfNoEntry: false })?.isSymbolicLink() !== true) return undefined
    return statSync(path, { throwIfNoEntry: false }) === undefined ? 'a link that leads nowhere' : undefined
  } catch (error) {
    return (error as Error).message
  }
}

function describeRepository(
  layout: Layout,
  found: FoundRepository,
  selection: Selection | undefined,
  { images, untagged, lastPulled, marksOf }: ListOptions,
): ListedRepository | undefined {
  const { name } = found
  const patterns = selection?.of(name) ?? []
  const isWhole = selection === undefined || patterns.some(({ kind }) => kind === 'repository')
  const tags = found.tags.flatMap(({ tag, target, writtenAt }) =>
    target === undefined ? [] : [{ tag, digest: target, pushedAt: writtenAt }],
  )
  const chosen = tags.filter(({ tag }) => isWhole || patterns.some((pattern) => pattern.matchesTag(tag)))
  const byDigest = found.revisions.filter(({ digest }) => patterns.some((pattern) => pattern.matchesDigest(digest)))
  if (!isWhole && chosen.length + byDigest.length === 0) return undefined
  const marks = marksOf?.(name)
  const describe = (one: Found): ListedImage => {
    const mirrored = marks && markOf(marks, one)
    const node = describeManifest(layout, name, one.digest)
    return {
      tag: one.tag,
      digest: one.digest,
      mediaType: node.mediaType,
      platforms: node.children.map(({ platform }) => formatPlatform(platform)).filter((text) => text !== ''),
      state: node.state,
      pushedAt: one.pushedAt,
      pulledAt: lastPulled(name, one.digest),
      ...(mirrored !== undefined && { mirrored }),
      node,
    }
  }
  const bare =
    untagged && isWhole
      ? findUntagged(layout, found)
      : byDigest.map(({ digest, writtenAt }) => ({ digest, pushedAt: writtenAt }))
  const wanted = [...chosen, ...bare].filter((one) => marks === undefined || markOf(marks, one) !== undefined)
  if (marks !== undefined && wanted.length === 0) return undefined
  return {
    name,
    tags: tags.length,
    manifests: found.revisions.length,
    uploads: found.uploads.length,
    pushedAt: newest([...found.revisions, ...found.tags].map(({ writtenAt }) => writtenAt)),
    pulledAt: newest(found.revisions.map(({ digest }) => lastPulled(name, digest) ?? 0)),
    images: images ? wanted.map(describe) : [],
  }
}

interface Found {
  readonly tag?: Tag
  readonly digest: Digest
  readonly pushedAt: number
}

// The mark of a tag counts while the tag leads to what was mirrored.
function markOf({ tags, manifests }: Marks, { tag, digest }: Found): ListedImage['mirrored'] {
  const { at, upstream } = manifests.get(digest) ?? {}
  if (tag === undefined) return at === undefined || upstream === undefined ? undefined : { upstream, checkedAt: at }
  const mark = tags.get(tag)
  return mark?.digest === digest ? { upstream: mark.upstream, checkedAt: mark.checkedAt } : undefined
}

function findUntagged(layout: Layout, { revisions, tags }: FoundRepository): { digest: Digest; pushedAt: number }[] {
  const named = new Set(tags.map(({ target }) => target))
  for (const { digest } of revisions) {
    const file = readManifestFile(layout, digest)
    if (file.state === 'read') for (const child of file.manifest.manifests) named.add(child.digest)
  }
  return revisions
    .filter(({ digest }) => !named.has(digest))
    .map(({ digest, writtenAt }) => ({ digest, pushedAt: writtenAt }))
}

function heldBy({ layers, revisions }: FoundRepository): Digest[] {
  const held = new Set<Digest>()
  for (const { target } of [...layers, ...revisions]) if (target !== undefined) held.add(target)
  return [...held]
}

function newest(times: readonly number[]): number | undefined {
  // Not Math.max(...times): a repository may hold more links than a call takes arguments.
  const time = times.reduce((latest, one) => Math.max(latest, one), 0)
  return time === 0 ? undefined : time
}
