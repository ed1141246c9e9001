// Reads all manifests of one image from a source, and no blob: the image itself, its children, and what refers to them.
import type { Digest } from '../oci/digest.ts'
import { algorithmOf, digestOf } from '../oci/digest.ts'
import type { Manifest } from '../oci/manifest.ts'
import { readManifest } from '../oci/manifest.ts'
import type { RepositoryName } from '../oci/name.ts'
import type { Reference, Tag } from '../oci/reference.ts'
import { isTag } from '../oci/reference.ts'
import { subjectTagOf } from '../oci/subject-tag.ts'
import { ENDINGS, MOST } from '../mirror/copy-referrers.ts'
import type { FoundManifest } from '../mirror/sync/wanted-manifests.ts'
import { walkWanted } from '../mirror/sync/wanted-manifests.ts'
import type { ImageManifest, ImageSource } from './image-source.ts'

/** A manifest of a closure: with its bytes, and with what they mean. */
export interface ClosureManifest extends FoundManifest {
  readonly stored: ImageManifest
}

export interface Closure {
  readonly root: ClosureManifest
  /** Children before the index that names them; the root is the last one. */
  readonly manifests: readonly ClosureManifest[]
  /** What refers to any of them, each after what it refers to; with a tag where it goes by one. */
  readonly followers: readonly (ClosureManifest & { readonly tag?: Tag })[]
  /** Children that an index names and the source does not have: a list can be sparse. */
  readonly absent: readonly Digest[]
  /** Platforms that are meant and that the image does not have. */
  readonly missingPlatforms: readonly string[]
  /** How many its manifests have, all that were read. */
  readonly bytes: number
}

export interface ClosureAsk {
  readonly source: ImageSource
  readonly repository: RepositoryName | undefined
  readonly reference: Reference
  readonly platforms: 'all' | readonly string[]
  /** Whether signatures and whatever else refers to it are meant. */
  readonly referrers: boolean
  readonly signal?: AbortSignal | undefined
}

const MOST_MANIFESTS = 10_000
// Of all manifests of one image together: some images are read at a time, and what they say takes more than their text.
const MOST_BYTES = 8 * 1024 * 1024

type Asking = ClosureAsk & { readonly read: { bytes: number } }

/** Something that should be in the source is not there, or cannot be what it is said to be. */
export class UnusableImage extends Error {
  override readonly name = 'UnusableImage'
}

/** Throws UnusableImage, and what the source throws. */
export async function readClosure(wish: ClosureAsk): Promise<Closure> {
  const ask: Asking = { ...wish, read: { bytes: 0 } }
  const root = await readOne(ask, ask.reference)
  if (root === undefined) throw new UnusableImage(`it is not in ${ask.source.name}`)
  const read = new Map<Digest, ClosureManifest>([[root.digest, root]])
  const absent = new Set<Digest>()
  let wanted = walkWanted(root, ask.platforms, read)
  for (;;) {
    const unread = wanted.unread.filter(({ digest }) => !absent.has(digest))
    if (unread.length === 0) break
    if (read.size + unread.length > MOST_MANIFESTS) throw new UnusableImage('it has more parts than can be true')
    for (const { digest } of unread) {
      const found = await readOne(ask, { kind: 'digest', digest })
      if (found === undefined) absent.add(digest)
      else read.set(digest, found)
    }
    wanted = walkWanted(root, ask.platforms, read)
  }
  const { missing } = wanted
  // What walkWanted gives out is what was handed in.
  const manifests = wanted.manifests as readonly ClosureManifest[]
  if (manifests.length === 1 && root.manifest.manifests.length > 0) {
    throw new UnusableImage(
      missing.length > 0
        ? `it has none of the platforms ${missing.join(', ')}`
        : `none of its ${root.manifest.manifests.length} parts is in ${ask.source.name}`,
    )
  }
  const followers = ask.referrers ? await readFollowers(ask, manifests) : []
  return { root, manifests, followers, absent: [...absent], missingPlatforms: missing, bytes: ask.read.bytes }
}

async function readOne(
  { source, repository, signal, read }: Asking,
  reference: Reference,
): Promise<ClosureManifest | undefined> {
  const stored = await source.readManifest(repository, reference, { signal })
  if (stored === undefined) return undefined
  read.bytes += stored.bytes.length
  if (read.bytes > MOST_BYTES) throw new UnusableImage('its manifests are larger than can be true')
  const wanted = reference.kind === 'digest' ? reference.digest : stored.digest
  if (digestOf(stored.bytes, algorithmOf(wanted)) !== wanted)
    throw new UnusableImage(`the manifest ${wanted} has another digest in ${source.name}`)
  return { digest: wanted, size: stored.bytes.length, manifest: parse(stored, source.name), stored }
}

function parse({ bytes, digest }: ImageManifest, where: string): Manifest {
  try {
    return readManifest(bytes)
  } catch (cause) {
    throw new UnusableImage(`${digest} in ${where} is no manifest`, { cause })
  }
}

type Follower = ClosureManifest & { readonly tag?: Tag }

// What refers to a referrer comes too: signatures of an SBOM.
async function readFollowers(ask: Asking, subjects: readonly ClosureManifest[]): Promise<Follower[]> {
  const followers = new Map<string, Follower>()
  const queue = [...subjects]
  const seen = new Set(subjects.map(({ digest }) => digest))
  for (let subject = queue.shift(); subject !== undefined; subject = queue.shift()) {
    for (const follower of await readFollowersOf(ask, subject)) {
      followers.set(follower.tag ?? follower.digest, follower)
      if (followers.size > MOST_MANIFESTS) throw new UnusableImage('more refers to it than can be true')
      if (seen.has(follower.digest) || follower.tag !== undefined) continue
      seen.add(follower.digest)
      queue.push(follower)
    }
  }
  return [...followers.values()]
}

async function readFollowersOf(ask: Asking, subject: ClosureManifest): Promise<Follower[]> {
  const { source, repository, signal } = ask
  const found: Follower[] = []
  const listed = await source.listReferrers(repository, subject.digest, { signal })
  for (const { digest } of listed.slice(0, MOST)) {
    const follower = await readOne(ask, { kind: 'digest', digest })
    if (follower !== undefined) found.push(...(await childrenOf(ask, follower)), follower)
  }
  // What refers to another manifest has no signatures of cosign's older kind.
  const base = subjectTagOf(subject.digest)
  const endings = subject.manifest.subject === undefined ? ['', ...ENDINGS] : ['']
  for (const tag of endings.map((ending) => `${base}${ending}`)) {
    if (!isTag(tag)) continue
    const follower = await readOne(ask, { kind: 'tag', tag })
    // Some tag an image by its own digest, so that it is kept: that is one of its names and says nothing about it.
    if (follower === undefined || follower.digest === subject.digest) continue
    found.push(...(await childrenOf(ask, follower)), { ...follower, tag })
  }
  return found
}

// Of the tag schema, what refers to the subject are the children of an index.
async function childrenOf(ask: Asking, { manifest }: ClosureManifest): Promise<ClosureManifest[]> {
  const children: ClosureManifest[] = []
  for (const { digest } of manifest.manifests) {
    const child = await readOne(ask, { kind: 'digest', digest })
    if (child !== undefined) children.push(child)
  }
  return children
}
