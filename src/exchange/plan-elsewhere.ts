// What a sync into another place is going to do: which images its entries mean, which of them may be taken, what is there
// of them, and how many bytes are to go over. Nothing is written.
import type { Digest } from '../oci/digest.ts'
import type { RepositoryName } from '../oci/name.ts'
import { isRepositoryName } from '../oci/name.ts'
import { Problem } from '../config/problem.ts'
import { Dates } from '../mirror/sync/dates.ts'
import { skipUnlessFailed } from '../mirror/sync/failed-before.ts'
import { findImages } from '../mirror/sync/find-images.ts'
import { inParallel } from '../mirror/sync/in-parallel.ts'
import type { SyncOrder } from '../mirror/sync/order.ts'
import type { Patience } from '../mirror/sync/patience.ts'
import type { UnreadImage } from '../mirror/sync/plan.ts'
import type { ImageAsk } from '../mirror/sync/read-image.ts'
import { dropDoubles } from '../mirror/sync/read-plan.ts'
import type { SyncEvent } from '../mirror/sync/report.ts'
import { ImagePolicies } from '../mirror/sync/verify-images.ts'
import type { Upstream } from '../mirror/upstream.ts'
import type { Fetcher } from '../upstream/fetch-small.ts'
import type { ImageToCopy } from './copied-image.ts'
import { copyImages } from './copy-images.ts'
import type { PlannedElsewhere } from './elsewhere-report.ts'
import { planOne, planUnread } from './elsewhere-report.ts'
import type { ImageSource } from './image-source.ts'
import type { ImageTarget } from './image-target.ts'
import { readClosure } from './read-closure.ts'
import { registrySource } from './registry-source.ts'
import { rememberingSource } from './remembering-source.ts'

export interface PlanElsewhereParts {
  readonly target: ImageTarget
  /** What stands before the names of repositories there; nothing for none. */
  readonly prefix?: string
  /** The target has one name for one image. */
  readonly isForOne?: boolean
  readonly upstreams: { find(host: string): Upstream }
  readonly patience: Patience
  readonly fetcher: Pick<Fetcher, 'get'>
  /** Milliseconds since 1970. */
  readonly clock: () => number
  readonly signal: AbortSignal
  readonly onEvent: (event: SyncEvent) => void
  /** As `from` of the images that failed the last time; only those are read. */
  readonly only: ReadonlySet<string> | undefined
}

/** An image that can be copied. */
export interface WorkElsewhere {
  readonly planned: PlannedElsewhere
  readonly wish: ImageToCopy
}

/** Images of one source, which are copied with the same options. */
export interface WorkGroup {
  readonly source: ImageSource
  readonly platforms: 'all' | readonly string[]
  readonly referrers: boolean
  /** Blobs at a time. */
  readonly blobs: number
  readonly work: readonly WorkElsewhere[]
}

export interface PlannedGroups {
  readonly images: readonly PlannedElsewhere[]
  readonly groups: readonly WorkGroup[]
  /** Repositories of the target that have a blob. */
  readonly places: Map<Digest, RepositoryName>
  readonly blobs: number
  readonly bytes: number
  readonly manifestBytes: number
}

const IMAGES_AT_A_TIME = 8

