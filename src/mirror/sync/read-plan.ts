// Reads all that a plan needs, many images at a time: what the entries mean, the manifests of it, what is here of that, and
// what would be pruned. Nothing is written.
import type { RepositoryName } from '../../oci/name.ts'
import type { Tag } from '../../oci/reference.ts'
import type { Context } from '../../registry/context.ts'
import { findManifest } from '../../registry/pull-manifest.ts'
import type { Fetching } from '../fetching.ts'
import type { Located } from '../route.ts'
import { mayBringTo } from './destination.ts'
import type { FindParts, FoundImages, MeantPlace } from './find-images.ts'
import { findImages } from './find-images.ts'
import type { GoneTags } from './gone.ts'
import { findGone } from './gone.ts'
import { readHere } from './here.ts'
import { besideClients, inParallel } from './in-parallel.ts'
import type { SyncOrder } from './order.ts'
import { ownerOf } from './order.ts'
import type { Plan, PlannedImage, UnreadImage } from './plan.ts'
import { planImages } from './plan.ts'
import { findSynced } from './prune.ts'
import type { FetchedImage, ImageAsk } from './read-image.ts'
import { readImage } from './read-image.ts'
import { ReferrerLists } from './referrer-lists.ts'
import type { SyncProgress } from './report.ts'
import type { ImagePolicies } from './verify-images.ts'
import { skipUnlessFailed } from './failed-before.ts'

/** An image that was read, and what is to be done for it. */
export interface ImageWork {
  readonly planned: PlannedImage
  /** Undefined where nothing is to be done: its manifests are not needed any more. */
  readonly image: FetchedImage | undefined
  readonly located: Located
  /** When its upstream said what it is; milliseconds since 1970. */
  readonly readAt: number
}

export type ImageToBring = ImageWork & { readonly image: FetchedImage }

export function isToBring(work: ImageWork): work is ImageToBring {
  return work.image !== undefined
}

export interface ReadPlan {
  readonly plan: Plan
  /** What can be worked on; the others of the plan failed. */
  readonly work: readonly ImageWork[]
  readonly gone: readonly GoneTags[]
  /** Tags that this sync brought and does not mean any more, and others do. */
  readonly left: readonly { readonly to: RepositoryName; readonly tags: readonly Tag[] }[]
}

export interface ReadPlanParts extends Omit<FindParts, 'upstreamOf'> {
  readonly upstreamOf: FindParts['upstreamOf']
  readonly context: Context
  readonly fetching: Pick<Fetching, 'manifests'>
  readonly policies: ImagePolicies
  /** Milliseconds since 1970. */
  readonly clock: () => number
  readonly onProgress: (progress: SyncProgress) => void
  /** As `from` of the images that failed the last time; only those are read. */
  readonly only: ReadonlySet<string> | undefined
}

/** Throws what is no answer of an upstream. */
export async function readPlan(
  order: Pick<SyncOrder, 'id' | 'entries' | 'beside'>,
  parts: ReadPlanParts,
): Promise<ReadPlan> {
  const { context, clock, only, policies } = parts
  parts.onProgress({ phase: 'list', done: 0 })
  const found = skipUnlessFailed(await findImages(order.entries, parts), only)
  const { asks, doubles } = dropDoubles(found.asks)
  const readAt = clock()
  let read = await readAll(asks, parts)
  const images = read.filter((each): each is FetchedImage => !('why' in each))
  const here = await readHere(context, images)
  const makePlan = (): Plan => planImages([...read, ...doubles, ...found.unread], here)
  let plan = makePlan()
  if (!policies.isEmpty) {
    const { mirrored } = context.store
    const isSynced = ({ to, tag, digest }: Pick<PlannedImage, 'to' | 'tag' | 'digest'>): boolean =>
      tag === undefined
        ? digest !== undefined && mirrored.manifest(to, digest)?.synced === true
        : mirrored.tag(to, tag)?.synced === true
    read = await policies.filter(asks, read, plan.images, { ...parts, isSynced })
    plan = makePlan()
  }
  const work = read.flatMap((image, index) => {
    const [ask, planned] = [asks[index], plan.images[index]]
    if ('why' in image || ask === undefined || planned === undefined || planned.state === 'failed') return []
    return [{ planned, image: planned.steps.length > 0 ? image : undefined, located: ask.located, readAt }]
  })
  // Of what failed before, nobody knows what else is meant.
  const isPruned = ({ entry, to }: MeantPlace): boolean =>
    only === undefined &&
    entry.prune !== undefined &&
    !(order.beside ?? []).some((other) => mayBringTo(other, to, parts.known))
  const pruned = found.places.filter(isPruned)
  const looked = pruned.map((place) => lookAtPlace(place, meantAt(found), context, ownerOf(order.id)))
  return {
    plan,
    work,
    gone: looked.flatMap(({ gone }) => gone ?? []),
    left: looked.flatMap(({ left }) => (left.tags.length > 0 ? left : [])),
  }
}

