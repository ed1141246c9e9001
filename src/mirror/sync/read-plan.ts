// Reads all that a plan needs, many images at a time: what the entries mean, the manifests of it, what is here of that, and
// what would be pruned. Nothing is written.
import type { Context } from '../../registry/context.ts'
import { findManifest } from '../../registry/pull-manifest.ts'
import type { Fetching } from '../fetching.ts'
import type { Located } from '../route.ts'
import type { FindParts, MeantPlace } from './find-images.ts'
import { findImages } from './find-images.ts'
import type { GoneTags } from './gone.ts'
import { findGone } from './gone.ts'
import { readHere } from './here.ts'
import type { SyncOrder } from './order.ts'
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
  readonly image: FetchedImage
  readonly located: Located
  /** When its upstream said what it is; milliseconds since 1970. */
  readonly readAt: number
}

export interface ReadPlan {
  readonly plan: Plan
  /** What can be worked on; the others of the plan failed. */
  readonly work: readonly ImageWork[]
  readonly gone: readonly GoneTags[]
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
export async function readPlan(order: Pick<SyncOrder, 'entries'>, parts: ReadPlanParts): Promise<ReadPlan> {
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
    read = await policies.filter(asks, read, plan.images, parts)
    plan = makePlan()
  }
  const work = read.flatMap((image, index) => {
    const [ask, planned] = [asks[index], plan.images[index]]
    if ('why' in image || ask === undefined || planned === undefined || planned.state === 'failed') return []
    return [{ planned, image, located: ask.located, readAt }]
  })
  // Of what failed before, nobody knows what else is meant.
  const gone = only === undefined ? found.places.flatMap((place) => findGoneOf(place, context) ?? []) : []
  return { plan, work, gone }
}

async function readAll(asks: readonly ImageAsk[], parts: ReadPlanParts): Promise<(FetchedImage | UnreadImage)[]> {
  const { context, fetching, patient, signal, onProgress } = parts
  const lists = new ReferrerLists(signal)
  let done = 0
  onProgress({ phase: 'read', done, total: asks.length })
  return Promise.all(
    asks.map(async (ask) => {
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
    }),
  )
}

// Two entries may mean one image; two images cannot have one tag.
function dropDoubles(asks: readonly ImageAsk[]): { asks: ImageAsk[]; doubles: UnreadImage[] } {
  const places = new Map<string, ImageAsk>()
  const doubles: UnreadImage[] = []
  for (const ask of asks) {
    const { image } = ask
    const place = image.tag === undefined ? `${image.to} ${image.from}` : `${image.to}:${image.tag}`
    const first = places.get(place)
    if (first === undefined) places.set(place, ask)
    else if (first.image.from !== image.from)
      doubles.push({ ...image, why: `another entry brings ${first.image.from} to the same tag` })
  }
  return { asks: [...places.values()], doubles }
}

function findGoneOf({ entry, to, meant }: MeantPlace, context: Context): GoneTags | undefined {
  if (entry.prune === undefined) return undefined
  return findGone({ to, synced: findSynced(context, to), meant, maxShare: entry.prune.maxShare })
}
