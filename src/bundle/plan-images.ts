// Which of the images that an archive names can be made images of this registry: those whose whole closure is here or was
// in the archive. Children come before indexes. What misses something is told with what it misses; nothing is written here.
import type { Digest } from '../oci/digest.ts'
import type { RepositoryName } from '../oci/name.ts'
import type { Tag } from '../oci/reference.ts'
import type { WantedRepository } from './claims.ts'
import type { ManifestFacts } from './manifest-facts.ts'

export interface Known {
  /** Whether the bytes of a blob were in the archive, or are here and right. */
  isHere(digest: Digest): Promise<boolean>
  /** The facts of a manifest that was in the archive or is here; undefined when it is not, or is no manifest. */
  facts(digest: Digest): Promise<ManifestFacts | undefined>
  /** Whether the repository has the manifest already. */
  hasManifest(repository: RepositoryName, digest: Digest): boolean
  /** The digest under which the repository here has a blob that it calls `digest`. */
  storedAs(repository: RepositoryName, digest: Digest): Digest | undefined
}

/** An image that cannot be linked yet. */
export interface HeldImage {
  readonly repository: RepositoryName
  readonly digest: Digest
  readonly tags: readonly Tag[]
  /** The first thing that is missing. */
  readonly missing: Digest
}

export interface PlannedRepository {
  readonly name: RepositoryName
  /** Links to blobs, with the digests under which their bytes are stored. */
  readonly layers: ReadonlyMap<Digest, Digest>
  /** In the order in which they are linked. */
  readonly manifests: readonly Digest[]
  readonly tags: ReadonlyMap<Tag, Digest>
  readonly held: readonly HeldImage[]
}

// Deeper than that no client follows.
const DEEPEST = 8

/** Says what of one repository can be linked. Reads what `known` reads. */
export async function planRepository(
  name: RepositoryName,
  wanted: WantedRepository,
  known: Known,
): Promise<PlannedRepository> {
  const layers = new Map<Digest, Digest>()
  const manifests: Digest[] = []
  /** What a manifest misses; undefined when it is whole. */
  const judged = new Map<Digest, Digest | undefined>()

  const judgeBlobs = async (digests: readonly Digest[], found: Map<Digest, Digest>): Promise<Digest | undefined> => {
    for (const digest of digests) {
      const stored = wanted.layers.get(digest) ?? known.storedAs(name, digest) ?? digest
      if (!(await known.isHere(stored))) return digest
      found.set(digest, stored)
    }
    return undefined
  }

  const judge = async (digest: Digest, depth: number): Promise<Digest | undefined> => {
    if (judged.has(digest)) return judged.get(digest)
    if (depth > DEEPEST) return digest
    // A manifest that leads to itself cannot be; whoever made its bytes up does not get further.
    judged.set(digest, digest)
    const missing = await examine(digest, depth)
    judged.set(digest, missing)
    if (missing === undefined) manifests.push(digest)
    return missing
  }

  const examine = async (digest: Digest, depth: number): Promise<Digest | undefined> => {
    const facts = (await known.isHere(digest)) ? await known.facts(digest) : undefined
    if (facts === undefined) return digest
    const found = new Map<Digest, Digest>()
    const lacks = await judgeBlobs(facts.blobs, found)
    if (lacks !== undefined) return lacks
    for (const child of facts.children) {
      // An index may name images that were never here (other platforms).
      if (!wanted.manifests.has(child)) continue
      const missing = await judge(child, depth + 1)
      if (missing !== undefined) return missing
    }
    // Those that clients may have from elsewhere are linked where they came along.
    for (const digest of facts.others) await judgeBlobs([digest], found)
    for (const [digest, stored] of found) layers.set(digest, stored)
    return undefined
  }

  for (const digest of wanted.manifests) await judge(digest, 0)
  const tags = new Map<Tag, Digest>()
  const waiting = new Map<Digest, Tag[]>()
  for (const [tag, digest] of wanted.tags) {
    const isWhole = judged.has(digest) ? judged.get(digest) === undefined : known.hasManifest(name, digest)
    if (isWhole) tags.set(tag, digest)
    else waiting.set(digest, [...(waiting.get(digest) ?? []), tag])
  }
  for (const [digest, missing] of judged) {
    if (missing !== undefined && !waiting.has(digest)) waiting.set(digest, [])
  }
  const held = [...waiting].map(([digest, tags]) => {
    return { repository: name, digest, tags, missing: judged.get(digest) ?? digest }
  })
  return { name, layers, manifests, tags, held }
}
