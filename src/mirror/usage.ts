// What mirrored images take, and which of them were used longest ago. An image here is what goes as one: a manifest that
// nothing else in its repository is about, with its children and what refers to it.
import type { Digest } from '../oci/digest.ts'
import type { RepositoryName } from '../oci/name.ts'
import { readSubjectTag, subjectTagOf } from '../oci/subject-tag.ts'
import type { StoredManifest } from '../storage/manifests.ts'
import type { Store } from '../storage/store.ts'
import { inTurns } from '../storage/turn.ts'

export interface MirroredImage {
  readonly name: RepositoryName
  readonly digest: Digest
  /** All manifests that go with it, itself first. */
  readonly parts: readonly Digest[]
  /** Of any of its parts, in milliseconds since 1970. */
  readonly usedAt: number
  /** Bytes of what its parts name and are, by digest. */
  readonly blobs: ReadonlyMap<Digest, number>
}

/** Reads all marks and what they are about, letting other work in. */
export async function readMirrored(
  store: Pick<Store, 'mirrored' | 'manifests' | 'pulls' | 'tags'>,
): Promise<MirroredImage[]> {
  const images: MirroredImage[] = []
  for await (const name of inTurns([...store.mirrored.names()])) images.push(...(await readRepository(store, name)))
  return images
}

async function readRepository(
  store: Pick<Store, 'mirrored' | 'manifests' | 'pulls' | 'tags'>,
  name: RepositoryName,
): Promise<MirroredImage[]> {
  const { tags, manifests: marks } = store.mirrored.marks(name)
  const manifests = new Map<Digest, StoredManifest>()
  for await (const digest of inTurns([...marks.keys()])) {
    const stored = store.manifests.resolve(name, digest)
    const manifest = stored && (await store.manifests.load(digest, stored).catch(() => undefined))
    if (manifest !== undefined) manifests.set(digest, manifest)
  }
  const bySubjectTag = new Map([...manifests.keys()].map((digest) => [subjectTagOf(digest), digest]))
  // What each manifest follows: an index that names it, its subject, the image that its tag is about.
  const leaders = new Map<Digest, Digest>()
  for (const { digest, manifest } of manifests.values()) {
    for (const child of manifest.manifests) if (manifests.has(child.digest)) leaders.set(child.digest, digest)
    const subject = manifest.subject?.digest
    if (subject !== undefined && manifests.has(subject) && subject !== digest) leaders.set(digest, subject)
  }
  for (const [tag, { digest }] of tags) {
    const about = bySubjectTag.get(readSubjectTag(tag) ?? '')
    if (about !== undefined && about !== digest && manifests.has(digest)) leaders.set(digest, about)
  }
  const groups = new Map<Digest, Digest[]>()
  for (const digest of manifests.keys()) {
    const leader = follow(leaders, digest)
    const group = groups.get(leader) ?? [leader]
    if (digest !== leader) group.push(digest)
    groups.set(leader, group)
  }
  return [...groups].map(([digest, parts]) => ({
    name,
    digest,
    parts,
    usedAt: Math.max(...parts.map((part) => usedAt(store, name, part, marks.get(part)?.at ?? 0))),
    blobs: new Map(parts.flatMap((part) => blobsOf(manifests.get(part) as StoredManifest))),
  }))
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

function usedAt({ pulls }: Pick<Store, 'pulls'>, name: RepositoryName, digest: Digest, mirroredAt: number): number {
  return Math.max(pulls.lastPulled(name, digest) ?? 0, mirroredAt)
}

function blobsOf({ digest, bytes, manifest }: StoredManifest): [Digest, number][] {
  const named = [manifest.config, ...manifest.layers].filter((entry) => entry !== undefined)
  return [[digest, bytes.byteLength], ...named.map((entry): [Digest, number] => [entry.digest, entry.size])]
}
