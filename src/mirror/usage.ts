// What mirrored images take, and which of them were used longest ago. An image here is what goes as one: a manifest that
// nothing else in its repository is about, with its children and what refers to it. What a sync means is none of them.
import type { Digest } from '../oci/digest.ts'
import type { Manifest } from '../oci/manifest.ts'
import type { RepositoryName } from '../oci/name.ts'
import { readSubjectTag, subjectTagOf } from '../oci/subject-tag.ts'
import type { Marks } from '../storage/mirrored.ts'
import { Pace } from '../storage/pace.ts'
import { readManifestFile } from '../storage/read-manifest-file.ts'
import type { Store } from '../storage/store.ts'

export interface MirroredImage {
  readonly name: RepositoryName
  readonly digest: Digest
  /** All manifests that go with it, itself first. */
  readonly parts: readonly Digest[]
  /** Of any of its parts, in milliseconds since 1970. */
  readonly usedAt: number
  /** What its parts name and are. */
  readonly blobs: readonly HeldBlob[]
}

/** A blob with the number of images that hold it. */
interface HeldBlob {
  readonly digest: Digest
  readonly size: number
  holders: number
}

/** Mirrored images with what they take together, each blob once. */
export class Usage {
  readonly images: MirroredImage[] = []
  readonly #blobs = new Map<Digest, HeldBlob>()
  #bytes = 0

  /** Bytes of all blobs that an image holds. */
  get bytes(): number {
    return this.#bytes
  }

  /** The blob, which nobody holds yet if it was not known. */
  blob(digest: Digest, size: number): HeldBlob {
    let blob = this.#blobs.get(digest)
    if (blob === undefined) this.#blobs.set(digest, (blob = { digest, size, holders: 0 }))
    return blob
  }

  /** Counts the image, which goes or stays as a whole. */
  hold({ blobs }: MirroredImage): void {
    for (const blob of blobs) {
      if (blob.holders === 0) this.#bytes += blob.size
      blob.holders += 1
    }
  }

  /** Counts it no more. */
  release({ blobs }: MirroredImage): void {
    for (const blob of blobs) {
      blob.holders -= 1
      if (blob.holders === 0) this.#bytes -= blob.size
    }
  }
}

type Readable = Pick<Store, 'layout' | 'manifests' | 'mirrored' | 'pulls'>

/**
 * Reads all marks and what they are about, in small steps. Past the memory of manifests, which is for those that clients
 * ask for.
 */
export async function readUsage(store: Readable, pace = new Pace()): Promise<Usage> {
  const usage = new Usage()
  for await (const name of pace.over(store.mirrored.names())) await readRepository(store, name, usage, pace)
  return usage
}

async function readRepository(store: Readable, name: RepositoryName, usage: Usage, pace: Pace): Promise<void> {
  const { tags, manifests: marks } = store.mirrored.marks(name)
  const manifests = new Map<Digest, Part>()
  for await (const digest of pace.over([...marks.keys()])) {
    const part = readPart(store, name, digest, usage)
    if (part !== undefined) manifests.set(digest, part)
  }
  const leaders = findLeaders(manifests, tags)
  const groups = new Map<Digest, Digest[]>()
  for await (const digest of pace.over(manifests.keys())) {
    const leader = follow(leaders, digest)
    const group = groups.get(leader) ?? [leader]
    if (digest !== leader) group.push(digest)
    groups.set(leader, group)
  }
  const synced = findSynced({ tags, manifests: marks })
  for await (const [digest, parts] of pace.over(groups)) {
    if (parts.some((part) => synced.has(part))) continue
    const used = parts.map((part) => Math.max(store.pulls.lastPulled(name, part) ?? 0, marks.get(part)?.at ?? 0))
    const blobs = [...new Set(parts.flatMap((part) => manifests.get(part)?.blobs ?? []))]
    const image = { name, digest, parts, usedAt: Math.max(...used), blobs }
    usage.images.push(image)
    usage.hold(image)
  }
}

// What a sync means is no part of the cache.
function findSynced({ tags, manifests }: Marks): Set<Digest> {
  const synced = new Set<Digest>()
  for (const [digest, mark] of manifests) if (mark.synced === true) synced.add(digest)
  for (const mark of tags.values()) if (mark.synced === true) synced.add(mark.digest)
  return synced
}

interface Part {
  readonly blobs: readonly HeldBlob[]
  readonly children: readonly Digest[]
  readonly subject: Digest | undefined
}

function readPart(store: Readable, name: RepositoryName, digest: Digest, usage: Usage): Part | undefined {
  const stored = store.manifests.resolve(name, digest)
  const file = stored && readManifestFile(store.layout, digest, stored)
  if (file?.state !== 'read') return undefined
  const { config, layers, manifests, subject }: Manifest = file.manifest
  const named = [config, ...layers].filter((entry) => entry !== undefined)
  return {
    blobs: [usage.blob(digest, file.bytes.byteLength), ...named.map((entry) => usage.blob(entry.digest, entry.size))],
    children: manifests.map((child) => child.digest),
    subject: subject?.digest,
  }
}

/** What each manifest follows: an index that names it, its subject, the image that its tag is about. */
function findLeaders(manifests: ReadonlyMap<Digest, Part>, tags: Marks['tags']): Map<Digest, Digest> {
  const leaders = new Map<Digest, Digest>()
  for (const [digest, { children, subject }] of manifests) {
    for (const child of children) if (manifests.has(child)) leaders.set(child, digest)
    if (subject !== undefined && manifests.has(subject) && subject !== digest) leaders.set(digest, subject)
  }
  const abouts = [...tags].filter(([tag]) => readSubjectTag(tag) !== undefined)
  if (abouts.length === 0) return leaders
  const bySubjectTag = new Map([...manifests.keys()].map((digest) => [subjectTagOf(digest), digest]))
  for (const [tag, { digest }] of abouts) {
    const about = bySubjectTag.get(readSubjectTag(tag) ?? '')
    if (about !== undefined && about !== digest && manifests.has(digest)) leaders.set(digest, about)
  }
  return leaders
}

// Two manifests can follow each other; whoever is come upon again leads.
function follow(leaders: ReadonlyMap<Digest, Digest>, first: Digest): Digest {
  const seen = new Set<Digest>()
  let digest = first
  for (let next = leaders.get(digest); next !== undefined && !seen.has(digest); next = leaders.get(digest)) {
    seen.add(digest)
    digest = next
  }
  return digest
}
