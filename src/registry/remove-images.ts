// Removing images by tag, digest, repository and pattern. Links go, tags first and each for good; the bytes are freed by
// collection, the only deleter of blobs (I6). What is pinned stays, and so does what something that stays needs. Tags
// and manifests go also when a client was told a moment ago that they are here: to end that is what was asked for.
//
// This is an act of who keeps the registry, through its own socket or on the directory itself. So it heeds a registry
// that is read-only, and not `storage.delete.enabled`, which is about what clients may do over HTTP.
import type { Digest } from '../oci/digest.ts'
import type { RepositoryName } from '../oci/name.ts'
import type { Tag } from '../oci/reference.ts'
import type { StoredPin } from '../storage/pins.ts'
import { findPin } from '../storage/pins.ts'
import type { Store } from '../storage/store.ts'
import type { Context } from './context.ts'
import { requireWritable } from './context.ts'
import { removeManifests } from './delete.ts'
import { Freeable } from './freeable.ts'
import type { RemovalPlan } from './plan-removal.ts'
import { planRemoval } from './plan-removal.ts'
import { countPromised, dropRepository } from './drop-repository.ts'
import { readManifests, readPinned, readTags } from './remove-from.ts'
import type { ImagePattern, Selection } from './select.ts'
import { selectImages } from './select.ts'

export interface RemoveOptions {
  readonly dryRun: boolean
  /** Asked of each tag while nobody else can change it; one of which it is false counts as not selected. */
  readonly isStill?: (name: RepositoryName, tag: Tag, digest: Digest) => boolean
}

export interface RemovedFrom {
  readonly name: RepositoryName
  /** Whether the repository itself went, but for links that clients were promised (see `problems`). */
  readonly whole: boolean
  readonly tags: readonly Tag[]
  readonly manifests: readonly Digest[]
}

export interface RefusedImage {
  /** `repo:tag` or `repo@digest` */
  readonly image: string
  readonly why: 'pinned' | 'needed'
}

export interface RemoveReport {
  readonly dryRun: boolean
  readonly repositories: readonly RemovedFrom[]
  readonly tags: number
  readonly manifests: number
  /** What a collection will free because of this: blobs that nothing else holds. */
  readonly freeable: { readonly blobs: number; readonly bytes: number }
  readonly refused: readonly RefusedImage[]
  /** Patterns that match nothing. */
  readonly missing: readonly string[]
  /** Repositories where something stays: manifests could not be read, or a push under way was promised blobs. */
  readonly problems: readonly { readonly path: string; readonly what: string }[]
}

/**
 * Removes what `patterns` select, or with `dryRun` says what it would. Throws UNSUPPORTED when the registry is read-only,
 * and a Problem for a pattern that is none or a pin that cannot be read.
 */
export async function removeImages(
  context: Context,
  patterns: readonly string[],
  { dryRun, isStill }: RemoveOptions,
): Promise<RemoveReport> {
  const selection = selectImages(patterns)
  if (!dryRun) requireWritable(context)
  const { store } = context
  let pinned = readPinned(store)
  const freeable = new Freeable(store)
  const matched = new Set<ImagePattern>()
  const repositories: RemovedFrom[] = []
  const refused: RefusedImage[] = []
  const problems: { path: string; what: string }[] = []
  const tell = (directory: string, what: string): void => {
    problems.push({ path: directory.slice(store.layout.root.length + 1), what })
  }
  for (const name of await findRepositories(store, selection)) {
    const wanted = selection.of(name)
    await store.changes.run(name, async () => {
      // The lock of the directory may have been lost while this waited.
      if (!dryRun) requireWritable(context)
      // Not earlier: of what is pinned from here on, Pins looks when this is done whether it is still there.
      pinned = readPinned(store)
      const { plan, whole } = await makePlan(store, name, wanted, { pinned, matched, freeable, isStill })
      // They go with a whole repository; for who saw a tag lead somewhere they are none.
      const dead =
        whole || isStill !== undefined ? [] : await findDead(store, name, wanted, { pinned, matched, refused })
      for (const { tag, digest, why } of plan.refused) {
        refused.push({ image: digest === undefined ? `${name}:${tag}` : `${name}@${digest}`, why })
      }
      if (plan.unreadable.length > 0) {
        const what = `manifests that cannot be read: ${plan.unreadable.length}; what they may need stays`
        tell(store.layout.revisions(name), what)
      }
      const isWhole = whole && plan.refused.length === 0 && plan.unreadable.length === 0
      const tags = [...plan.tags, ...dead]
      if (isWhole || tags.length > 0 || plan.manifests.length > 0) {
        repositories.push({ name, whole: isWhole, tags, manifests: plan.manifests })
      }
      if (!dryRun) {
        for (const tag of dead) await store.tags.bury(name, tag)
        await removeManifests(store, name, plan)
        if (isWhole) await dropRepository(store, name)
        context.closures.drop(name)
      }
      const promised = isWhole ? await countPromised(store, name) : 0
      if (promised > 0) {
        tell(
          store.layout.layers(name),
          `blobs that clients were just told are here: ${promised}; a collection takes them`,
        )
      }
    })
  }
  return {
    dryRun,
    repositories,
    tags: count(repositories, ({ tags }) => tags),
    manifests: count(repositories, ({ manifests }) => manifests),
    freeable: await freeable.measure(pinned.flatMap(({ blobs }) => blobs)),
    refused,
    missing: selection.patterns.filter((pattern) => !matched.has(pattern)).map(({ text }) => text),
    problems,
  }
}

