// What goes from one repository when tags and manifests are removed, and what stays because something else needs it.
// Pure: it is told what the repository holds, and every decision is made on that. In doubt a manifest stays.
import type { Digest } from '../oci/digest.ts'
import type { Manifest } from '../oci/manifest.ts'
import type { Tag } from '../oci/reference.ts'
import { readSubjectTag, subjectTagOf } from '../oci/subject-tag.ts'

export interface RepositoryContent {
  readonly tags: ReadonlyMap<Tag, Digest>
  /** Every manifest that the repository holds; undefined where its bytes cannot be read. */
  readonly manifests: ReadonlyMap<Digest, Manifest | undefined>
}

export interface Removal {
  /** Tags to be removed; what they point to goes when nothing else needs it. */
  readonly tags: ReadonlySet<Tag>
  /** Manifests to be removed with every tag that points to them, unless an index that stays names them. */
  readonly digests: ReadonlySet<Digest>
  /** The whole repository: all tags and manifests but what is pinned. */
  readonly whole: boolean
  readonly pinned: { readonly tags: ReadonlySet<Tag>; readonly digests: ReadonlySet<Digest> }
}

export interface RemovalPlan {
  readonly tags: readonly Tag[]
  /** An index comes before its children, so that a crash in between leaves no index without them. */
  readonly manifests: readonly Digest[]
  /** What was asked for by name and stays, with the reason. */
  readonly refused: readonly { readonly tag?: Tag; readonly digest?: Digest; readonly why: 'pinned' | 'needed' }[]
  /** Manifests that could not be read and stay: what they may need stays too. */
  readonly unreadable: readonly Digest[]
}

/**
 * Decides what goes. With a manifest go the children and referrers (OCI `subject`, cosign's tags, the fallback tag) that
 * nothing else keeps. A manifest is kept by a tag that stays, an index that stays, a pin, a subject that stays.
 */
export function planRemoval(content: RepositoryContent, removal: Removal): RemovalPlan {
  const graph = new Graph(content)
  const pinned = graph.closePins(removal.pinned)
  const asked = new Set([...removal.digests].filter((digest) => content.manifests.has(digest) && !pinned.has(digest)))
  const wantedTags = new Set(
    [...content.tags]
      .filter(([tag, target]) => !removal.pinned.tags.has(tag) && (removal.tags.has(tag) || asked.has(target)))
      .map(([tag]) => tag),
  )
  // Of a whole repository a signature stays with the pinned image that it is about, tag or not.
  const follows = (tag: Tag): boolean => !removal.tags.has(tag) || removal.whole

  const candidates = graph.reach(
    removal.whole ? content.manifests.keys() : [...asked, ...[...wantedTags].flatMap((tag) => graph.targetOf(tag))],
  )
  const conditional = new Set([...candidates].flatMap((digest) => graph.tagsAbout(digest)))
  const kept = new Set<Digest>()
  const keptTags = new Set<Tag>()
  const keep = (first: Digest): void => {
    const work = [first]
    for (let digest = work.pop(); digest !== undefined; digest = work.pop()) {
      if (kept.has(digest) || !candidates.has(digest)) continue
      kept.add(digest)
      work.push(...graph.childrenOf(digest), ...graph.referrersOf(digest).filter((referrer) => !asked.has(referrer)))
      for (const tag of graph.tagsAbout(digest).filter(follows)) {
        keptTags.add(tag)
        work.push(...graph.targetOf(tag).filter((target) => !asked.has(target)))
      }
    }
  }
  for (const digest of candidates) {
    const tagged = graph
      .tagsOf(digest)
      .some((tag) => !wantedTags.has(tag) && (!conditional.has(tag) || removal.pinned.tags.has(tag)))
    const hasParent = graph.parentsOf(digest).some((parent) => !candidates.has(parent))
    const subject = graph.subjectOf(digest)
    const aboutKept = subject !== undefined && !candidates.has(subject) && !asked.has(digest)
    if (tagged || hasParent || aboutKept || pinned.has(digest)) keep(digest)
  }
  const unreadable = [...content.manifests]
    .filter(([digest, manifest]) => manifest === undefined && (!candidates.has(digest) || kept.has(digest)))
    .map(([digest]) => digest)
  // It could be an index that names any of them.
  if (unreadable.length > 0) for (const digest of candidates) if (!asked.has(digest)) keep(digest)

  const gone = [...candidates].filter((digest) => !kept.has(digest))
  const isIndex = (digest: Digest): boolean => content.manifests.get(digest)?.kind === 'index'
  const tags = [...content.tags].filter(([tag, target]) => {
    if (removal.pinned.tags.has(tag)) return false
    if (asked.has(target) && !kept.has(target)) return true
    return !keptTags.has(tag) && (removal.tags.has(tag) || conditional.has(tag))
  })
  return {
    tags: tags.map(([tag]) => tag),
    manifests: [...gone.filter(isIndex), ...gone.filter((digest) => !isIndex(digest))],
    refused: [
      ...[...removal.tags]
        .filter((tag) => content.tags.has(tag) && removal.pinned.tags.has(tag))
        .map((tag) => ({ tag, why: 'pinned' as const })),
      ...[...(removal.whole ? removal.pinned.digests : removal.digests)]
        .filter((digest) => pinned.has(digest) && content.manifests.has(digest))
        .map((digest) => ({ digest, why: 'pinned' as const })),
      ...[...asked].filter((digest) => kept.has(digest)).map((digest) => ({ digest, why: 'needed' as const })),
    ],
    unreadable,
  }
}

