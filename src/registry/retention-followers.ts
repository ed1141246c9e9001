// Tags that are named after another manifest: `sha256-<hex>`, `sha256-<hex>.sig`, `.att`, `.sbom` and the like, which
// is how signatures lie in a registry without referrers. No rule judges them: they stay as long as collection would
// keep that manifest, and go when it goes. What cannot be read makes them stay.
import type { Digest } from '../oci/digest.ts'
import type { Manifest } from '../oci/manifest.ts'
import { subjectTagOf } from '../oci/subject-tag.ts'

export interface Follower {
  readonly tag: string
  readonly target: Digest
  /** What it follows. */
  readonly key: string
}

export interface Revision {
  readonly digest: Digest
  /** What its manifest names: children and subject. */
  readonly manifest: Pick<Manifest, 'manifests' | 'subject'>
}

/**
 * Which followers stay, as collection would have it: from the `roots` (tags that stay, pins, revisions that stay by
 * themselves) to the children of indexes, to what names a kept manifest as its subject, and to the followers of a kept
 * manifest, until nothing is added. `revisions` are all of the repository.
 */
export function findStaying(
  roots: Iterable<Digest>,
  revisions: ReadonlyMap<Digest, Revision>,
  followers: readonly Follower[],
): Set<string> {
  const ofSubject = new Map<Digest, Digest[]>()
  for (const { digest, manifest } of revisions.values()) {
    if (manifest.subject !== undefined) addTo(ofSubject, manifest.subject.digest, digest)
  }
  const ofKey = new Map<string, Follower[]>()
  for (const follower of followers) addTo(ofKey, follower.key, follower)

  const staying = new Set<string>()
  const seen = new Set<Digest>(roots)
  // A Set that grows while it is walked is walked to its end.
  for (const digest of seen) {
    for (const child of revisions.get(digest)?.manifest.manifests ?? []) seen.add(child.digest)
    for (const referrer of ofSubject.get(digest) ?? []) seen.add(referrer)
    for (const { tag, target } of ofKey.get(subjectTagOf(digest)) ?? []) {
      staying.add(tag)
      seen.add(target)
    }
  }
  return staying
}

function addTo<Key, Value>(map: Map<Key, Value[]>, key: Key, value: Value): void {
  const list = map.get(key)
  if (list === undefined) map.set(key, [value])
  else list.push(value)
}