interface Surroundings {
  readonly pinned: readonly StoredPin[]
  /** Takes the patterns that match something. */
  readonly matched: Set<ImagePattern>
  readonly freeable: Freeable
  readonly isStill: RemoveOptions['isStill']
}

async function makePlan(
  store: Store,
  name: RepositoryName,
  patterns: readonly ImagePattern[],
  { pinned, matched, freeable, isStill }: Surroundings,
): Promise<{ plan: RemovalPlan; whole: boolean }> {
  const tags = await readTags(store, name)
  const manifests = await readManifests(store, name)
  const wantedTags = new Set<Tag>()
  const wantedDigests = new Set<Digest>()
  let whole = false
  for (const pattern of patterns) {
    const someTags = [...tags]
      .filter(([tag, digest]) => pattern.matchesTag(tag) && (isStill?.(name, tag, digest) ?? true))
      .map(([tag]) => tag)
    const someDigests = [...manifests.keys()].filter((digest) => pattern.matchesDigest(digest))
    for (const tag of someTags) wantedTags.add(tag)
    for (const digest of someDigests) wantedDigests.add(digest)
    if (pattern.kind === 'repository') whole = true
    if (pattern.kind === 'repository' || someTags.length + someDigests.length > 0) matched.add(pattern)
  }
  const own = pinned.flatMap(({ images }) => images.filter((image) => image.name === name))
  const plan = planRemoval(
    { tags, manifests },
    {
      tags: whole ? new Set(tags.keys()) : wantedTags,
      digests: whole ? new Set() : wantedDigests,
      whole,
      pinned: {
        tags: new Set(own.map(({ tag }) => tag).filter((tag) => tag !== undefined)),
        digests: new Set(own.map(({ digest }) => digest).filter((digest) => digest !== undefined)),
      },
    },
  )
  await freeable.note(name, manifests, new Set(plan.manifests), whole && plan.refused.length === 0)
  return { plan, whole }
}

// Tags that lead nowhere and that the patterns name. One that is pinned stays, to be mended.
async function findDead(
  store: Store,
  name: RepositoryName,
  patterns: readonly ImagePattern[],
  { pinned, matched, refused }: Pick<Surroundings, 'pinned' | 'matched'> & { readonly refused: RefusedImage[] },
): Promise<Tag[]> {
  const found: Tag[] = []
  if (patterns.every(({ kind }) => kind !== 'tag')) return found
  for await (const tag of store.tags.dead(name)) {
    const matching = patterns.filter((pattern) => pattern.matchesTag(tag))
    if (matching.length === 0) continue
    for (const pattern of matching) matched.add(pattern)
    if (findPin(pinned, name, { tag }) === undefined) found.push(tag)
    else refused.push({ image: `${name}:${tag}`, why: 'pinned' })
  }
  return found
}

async function findRepositories(store: Store, selection: Selection): Promise<RepositoryName[]> {
  if (selection.names !== undefined) return selection.names.filter((name) => store.repositories.exists(name))
  const found: RepositoryName[] = []
  for await (const name of store.repositories.names()) if (selection.of(name).length > 0) found.push(name)
  return found
}

function count(repositories: readonly RemovedFrom[], of: (removed: RemovedFrom) => readonly unknown[]): number {
  return repositories.reduce((sum, removed) => sum + of(removed).length, 0)
}
