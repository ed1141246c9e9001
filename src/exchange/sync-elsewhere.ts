// A sync into another place than this registry's directory: the same entries, read as a sync reads them, and copied by the
// engine that copies everything between places. Nothing is pruned there.
import { formatImageSource } from '../config/image-source.ts'
import { Problem } from '../config/problem.ts'
import type { Outward } from '../mirror/outward.ts'
import { Dates } from '../mirror/sync/dates.ts'
import type { FoundImages } from '../mirror/sync/find-images.ts'
import { findImages } from '../mirror/sync/find-images.ts'
import type { SyncOrder } from '../mirror/sync/order.ts'
import { Patience } from '../mirror/sync/patience.ts'
import type { UnreadImage } from '../mirror/sync/plan.ts'
import type { ImageAsk } from '../mirror/sync/read-image.ts'
import type { SyncedImage, SyncEvent, SyncReport, SyncResult } from '../mirror/sync/report.ts'
import { countResults } from '../mirror/sync/report.ts'
import type { RepositoryName } from '../oci/name.ts'
import { isRepositoryName } from '../oci/name.ts'
import type { CopiedImage, CopyState, ImageToCopy } from './copy-images.ts'
import { copyImages } from './copy-images.ts'
import type { ImageTarget } from './image-target.ts'
import { registrySource } from './registry-source.ts'

export interface SyncElsewhereParts {
  readonly target: ImageTarget
  /** What stands before the names of repositories there; nothing for none. */
  readonly prefix?: string
  readonly upstreams: ReturnType<Outward['openUpstreams']>
  readonly dryRun: boolean
  /** Milliseconds since 1970. */
  readonly clock: () => number
  /** Milliseconds that only run forward. */
  readonly elapsed: () => number
  /** 0 to 1. */
  readonly random: () => number
  readonly signal: AbortSignal
  readonly onEvent: (event: SyncEvent) => void
}

/** The report of an order that was carried out elsewhere; of a dry run what would be. */
export type ElsewhereReport = Omit<SyncReport, 'dryRun'> & { readonly dryRun: boolean; readonly target: string }

const RESULTS: Readonly<Record<CopyState, SyncResult>> = {
  copied: 'copied',
  here: 'here',
  incomplete: 'failed',
  failed: 'failed',
}

/** Throws a Problem for what cannot be done elsewhere; what one image fails with is in the report. */
export async function syncElsewhere(order: SyncOrder, parts: SyncElsewhereParts): Promise<ElsewhereReport> {
  requirePlain(order)
  const { clock, elapsed, dryRun, target, onEvent } = parts
  const [startedAt, since] = [clock(), elapsed()]
  onEvent({ phase: 'list', done: 0 })
  const found = await find(order, parts)
  const images: SyncedImage[] = found.unread.map(describeUnread)
  for (const ended of images) onEvent({ ended })
  let [blobs, bytes] = [0, 0]
  const total = found.asks.length + images.length
  for (const group of groupBySource(found.asks)) {
    const report = await copyGroup(group, parts, (copied, ask) => {
      const ended = describe(copied, ask)
      images.push(ended)
      onEvent({ ended })
      onEvent({ phase: 'fetch', done: images.length, total })
    })
    blobs += report.blobs
    bytes += report.bytes
  }
  const outcome = images.some(({ result }) => result === 'failed') ? 'partly' : 'done'
  return {
    dryRun,
    id: order.id,
    name: order.name,
    target: target.name,
    startedAt: new Date(startedAt).toISOString(),
    seconds: Math.round(elapsed() - since) / 1000,
    outcome,
    images,
    pruned: [],
    counts: countResults(images),
    blobs,
    bytes,
    planned: { blobs, bytes },
  }
}

function requirePlain({ entries }: SyncOrder): void {
  const signed = entries.find(({ onlySigned, policy }) => onlySigned || policy !== undefined)
  if (signed === undefined) return
  throw new Problem(
    `${formatImageSource(signed.source)} is verified by a policy, which only a sync into this registry does`,
    {
      hint: 'sync it here first, and from here to the other place: tarn export',
      exitCode: 2,
    },
  )
}

async function find({ entries }: SyncOrder, parts: SyncElsewhereParts): Promise<FoundImages> {
  const { upstreams, signal, elapsed, random } = parts
  const patience = new Patience({ elapsed, signal, random })
  const dates = new Dates({ local: async () => undefined })
  return findImages(entries, {
    upstreamOf: (host) => upstreams.find(host),
    known: [],
    signal,
    patient: (host, act) => patience.run(host, act),
    datesOf: ({ upstream: { client }, repository }, tags) => dates.of({ client, repository, signal }, tags),
  })
}

// One engine has one source, and takes the same platforms of all.
function groupBySource(asks: readonly ImageAsk[]): ImageAsk[][] {
  const keyOf = ({ located, image, referrers }: ImageAsk): string =>
    JSON.stringify([located.upstream.config.host, image.platforms, referrers])
  return [...Map.groupBy(asks, keyOf).values()]
}

async function copyGroup(
  asks: readonly ImageAsk[],
  { target, prefix, dryRun, signal }: SyncElsewhereParts,
  onImage: (copied: CopiedImage, ask: ImageAsk) => void,
): Promise<{ readonly blobs: number; readonly bytes: number }> {
  const [first] = asks
  if (first === undefined) return { blobs: 0, bytes: 0 }
  const { upstream } = first.located
  // Whoever opened the client closes it.
  const source = { ...registrySource({ client: upstream.client }), close: async () => undefined }
  const images: ImageToCopy[] = asks.map(({ image, located, reference }) => ({
    from: { repository: located.repository, reference },
    to: { repository: nameThere(image.to, prefix), tags: image.tag === undefined ? [] : [image.tag] },
  }))
  const byPlace = new Map(images.map((image, at) => [keyOf(image.to), asks[at]]))
  return copyImages({
    source,
    target,
    images,
    platforms: first.image.platforms,
    referrers: first.referrers,
    dryRun,
    atATime: { images: 8, blobs: upstream.config.concurrency },
    signal,
    onImage: (copied) => {
      const ask = byPlace.get(keyOf({ repository: copied.to, tags: copied.tags })) ?? first
      onImage(copied, ask)
    },
  })
}

function keyOf({ repository, tags }: ImageToCopy['to']): string {
  return `${repository}:${tags.join(',')}`
}

function nameThere(name: RepositoryName, prefix = ''): RepositoryName {
  const there = prefix === '' ? name : `${prefix}/${name}`
  if (isRepositoryName(there)) return there
  throw new Problem(`${there} can be no repository`, {
    hint: 'choose a shorter place, or to in the sync file',
    exitCode: 2,
  })
}

function describe(copied: CopiedImage, { image }: ImageAsk): SyncedImage {
  const { to, tags, state, digest, moved = [], bytes, missingPlatforms, why } = copied
  const [tag] = tags
  const [before] = moved
  return {
    from: image.from,
    to,
    ...(tag !== undefined && { tag }),
    result: state === 'copied' && before !== undefined ? 'moved' : RESULTS[state],
    ...(digest !== undefined && { digest }),
    ...(before !== undefined && { before: before.before }),
    platforms: [],
    missingPlatforms,
    bytes,
    seconds: 0,
    ...(why !== undefined && { why }),
  }
}

function describeUnread({ from, to, tag, why }: UnreadImage): SyncedImage {
  return {
    from,
    to,
    ...(tag !== undefined && { tag }),
    result: 'failed',
    platforms: [],
    missingPlatforms: [],
    bytes: 0,
    seconds: 0,
    why,
  }
}
