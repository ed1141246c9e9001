// Which digests a repository holds, by the names of its link directories: the quick way to ask all repositories about a
// few digests. Synchronous and read-only (see walk.ts).
import { readdirSync } from 'node:fs'
import type { Digest } from '../oci/digest.ts'
import { ALGORITHMS, joinDigest } from '../oci/digest.ts'
import type { RepositoryName } from '../oci/name.ts'
import type { Layout } from './layout.ts'
import { childOf } from './layout.ts'
import { isNotThere, statFile } from './stamp.ts'
import type { WalkReport } from './walk.ts'

/**
 * Those of `wanted` that the repository has a link to, as a blob or as a manifest. What cannot be read is told to
 * `report`, and holds nothing.
 */
export function findHeld(
  layout: Layout,
  name: RepositoryName,
  wanted: { has(digest: Digest): boolean },
  report: Pick<WalkReport, 'onUnreadable'>,
): Digest[] {
  const held = new Set<Digest>()
  for (const algorithm of ALGORITHMS) {
    for (const directory of [childOf(layout.layers(name), algorithm), layout.revisionsOf(name, algorithm)]) {
      for (const hex of readNames(directory, report)) {
        const digest = joinDigest(algorithm, hex)
        // A deletion leaves the directory without its link.
        if (digest !== undefined && wanted.has(digest) && hasLink(layout, name, digest, report)) held.add(digest)
      }
    }
  }
  return [...held]
}

function hasLink(
  layout: Layout,
  name: RepositoryName,
  digest: Digest,
  report: Pick<WalkReport, 'onUnreadable'>,
): boolean {
  try {
    return [layout.layerLink(name, digest), layout.revisionLink(name, digest)].some(
      (path) => statFile(path) !== undefined,
    )
  } catch (error) {
    report.onUnreadable(layout.layerLink(name, digest), error as Error)
    return false
  }
}

function readNames(directory: string, report: Pick<WalkReport, 'onUnreadable'>): string[] {
  try {
    return readdirSync(directory)
  } catch (error) {
    if (!isNotThere(error)) report.onUnreadable(directory, error as Error)
    return []
  }
}
