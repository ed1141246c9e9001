// Which images of a repository a bundle is to begin from: by patterns, or by names that a sync file means. What comes with them
// is for pick-repository.ts.
import type { Digest } from '../oci/digest.ts'
import type { Manifest } from '../oci/manifest.ts'
import type { Tag } from '../oci/reference.ts'
import type { ImagePattern } from '../registry/select.ts'
import { compare } from '../storage/repositories.ts'
import type { MomentRepository } from './moment.ts'
import type { ExactImages, PickOptions } from './picked.ts'

export interface RepositoryWish {
  /** Undefined is all of it. */
  readonly patterns: readonly ImagePattern[] | undefined
  readonly exact: readonly ExactImages[]
}

/** `platforms` none is all. */
export interface Root extends Pick<PickOptions, 'platforms' | 'referrers'> {
  readonly digest: Digest
  readonly tags: Set<Tag>
}

interface FindParts {
  readonly moment: MomentRepository
  /** Every manifest of the repository that can be read. */
  readonly read: ReadonlyMap<Digest, { readonly manifest: Manifest }>
  readonly options: Pick<PickOptions, 'platforms' | 'referrers'>
  /** Gets the patterns that match something. */
  readonly matched: Set<ImagePattern>
}

export interface FoundRoots {
  /** By tag in the order of tags, then those without; each digest once. */
  readonly roots: Root[]
  /** What was named exactly and is not here. */
  readonly absent: readonly string[]
}

export function findRoots({ patterns, exact }: RepositoryWish, parts: FindParts): FoundRoots {
  const absent: string[] = []
  // An image that several wishes mean is taken as all of them together want it.
  return { roots: merge([...findMatching(patterns, parts), ...findExact(exact, parts, absent)]), absent }
}

function findMatching(patterns: RepositoryWish['patterns'], { moment, read, options, matched }: FindParts): Root[] {
  const { tags, revisions } = moment
  const { platforms, referrers } = options
  const note = (pattern: ImagePattern): boolean => matched.add(pattern) !== undefined
  const roots: Root[] = []
  const wholly = patterns?.filter(({ kind }) => kind === 'repository') ?? []
  const isWhole = patterns === undefined || wholly.length > 0
  for (const [tag, digest] of [...tags].toSorted(([a], [b]) => compare(a, b))) {
    const by = patterns?.filter((pattern) => pattern.matchesTag(tag)) ?? []
    by.forEach(note)
    if (isWhole || by.length > 0) roots.push({ digest, tags: new Set([tag]), platforms, referrers })
  }
  const named = findNamed(moment, read)
  for (const digest of [...revisions.keys()].toSorted(compare)) {
    const by = patterns?.filter((pattern) => pattern.matchesDigest(digest)) ?? []
    by.forEach(note)
    if (by.length > 0 || (isWhole && !named.has(digest))) {
      roots.push({ digest, tags: new Set(), platforms, referrers })
    }
  }
  if (tags.size + revisions.size > 0) wholly.forEach(note)
  return roots
}

/** What comes with something else of the repository, or has a tag. */
function findNamed({ tags, revisions }: MomentRepository, read: FindParts['read']): Set<Digest> {
  const named = new Set<Digest>(tags.values())
  for (const [digest, { manifest }] of read) {
    for (const child of manifest.manifests) named.add(child.digest)
    // Without referrers they are not taken for images of their own either.
    if (manifest.subject !== undefined && revisions.has(manifest.subject.digest)) named.add(digest)
  }
  return named
}

function findExact(exact: readonly ExactImages[], { moment }: FindParts, absent: string[]): Root[] {
  const { name, tags, revisions } = moment
  const roots: Root[] = []
  for (const { tags: wanted, digests, platforms, referrers } of exact) {
    for (const tag of wanted) {
      const digest = tags.get(tag)
      if (digest === undefined) absent.push(`${name}:${tag}`)
      else roots.push({ digest, tags: new Set([tag]), platforms, referrers })
    }
    for (const digest of digests) {
      if (revisions.has(digest)) roots.push({ digest, tags: new Set(), platforms, referrers })
      else absent.push(`${name}@${digest}`)
    }
  }
  return roots
}

function merge(roots: readonly Root[]): Root[] {
  const merged = new Map<Digest, Root>()
  for (const { digest, tags, platforms, referrers } of roots) {
    const before = merged.get(digest)
    const isAll = platforms.length === 0 || before?.platforms.length === 0
    merged.set(digest, {
      digest,
      tags: new Set([...(before?.tags ?? []), ...tags]),
      platforms: isAll ? [] : [...new Set([...(before?.platforms ?? []), ...platforms])],
      referrers: referrers || before?.referrers === true,
    })
  }
  return [...merged.values()]
}
