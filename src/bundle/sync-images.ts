// The images that the entries of a sync file mean, as they lie here: under the names, tags and platforms that a sync would
// have given them. No upstream is asked, so that a file which the internet side syncs by says what crosses the gap too.
import { formatImageSource } from '../config/image-source.ts'
import type { SyncEntry } from '../config/sync-file.ts'
import type { Digest } from '../oci/digest.ts'
import type { RepositoryName } from '../oci/name.ts'
import { isRepositoryName } from '../oci/name.ts'
import type { Tag } from '../oci/reference.ts'
import { Dates } from '../mirror/sync/dates.ts'
import type { KnownUpstreams } from '../mirror/sync/destination.ts'
import { destinationOf, mirrorPathOf } from '../mirror/sync/destination.ts'
import { meanRepositories } from '../mirror/sync/mean-images.ts'
import { filterTags, needsDates, takeNewest } from '../mirror/sync/select-tags.ts'
import { walkTags } from '../storage/read-tags.ts'
import type { Store } from '../storage/store.ts'
import type { WalkReport } from '../storage/walk.ts'
import { UpstreamError } from '../upstream/upstream-error.ts'
import type { ExactImages } from './picked.ts'

export interface SyncedImages {
  readonly images: readonly ExactImages[]
  /** What entries mean and is not here, as the file spells it. */
  readonly absent: readonly string[]
}

type Part = Pick<Store, 'layout' | 'repositories' | 'blobs'>

// A manifest or a config.
const LARGEST = 8 * 1024 * 1024
const SILENT: WalkReport = { onStray: () => undefined, onUnreadable: () => undefined }

/** Reads the directory only. `known` says where pulls through the mirror put what they take. */
export async function findSynced(
  store: Part,
  entries: readonly SyncEntry[],
  known: KnownUpstreams,
): Promise<SyncedImages> {
  const images: ExactImages[] = []
  const absent: string[] = []
  for (const entry of entries) {
    const { source, platforms, referrers } = entry
    const wishes = { platforms: platforms === 'all' ? [] : platforms, referrers }
    let isTold = false
    for await (const repository of listRepositories(store, entry, known)) {
      const to = destinationOf(entry, repository, known)
      if (to === undefined) continue
      const tags = readTags(store, to)
      const meant = (await meanHere(store, entry, to, tags)) ?? { tags: [], digests: [], missing: [] }
      absent.push(...meant.missing.map((tag) => `${to}:${tag}`))
      isTold ||= meant.missing.length > 0
      if (meant.tags.length + meant.digests.length === 0) continue
      isTold = true
      images.push({ repository: to, tags: meant.tags, digests: meant.digests, ...wishes })
    }
    if (!isTold) absent.push(formatImageSource(source))
  }
  return { images, absent: [...new Set(absent)] }
}

/** The repositories of its registry that the entry means; of a whole registry those of which something is here. */
async function* listRepositories(
  { repositories }: Part,
  entry: SyncEntry,
  known: KnownUpstreams,
): AsyncGenerator<RepositoryName> {
  const { source, to } = entry
  if (source.repository !== undefined) {
    yield source.repository
    return
  }
  const path = to ?? mirrorPathOf(source.host, known)
  const prefix = path === '' ? '' : `${path}/`
  for await (const name of repositories.names()) {
    const below = name.slice(prefix.length)
    if (name.startsWith(prefix) && isRepositoryName(below)) yield* meanRepositories(entry, [below])
  }
}

function readTags({ layout }: Part, name: RepositoryName): ReadonlyMap<Tag, Digest> {
  const tags = new Map<Tag, Digest>()
  for (const { tag, target } of walkTags(layout, name, SILENT)) if (target !== undefined) tags.set(tag, target)
  return tags
}

interface MeantHere {
  readonly tags: readonly Tag[]
  readonly digests: readonly Digest[]
  readonly missing: readonly string[]
}

async function meanHere(
  store: Part,
  { source, tag: own, tags: rule }: SyncEntry,
  repository: RepositoryName,
  tags: ReadonlyMap<Tag, Digest>,
): Promise<MeantHere> {
  const { digest } = source
  const tag = own ?? source.tag
  // Whatever the tag means here by now, the file means this image.
  if (digest !== undefined && (tag === undefined || tags.get(tag) !== digest))
    return { tags: [], digests: [digest], missing: [] }
  if (tag !== undefined) return { tags: [tag], digests: [], missing: [] }
  const filtered = filterTags(rule, [...tags.keys()])
  const dates = needsDates(rule, filtered) ? await readDates(store, repository, tags, filtered.chosen) : undefined
  const { chosen, missing } = takeNewest(rule, filtered, dates)
  return { tags: chosen, digests: [], missing }
}

/** When images were made, as a sync reads it; of what is not here nothing is known. */
function readDates(
  { blobs }: Part,
  repository: RepositoryName,
  tags: ReadonlyMap<Tag, Digest>,
  chosen: readonly Tag[],
): Promise<ReadonlyMap<Tag, number>> {
  const isNotHere = async (): Promise<never> => {
    throw new UpstreamError('notFound', 'it is not here')
  }
  const dates = new Dates({ local: async (digest) => blobs.readSmall(digest, digest, LARGEST) })
  const client: Parameters<Dates['of']>[0]['client'] = {
    async headManifest(_repository, reference) {
      const digest = reference.kind === 'digest' ? reference.digest : tags.get(reference.tag)
      if (digest === undefined) return isNotHere()
      return { digest, mediaType: undefined, size: undefined, source: '' }
    },
    getManifest: isNotHere,
    getBlob: isNotHere,
  }
  return dates.of({ client, repository, signal: new AbortController().signal }, chosen)
}