async function readAll(asks: readonly ImageAsk[], parts: ReadPlanParts): Promise<(FetchedImage | UnreadImage)[]> {
  const { context, fetching, patient, signal, onProgress } = parts
  const lists = new ReferrerLists(signal)
  let done = 0
  onProgress({ phase: 'read', done, total: asks.length })
  const readOne = async (ask: ImageAsk): Promise<FetchedImage | UnreadImage> => {
    const image = await readImage(ask, {
      manifests: fetching.manifests,
      local: (name, digest) => findManifest(context, name, { kind: 'digest', digest }),
      hasTag: (name, tag) => context.store.tags.resolve(name, tag) !== undefined,
      listReferrers: (of, subject) => lists.list(of, subject),
      patient,
    })
    done += 1
    onProgress({ phase: 'read', done, total: asks.length })
    return image
  }
  // The mirror's own client may be the same: somebody who pulls must not wait behind thousands of questions.
  const read = new Map<ImageAsk, FetchedImage | UnreadImage>()
  const lanes = Map.groupBy(asks, ({ located }) => located.upstream)
  await Promise.all(
    [...lanes].map(([{ config }, lane]) =>
      inParallel(lane, besideClients(config), async (ask) => read.set(ask, await readOne(ask))),
    ),
  )
  return asks.flatMap((ask) => read.get(ask) ?? [])
}

// Two entries may mean one image, when they want the same of it; two images cannot have one tag.
export function dropDoubles(asks: readonly ImageAsk[]): { asks: ImageAsk[]; doubles: UnreadImage[] } {
  const places = new Map<string, ImageAsk>()
  const doubles: UnreadImage[] = []
  for (const ask of asks) {
    const { image } = ask
    const place = image.tag === undefined ? `${image.to} ${image.from}` : `${image.to}:${image.tag}`
    const first = places.get(place)
    if (first === undefined) places.set(place, ask)
    else if (first.image.from !== image.from)
      doubles.push({ ...image, why: `another entry brings ${first.image.from} to the same tag` })
    else if (wishesOf(first) !== wishesOf(ask))
      doubles.push({ ...image, why: 'another entry means it too, and wants other platforms, referrers or signatures' })
  }
  return { asks: [...places.values()], doubles }
}

function wishesOf({ image, referrers, signing }: ImageAsk): string {
  const { platforms } = image
  const wanted = typeof platforms === 'string' ? platforms : platforms.toSorted()
  return JSON.stringify([wanted, referrers, signing?.onlySigned === true, signing?.policy])
}

// Two entries may bring images to one place, which only the configuration of the mirror decides.
function meantAt({ asks, unread }: FoundImages): (to: RepositoryName) => Tag[] {
  const byPlace = Map.groupBy([...asks.map(({ image }) => image), ...unread], ({ to }) => to)
  return (to) => (byPlace.get(to) ?? []).flatMap(({ tag }) => tag ?? [])
}

function lookAtPlace(
  { entry, to, meant }: MeantPlace,
  meantAt: (to: RepositoryName) => readonly Tag[],
  context: Context,
  owner: string,
): { readonly gone: GoneTags | undefined; readonly left: ReadPlan['left'][number] } {
  const { own, shared } = findSynced(context, to, owner)
  const all = new Set([...meant, ...meantAt(to)])
  return {
    gone: findGone({ to, synced: own, meant: all, maxShare: entry.prune?.maxShare ?? 0 }),
    left: { to, tags: shared.filter((tag) => !all.has(tag)) },
  }
}
