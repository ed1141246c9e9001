// What a sync takes of one image: of an index the children for the platforms that are meant, and what was built beside
// them. Pure; an index is never cut, it only lacks children here (I5).
import type { Descriptor } from '../../oci/descriptor.ts'
import type { Digest } from '../../oci/digest.ts'
import type { Manifest } from '../../oci/manifest.ts'
import { matchesPlatform } from '../../oci/platform.ts'

/** A manifest that was read from an upstream. */
export interface FoundManifest {
  readonly digest: Digest
  /** Bytes of the manifest itself. */
  readonly size: number
  readonly manifest: Manifest
}

export interface Wanted {
  /** Children before the index that names them, each once; the root is the last one. */
  readonly manifests: readonly FoundManifest[]
  /** Children that are meant and were not read yet; the rest is only known when they are. */
  readonly unread: readonly Descriptor[]
  /** Platforms that are meant and that no index on the way has. */
  readonly missing: readonly string[]
}

/** The children of an index for these platforms, and the attestations of exactly those; none for an image. */
export function chooseChildren(manifest: Manifest, platforms: 'all' | readonly string[]): readonly Descriptor[] {
  if (platforms === 'all') return manifest.manifests
  const meant = manifest.manifests.filter(({ platform }) =>
    platforms.some((wanted) => matchesPlatform(platform, wanted)),
  )
  const digests = new Set<string>(meant.map(({ digest }) => digest))
  return manifest.manifests.filter(
    (child) => meant.includes(child) || digests.has(child.annotations?.[BUILT_FOR] ?? ''),
  )
}

// BuildKit puts attestations into the index, for a platform "unknown", and says here whose they are.
const BUILT_FOR = 'vnd.docker.reference.digest'

/** Walks from `root` over what was read. An image that is no index is for the platform that it is for. */
export function walkWanted(
  root: FoundManifest,
  platforms: 'all' | readonly string[],
  read: ReadonlyMap<Digest, FoundManifest>,
): Wanted {
  const manifests = new Map<Digest, FoundManifest>()
  const unread = new Map<Digest, Descriptor>()
  const seen = new Set<Digest>()
  const offered: Descriptor[] = []
  const visit = (found: FoundManifest, meant: 'all' | readonly string[]): void => {
    if (seen.has(found.digest)) return
    seen.add(found.digest)
    offered.push(...found.manifest.manifests)
    for (const child of chooseChildren(found.manifest, meant)) {
      const below = read.get(child.digest)
      if (below === undefined) unread.set(child.digest, child)
      // The platform of a child says what it is for; an index in an index has none to choose by again.
      else visit(below, 'all')
    }
    manifests.set(found.digest, found)
  }
  visit(root, platforms)
  const isIndex = root.manifest.kind === 'index'
  const missing =
    platforms === 'all' || !isIndex
      ? []
      : platforms.filter((wanted) => !offered.some(({ platform }) => matchesPlatform(platform, wanted)))
  return { manifests: [...manifests.values()], unread: [...unread.values()], missing }
}