/** Throws a Problem for what a person must mend, and the signal's reason. */
export async function planElsewhere({ entries }: SyncOrder, parts: PlanElsewhereParts): Promise<PlannedGroups> {
  const { upstreams, signal, onEvent, only, patience, isForOne = false } = parts
  onEvent({ phase: 'list', done: 0 })
  const dates = new Dates({ local: async () => undefined })
  const patient = <T>(host: string, act: () => Promise<T>): Promise<T> => patience.run(host, act)
  const found = await findImages(entries, {
    upstreamOf: (host) => upstreams.find(host),
    known: [],
    signal,
    patient,
    datesOf: ({ upstream: { client }, repository }, tags) => dates.of({ client, repository, signal }, tags),
  })
  const { asks, unread } = skipUnlessFailed(found, only)
  const meant = dropDoubles(asks)
  if (isForOne && meant.asks.length > 1)
    throw new Problem(`${meant.asks.length} images cannot all have the name in ${parts.target.name}`, {
      hint: 'leave the name out: then each is listed as repository:tag',
      exitCode: 2,
    })
  const sources = new Map<Upstream, ImageSource>()
  const sourceOf = (upstream: Upstream): ImageSource => {
    const { client } = upstream
    const asked = registrySource({ client, patient: (act) => patience.run(client.host, act) })
    // Whoever opened the client closes it.
    const source = sources.get(upstream) ?? rememberingSource({ ...asked, close: async () => undefined })
    sources.set(upstream, source)
    return source
  }
  const { taken, refused } = await verify(meant.asks, sourceOf, entries, parts)
  const images = [...unread, ...meant.doubles, ...refused].map(planUnread)
  const [counted, places] = [new Set<Digest>(), new Map<Digest, RepositoryName>()]
  const groups: WorkGroup[] = []
  const sums = { blobs: 0, bytes: 0, manifestBytes: 0 }
  let done = 0
  onEvent({ phase: 'read', done, total: taken.length })
  for (const group of groupAlike(taken)) {
    const [{ located, image, referrers }] = group
    const common = { source: sourceOf(located.upstream), platforms: image.platforms, referrers }
    const asked = new Map(group.map((ask) => [wishOf(ask, parts.prefix), ask]))
    const work: WorkElsewhere[] = []
    const report = await copyImages({
      ...common,
      target: parts.target,
      images: [...asked.keys()],
      dryRun: true,
      counted,
      places,
      atATime: { images: IMAGES_AT_A_TIME },
      signal,
      onImage(copied, wish) {
        const ask = asked.get(wish)
        if (ask === undefined) return
        const planned = planOne(copied, ask)
        images.push(planned)
        if (planned.state !== 'here' && planned.state !== 'failed') work.push({ planned, wish: pin(wish, planned) })
        onEvent({ phase: 'read', done: ++done, total: taken.length })
      },
    })
    groups.push({ ...common, blobs: located.upstream.config.concurrency, work })
    sums.blobs += report.blobs
    sums.bytes += report.bytes
    sums.manifestBytes += report.manifestBytes
  }
  return { images, groups, places, ...sums }
}

async function verify(
  asks: readonly ImageAsk[],
  sourceOf: (upstream: Upstream) => ImageSource,
  entries: SyncOrder['entries'],
  { fetcher, clock, signal, patience }: PlanElsewhereParts,
): Promise<{ readonly taken: readonly ImageAsk[]; readonly refused: readonly UnreadImage[] }> {
  const policies = new ImagePolicies(entries, { fetcher, clock })
  const verdicts = await inParallel(asks, IMAGES_AT_A_TIME, async (ask) => {
    const { located, reference, signing, image } = ask
    if (signing === undefined || (signing.policy === undefined && !signing.onlySigned)) return ask
    const wanted = { source: sourceOf(located.upstream), repository: located.repository, reference, signal }
    try {
      const { root, manifests } = await readClosure({ ...wanted, platforms: image.platforms, referrers: false })
      const children = manifests.filter((each) => each !== root && each.manifest.kind === 'image')
      const toSigned = ({ digest, stored: { bytes } }: typeof root) => ({ digest, bytes })
      const signed = { root: toSigned(root), children: children.map(toSigned) }
      const why = await policies.whyNot(ask, signed, { signal, patient: (host, act) => patience.run(host, act) })
      if (why !== undefined) return { ...image, why }
      // What was verified is what is copied, wherever the tag leads by then.
      return { ...ask, reference: { kind: 'digest', digest: root.digest } as const }
    } catch (error) {
      signal.throwIfAborted()
      return { ...image, why: error instanceof Error ? error.message : String(error) }
    }
  })
  const refused = verdicts.filter((each): each is UnreadImage => 'why' in each)
  return { taken: verdicts.filter((each): each is ImageAsk => !('why' in each)), refused }
}

// One engine has one source, and takes the same platforms of all.
function groupAlike(asks: readonly ImageAsk[]): [ImageAsk, ...ImageAsk[]][] {
  const keyOf = ({ located, image, referrers }: ImageAsk): string =>
    JSON.stringify([located.upstream.config.host, image.platforms, referrers])
  return [...Map.groupBy(asks, keyOf).values()] as [ImageAsk, ...ImageAsk[]][]
}

function wishOf({ image, located, reference }: ImageAsk, prefix = ''): ImageToCopy {
  const name = prefix === '' ? image.to : `${prefix}/${image.to}`
  if (!isRepositoryName(name))
    throw new Problem(`${name} can be no repository`, {
      hint: 'choose a shorter place, or to in the sync file',
      exitCode: 2,
    })
  return {
    from: { repository: located.repository, reference },
    to: { repository: name, tags: image.tag === undefined ? [] : [image.tag] },
  }
}

// What was planned is what is copied.
function pin({ from, to }: ImageToCopy, { digest }: PlannedElsewhere): ImageToCopy {
  return digest === undefined ? { from, to } : { from: { ...from, reference: { kind: 'digest', digest } }, to }
}
