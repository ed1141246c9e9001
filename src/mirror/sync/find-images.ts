// The images that the entries of an order mean: where an entry names many, its upstream is asked for its lists. What one
// entry fails with does not keep the others.
import { formatImageSource } from '../../config/image-source.ts'
import { Problem } from '../../config/problem.ts'
import type { SyncEntry } from '../../config/sync-file.ts'
import type { RepositoryName } from '../../oci/name.ts'
import type { Tag } from '../../oci/reference.ts'
import type { TagList } from '../../upstream/read-lists.ts'
import { UpstreamError } from '../../upstream/upstream-error.ts'
import type { Located } from '../route.ts'
import type { Upstream } from '../upstream.ts'
import type { KnownUpstreams } from './destination.ts'
import { destinationOf } from './destination.ts'
import { besideClients, inParallel } from './in-parallel.ts'
import type { Meaning } from './mean-images.ts'
import { meanOne, meanRepositories, meanTags } from './mean-images.ts'
import type { UnreadImage } from './plan.ts'
import type { ImageAsk } from './read-image.ts'
import type { Selection } from './select-tags.ts'
import { filterTags, needsDates, takeNewest } from './select-tags.ts'

/** A repository of which an entry means a part, and its upstream gave the whole list. */
export interface MeantPlace {
  readonly entry: SyncEntry
  readonly to: RepositoryName
  readonly meant: ReadonlySet<Tag>
}

export interface FoundImages {
  readonly asks: readonly ImageAsk[]
  /** What is meant and cannot be asked for, entries that could not be listed among them. */
  readonly unread: readonly UnreadImage[]
  readonly places: readonly MeantPlace[]
}

export interface FindParts {
  readonly upstreamOf: (host: string) => Upstream
  /** Where pulls through the mirror put what they take. */
  readonly known: KnownUpstreams
  readonly signal: AbortSignal
  /** Runs what asks the upstream `host`, again if need be. */
  readonly patient: <T>(host: string, act: () => Promise<T>) => Promise<T>
  /** When images were made, milliseconds since 1970, of the tags whose dates can be had. */
  readonly datesOf: (located: Located, tags: readonly Tag[], signal: AbortSignal) => Promise<ReadonlyMap<Tag, number>>
}

/** Throws what is neither an answer of an upstream nor something that a person must mend for one registry. */
export async function findImages(entries: readonly SyncEntry[], parts: FindParts): Promise<FoundImages> {
  return joinFound(await Promise.all(entries.map((entry) => findOfEntry(entry, parts))))
}

function joinFound(found: readonly FoundImages[]): FoundImages {
  return {
    asks: found.flatMap(({ asks }) => asks),
    unread: found.flatMap(({ unread }) => unread),
    places: found.flatMap(({ places }) => places),
  }
}

async function findOfEntry(entry: SyncEntry, parts: FindParts): Promise<FoundImages> {
  const { source } = entry
  try {
    const upstream = parts.upstreamOf(source.host)
    if (source.repository !== undefined) return await findOfRepository(entry, source.repository, upstream, parts)
    const { repositories, complete } = await parts.patient(source.host, () =>
      upstream.client.listRepositories({ signal: parts.signal }),
    )
    const meant = meanRepositories(entry, repositories)
    const found = await inParallel(meant, besideClients(upstream.config), async (repository) => {
      try {
        return await findOfRepository(entry, repository, upstream, parts)
      } catch (error) {
        // One that cannot be listed does not keep the others.
        return giveUp(entry, error, repository)
      }
    })
    return joinFound(complete ? found : [...found, tellCut(entry, repositories.length, 'repositories')])
  } catch (error) {
    return giveUp(entry, error)
  }
}

async function findOfRepository(
  entry: SyncEntry,
  repository: RepositoryName,
  upstream: Upstream,
  parts: FindParts,
): Promise<FoundImages> {
  const to = destinationOf(entry, repository, parts.known)
  if (to === undefined)
    return giveUp(entry, new UpstreamError('invalid', 'there can be no repository of that name here'), repository)
  const located: Located = { name: to, upstream, repository }
  const one = meanOne(entry, to)
  if (one !== undefined) return { asks: askFor(entry, located, one), unread: one.absent, places: [] }
  const { host } = entry.source
  const list = await parts.patient(host, () => upstream.client.listTags(repository, { signal: parts.signal }))
  const selection = await select(entry, located, list, parts)
  const meaning = meanTags(entry, repository, to, selection)
  const tags = list.complete ? new Set(list.tags) : undefined
  const meant = new Set([...selection.chosen, ...meaning.absent.flatMap(({ tag }) => tag ?? [])])
  const found = { asks: askFor(entry, located, meaning, tags), unread: meaning.absent }
  if (list.complete) return { ...found, places: [{ entry, to, meant }] }
  return joinFound([{ ...found, places: [] }, tellCut(entry, list.tags.length, 'tags', repository)])
}

// What is meant may stand behind the end: a run that says nothing of it would be taken for whole.
function tellCut(entry: SyncEntry, count: number, what: string, repository?: RepositoryName): FoundImages {
  const why = `only the first ${count} ${what} of its list are read; what is behind them must be named`
  return giveUp(entry, new UpstreamError('invalid', why), repository)
}

async function select(entry: SyncEntry, located: Located, list: TagList, parts: FindParts): Promise<Selection> {
  const filtered = filterTags(entry.tags, list.tags)
  if (!needsDates(entry.tags, filtered)) return takeNewest(entry.tags, filtered)
  const { host } = entry.source
  const dates = await parts.patient(host, () => parts.datesOf(located, filtered.chosen, parts.signal))
  return takeNewest(entry.tags, filtered, dates)
}

function askFor(entry: SyncEntry, located: Located, { images }: Meaning, tags?: ReadonlySet<Tag>): ImageAsk[] {
  return images.map(({ image, reference }) => ({
    image,
    located,
    reference,
    referrers: entry.referrers,
    signing: entry,
    ...(tags && { tags }),
  }))
}

function giveUp({ source, to, platforms }: SyncEntry, error: unknown, repository?: RepositoryName): FoundImages {
  // A login or an authority that one registry lacks is no matter of the others.
  if (!(error instanceof UpstreamError || error instanceof Problem)) throw error
  const from = formatImageSource({ ...source, ...(repository !== undefined && { repository }) })
  const why = error instanceof Problem && error.hint !== undefined ? `${error.message} (${error.hint})` : error.message
  const unread = { from, to: to ?? ('' as RepositoryName), platforms, why }
  return { asks: [], unread: [unread], places: [] }
}
