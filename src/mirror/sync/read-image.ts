// Reads all manifests of one image that a sync means, and no blob: what it is now, the children for its platforms, and
// what refers to them. What is here already is read here, so that a sync that finds nothing new asks one HEAD an image.
import type { SyncEntry } from '../../config/sync-file.ts'
import type { Digest } from '../../oci/digest.ts'
import type { RepositoryName } from '../../oci/name.ts'
import type { Reference, Tag } from '../../oci/reference.ts'
import { parseTag } from '../../oci/reference.ts'
import { subjectTagOf } from '../../oci/subject-tag.ts'
import type { StoredManifest } from '../../storage/manifests.ts'
import type { ReferrerList } from '../../upstream/read-lists.ts'
import { UpstreamError } from '../../upstream/upstream-error.ts'
import { ENDINGS, MOST } from '../copy-referrers.ts'
import type { ManifestFetcher } from '../fetch-manifest.ts'
import type { Located } from '../route.ts'
import type { MeantImage, ReadImage, UnreadImage } from './plan.ts'
import type { FoundManifest } from './wanted-manifests.ts'
import { walkWanted } from './wanted-manifests.ts'

export interface ImageAsk {
  readonly image: MeantImage
  /** The upstream, under the name of the repository that the image goes to. */
  readonly located: Located
  readonly reference: Reference
  /** Whether what refers to the image is meant as well. */
  readonly referrers: boolean
  /** What must be signed of it; nothing unless said. */
  readonly signing?: Pick<SyncEntry, 'onlySigned' | 'policy'>
  /** All tags of the upstream's repository, where they are known: then nobody asks for one that is not there. */
  readonly tags?: ReadonlySet<Tag>
}

export interface ReadImageParts {
  readonly manifests: Pick<ManifestFetcher, 'get' | 'head'>
  /** The manifest as it is here, whole. */
  readonly local: (name: RepositoryName, digest: Digest) => Promise<StoredManifest | undefined>
  /** Whether the tag leads anywhere here; without it every tag is asked for by HEAD first. */
  readonly hasTag?: (name: RepositoryName, tag: Tag) => boolean
  /** Runs what asks the upstream `host`, again if need be. */
  readonly patient?: <T>(host: string, act: () => Promise<T>) => Promise<T>
  /** What refers to a manifest, as `client.listReferrers` gives it. */
  readonly listReferrers: (ask: ImageAsk, subject: Digest) => Promise<Pick<ReferrerList, 'descriptors' | 'via'>>
}

/** An image with the bytes of its manifests. */
export interface FetchedImage extends ReadImage {
  readonly root: FetchedManifest
  readonly read: ReadonlyMap<Digest, FetchedManifest>
  readonly followers: readonly Follower[]
}

/** A manifest with its bytes, so that it need not be asked for again. */
export interface FetchedManifest extends FoundManifest {
  readonly stored: StoredManifest
}

/** Reads the image; what its upstream says against that is given back, everything else is thrown. */
export async function readImage(ask: ImageAsk, parts: ReadImageParts): Promise<FetchedImage | UnreadImage> {
  const { image, reference, referrers } = ask
  try {
    const root = await readReference(ask, reference, parts)
    const read = new Map<Digest, FetchedManifest>()
    let wanted = walkWanted(root, image.platforms, read)
    while (wanted.unread.length > 0) {
      const found = await Promise.all(wanted.unread.map(({ digest }) => readDigest(ask, digest, parts)))
      for (const each of found) read.set(each.digest, each)
      if (read.size > MOST_MANIFESTS)
        throw new UpstreamError('invalid', `${image.from} has more parts than can be true`)
      wanted = walkWanted(root, image.platforms, read)
    }
    const leftOut: string[] = []
    const followers = referrers ? await readFollowers(ask, wanted.manifests, parts, leftOut) : []
    return { ...image, root, read, followers, ...(leftOut.length > 0 && { leftOut: describeLeftOut(leftOut) }) }
  } catch (error) {
    if (error instanceof UpstreamError) return { ...image, why: error.message }
    throw error
  }
}

const MOST_MANIFESTS = 10_000

