// Makes images of what was taken in: layer links, manifests with children before indexes, tags last, each for good before
// the next (I3, I5), in the repository's own turn, as a push does. What is linked here is the registry's own: nobody
// evicts it.
import type { Digest } from '../oci/digest.ts'
import type { Manifest } from '../oci/manifest.ts'
import type { Tag } from '../oci/reference.ts'
import type { Context } from '../registry/context.ts'
import { requireWritable } from '../registry/context.ts'
import { noteUntagged } from '../registry/untag.ts'
import type { StoredManifest } from '../storage/manifests.ts'
import type { HeldImage, PlannedRepository } from './plan-images.ts'

/** A tag that means something else now. */
export interface MovedTag {
  readonly tag: Tag
  readonly from: Digest
  readonly to: Digest
}

export interface LinkedRepository {
  readonly manifests: number
  /** Those that were not here. */
  readonly added: number
  readonly tags: number
  readonly set: readonly Tag[]
  readonly moved: readonly MovedTag[]
  /** What went away between the plan and the act, or what the rules of this registry ask for in addition. */
  readonly held: readonly HeldImage[]
}

/** Links that are written at a time; they share the fsyncs of their directories. */
const AT_A_TIME = 6

/** Links what the plan says of one repository. Throws UNSUPPORTED when the registry is read-only, and what the disk says. */
export async function linkRepository(context: Context, plan: PlannedRepository): Promise<LinkedRepository> {
  const { store, closures } = context
  const { name } = plan
  const release = store.leases.hold([name, ...plan.layers.keys(), ...plan.layers.values(), ...plan.manifests])
  try {
    return await store.changes.run(name, async () => {
      requireWritable(context)
      closures.drop(name)
      await store.repositories.ensure(name)
      const lost = new Set<Digest>()
      await inParallel(plan.layers, async ([digest, stored]) => {
        // It may have come by tar a moment ago, and nobody made it durable.
        if (!(await store.blobs.hold(stored))) lost.add(digest)
        else await store.links.add(name, digest, stored)
      })
      return linkManifests(context, plan, lost)
    })
  } finally {
    release()
  }
}

async function linkManifests(
  context: Context,
  plan: PlannedRepository,
  lost: ReadonlySet<Digest>,
): Promise<LinkedRepository> {
  const { store } = context
  const { name } = plan
  const done = new Set<Digest>()
  const failed = new Map<Digest, Digest>()
  let added = 0
  const put = async (digest: Digest): Promise<void> => {
    const stored = await store.manifests.load(digest)
    const missing = stored === undefined ? digest : await findMissing(context, plan, stored.manifest, lost, failed)
    if (stored === undefined || missing !== undefined) {
      failed.set(digest, missing ?? digest)
      return
    }
    if (await linkManifest(context, plan, stored)) added += 1
    done.add(digest)
  }
  for (const group of groupByKind(plan.manifests, await kindsOf(context, plan))) await inParallel(group, put)

  const set: Tag[] = []
  const moved: MovedTag[] = []
  const waiting = new Map([...failed.keys()].map((digest) => [digest, [] as Tag[]]))
  await inParallel(plan.tags, async ([tag, digest]) => {
    if (!done.has(digest) && (failed.has(digest) || !(await store.manifests.hold(name, digest)))) {
      waiting.set(digest, [...(waiting.get(digest) ?? []), tag])
      return
    }
    const before = store.tags.resolve(name, tag)
    // From here on it is the registry's own, whether or not it was mirrored before.
    await store.mirrored.clear(name, [tag], [digest])
    if (before !== undefined && before !== digest) {
      await noteUntagged(store, name, before)
      moved.push({ tag, from: before, to: digest })
    }
    if (before !== digest) {
      await store.tags.set(name, tag, digest)
      set.push(tag)
    }
  })
  const held = [...waiting].map(([digest, tags]) => {
    return { repository: name, digest, tags, missing: failed.get(digest) ?? digest }
  })
  return { manifests: done.size, added, tags: plan.tags.size, set: set.toSorted(), moved, held }
}

async function linkManifest(context: Context, { name }: PlannedRepository, stored: StoredManifest): Promise<boolean> {
  const { store } = context
  const { digest } = stored
  const wasHere = store.manifests.resolve(name, digest) !== undefined
  await store.mirrored.clear(name, [], [digest])
  await store.manifests.put(name, stored)
  store.referrers.note(stored)
  await store.manifests.promise(name, digest)
  store.leases.lease(digest)
  return !wasHere
}

async function findMissing(
  { store, rules }: Context,
  { name, layers }: PlannedRepository,
  manifest: Manifest,
  lost: ReadonlySet<Digest>,
  failed: ReadonlyMap<Digest, Digest>,
): Promise<Digest | undefined> {
  const named = [...(manifest.config === undefined ? [] : [manifest.config]), ...manifest.layers]
  const gone = named.find(({ digest }) => layers.has(digest) && lost.has(digest))
  if (gone !== undefined) return gone.digest
  for (const child of manifest.manifests) {
    const missing = failed.get(child.digest)
    if (missing !== undefined) return missing
    if (rules.requiresChild(child) && !(await store.manifests.hold(name, child.digest))) return child.digest
  }
  return undefined
}

async function kindsOf({ store }: Context, plan: PlannedRepository): Promise<ReadonlySet<Digest>> {
  const indexes = new Set<Digest>()
  for (const digest of plan.manifests) {
    if ((await store.manifests.load(digest))?.manifest.kind === 'index') indexes.add(digest)
  }
  return indexes
}

/** Images may be linked at once; each index after what came before it. */
function* groupByKind(manifests: readonly Digest[], indexes: ReadonlySet<Digest>): Generator<readonly Digest[]> {
  let group: Digest[] = []
  for (const digest of manifests) {
    if (!indexes.has(digest)) {
      group.push(digest)
      continue
    }
    yield group
    yield [digest]
    group = []
  }
  yield group
}

/** Runs `act` for all items, a few at a time. Throws the first error when those under way have ended. */
export async function inParallel<T>(
  items: Iterable<T>,
  act: (item: T) => Promise<void>,
  atATime: number = AT_A_TIME,
): Promise<void> {
  const iterator = items[Symbol.iterator]()
  const errors: unknown[] = []
  const run = async (): Promise<void> => {
    for (let next = iterator.next(); next.done !== true && errors.length === 0; next = iterator.next()) {
      await act(next.value).catch((error: unknown) => errors.push(error))
    }
  }
  await Promise.all(Array.from({ length: atATime }, run))
  if (errors.length > 0) throw errors[0]
}