/** Who names whom in a repository, in both directions. */
class Graph {
  readonly #content: RepositoryContent
  readonly #parents = new Map<Digest, Digest[]>()
  readonly #referrers = new Map<Digest, Digest[]>()
  readonly #tags = new Map<Digest, Tag[]>()
  readonly #about = new Map<string, Tag[]>()

  constructor(content: RepositoryContent) {
    this.#content = content
    for (const [digest, manifest] of content.manifests) {
      for (const child of manifest?.manifests ?? []) addTo(this.#parents, child.digest, digest)
      if (manifest?.subject !== undefined) addTo(this.#referrers, manifest.subject.digest, digest)
    }
    for (const [tag, target] of content.tags) {
      addTo(this.#tags, target, tag)
      const subject = readSubjectTag(tag)
      if (subject !== undefined) addTo(this.#about, subject, tag)
    }
  }

  targetOf(tag: Tag): Digest[] {
    const target = this.#content.tags.get(tag)
    return target === undefined ? [] : [target]
  }

  tagsOf(digest: Digest): readonly Tag[] {
    return this.#tags.get(digest) ?? []
  }

  /** Tags whose name says that they are about `digest`. */
  tagsAbout(digest: Digest): readonly Tag[] {
    return this.#about.get(subjectTagOf(digest)) ?? []
  }

  childrenOf(digest: Digest): Digest[] {
    return this.#content.manifests.get(digest)?.manifests.map((child) => child.digest) ?? []
  }

  parentsOf(digest: Digest): readonly Digest[] {
    return this.#parents.get(digest) ?? []
  }

  referrersOf(digest: Digest): readonly Digest[] {
    return this.#referrers.get(digest) ?? []
  }

  /** The subject, if it is here. */
  subjectOf(digest: Digest): Digest | undefined {
    const subject = this.#content.manifests.get(digest)?.subject?.digest
    return subject !== undefined && this.#content.manifests.has(subject) ? subject : undefined
  }

  /** All manifests that may go with `first`: children, referrers and what tags about them point to. */
  reach(first: Iterable<Digest>): Set<Digest> {
    const found = new Set<Digest>()
    const work = [...first]
    for (let digest = work.pop(); digest !== undefined; digest = work.pop()) {
      if (found.has(digest) || !this.#content.manifests.has(digest)) continue
      found.add(digest)
      work.push(...this.childrenOf(digest), ...this.referrersOf(digest))
      for (const tag of this.tagsAbout(digest)) work.push(...this.targetOf(tag))
    }
    return found
  }

  /** The pinned manifests with all children. */
  closePins({ tags, digests }: Removal['pinned']): Set<Digest> {
    const found = new Set<Digest>()
    const work = [...digests, ...[...tags].flatMap((tag) => this.targetOf(tag))]
    for (let digest = work.pop(); digest !== undefined; digest = work.pop()) {
      if (found.has(digest)) continue
      found.add(digest)
      work.push(...this.childrenOf(digest))
    }
    return found
  }
}

function addTo<K, V>(map: Map<K, V[]>, key: K, value: V): void {
  const list = map.get(key)
  if (list === undefined) map.set(key, [value])
  else list.push(value)
}