async function readReference(ask: ImageAsk, reference: Reference, parts: ReadImageParts): Promise<FetchedManifest> {
  if (reference.kind === 'digest') return readDigest(ask, reference.digest, parts)
  const { located } = ask
  const isNew = parts.hasTag?.(located.name, reference.tag) === false
  // HEAD counts as no pull where pulls are counted, and mostly nothing moved. What is not here will be pulled anyway.
  const digest = isNew ? undefined : await patiently(ask, parts, () => parts.manifests.head(located, reference))
  if (digest !== undefined) return readDigest(ask, digest, parts)
  return keep(await patiently(ask, parts, () => parts.manifests.get(located, reference)))
}

function patiently<T>({ located }: ImageAsk, { patient }: ReadImageParts, act: () => Promise<T>): Promise<T> {
  return patient === undefined ? act() : patient(located.upstream.config.host, act)
}

async function readDigest(ask: ImageAsk, digest: Digest, parts: ReadImageParts): Promise<FetchedManifest> {
  const { located } = ask
  const here = await parts.local(located.name, digest)
  return keep(here ?? (await patiently(ask, parts, () => parts.manifests.get(located, { kind: 'digest', digest }))))
}

function keep(stored: StoredManifest): FetchedManifest {
  return { digest: stored.digest, size: stored.bytes.length, manifest: stored.manifest, stored }
}

/** What refers to an image; with a tag where it goes by one. */
export type Follower = FetchedManifest & { readonly tag?: Tag }

// What refers to a referrer comes too: signatures of an SBOM.
async function readFollowers(
  ask: ImageAsk,
  subjects: readonly FoundManifest[],
  parts: ReadImageParts,
  leftOut: string[],
): Promise<Follower[]> {
  const followers = new Map<string, Follower>()
  const queue: FoundManifest[] = [...subjects]
  const asked = new Set(subjects.map(({ digest }) => digest))
  for (let subject = queue.shift(); subject !== undefined; subject = queue.shift()) {
    for (const follower of await readFollowersOf(ask, subject, parts, leftOut)) {
      followers.set(follower.tag ?? follower.digest, follower)
      if (asked.has(follower.digest) || follower.tag !== undefined || followers.size > MOST_MANIFESTS) continue
      asked.add(follower.digest)
      queue.push(follower)
    }
  }
  return [...followers.values()]
}

async function readFollowersOf(
  ask: ImageAsk,
  subject: FoundManifest,
  parts: ReadImageParts,
  leftOut: string[],
): Promise<Follower[]> {
  const { descriptors, via } = await patiently(ask, parts, () => parts.listReferrers(ask, subject.digest))
  for (const { digest } of descriptors.slice(MOST)) leftOut.push(`${digest}: more than ${MOST} refer to one manifest`)
  const byDigest = descriptors
    .slice(0, MOST)
    .map(({ digest }) =>
      unlessUntrue(readDigest(ask, digest, parts), (why) => leftOut.push(`${digest}: ${why.message}`)),
    )
  // As copy-referrers.ts brings them.
  const base = subjectTagOf(subject.digest)
  const cosign = subject.manifest.subject ? [] : ENDINGS.map((end) => `${base}${end}`)
  const tags = [...(via === 'tag' ? [base] : []), ...cosign].map(parseTag)
  const byTag = tags
    .filter((tag) => ask.tags?.has(tag) !== false)
    .map((tag) =>
      unlessUntrue(
        readReference(ask, { kind: 'tag', tag }, parts).then((found) => ({ ...found, tag })),
        // Most images have none of these tags.
        (why) => why.kind !== 'notFound' && leftOut.push(`${tag}: ${why.message}`),
      ),
    )
  const found: (Follower | undefined)[] = await Promise.all([...byDigest, ...byTag])
  return found.filter((follower) => follower !== undefined)
}

// One that is not there or cannot be true is left out; a list or an answer that did not come is no empty one (R20).
async function unlessUntrue<T>(
  reading: Promise<T>,
  onLeftOut: (why: UpstreamError) => unknown,
): Promise<T | undefined> {
  try {
    return await reading
  } catch (error) {
    if (!(error instanceof UpstreamError) || !['notFound', 'invalid', 'refused'].includes(error.kind)) throw error
    onLeftOut(error)
    return undefined
  }
}

function describeLeftOut(leftOut: readonly string[]): string {
  const [first = ''] = leftOut
  return `left out of what refers to it: ${leftOut.length === 1 ? first : `${leftOut.length}, such as ${first}`}`
}
