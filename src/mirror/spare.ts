// What of a repository eviction must leave, whatever else goes: what is pinned, what somebody pushed or brought, what a
// sync means, and what that is about. Pure: it is told what the repository holds.
import type { Digest } from '../oci/digest.ts'
import type { RepositoryName } from '../oci/name.ts'
import type { Tag } from '../oci/reference.ts'
import { readSubjectTag, subjectTagOf } from '../oci/subject-tag.ts'
import type { Removal, RepositoryContent } from '../registry/plan-removal.ts'
import type { Marks } from '../storage/mirrored.ts'
import type { StoredPin } from '../storage/pins.ts'

export interface SpareParts {
  readonly name: RepositoryName
  readonly marks: Marks
  readonly pins: readonly StoredPin[]
}

/**
 * The tags and manifests that stay, as pins for the plan of a removal; undefined when nothing may go, because a manifest
 * that cannot be read could be anybody's and need anything.
 */
export function findSpared(
  { tags, manifests }: RepositoryContent,
  { name, marks, pins }: SpareParts,
): Removal['pinned'] | undefined {
  const own = pins.flatMap(({ images }) => images.filter((image) => image.name === name))
  const spared = {
    tags: new Set<Tag>(own.map(({ tag }) => tag).filter((tag) => tag !== undefined)),
    digests: new Set<Digest>(own.map(({ digest }) => digest).filter((digest) => digest !== undefined)),
  }
  const abouts = new Set<string>()
  for (const [tag, target] of tags) {
    // A mark counts while the tag is where the mirror put it.
    const mark = marks.tags.get(tag)
    if (mark?.digest === target && mark.synced !== true) continue
    spared.tags.add(tag)
    const about = readSubjectTag(tag)
    if (about !== undefined) abouts.add(about)
  }
  for (const [digest, manifest] of manifests) {
    if (manifest === undefined) return undefined
    if (abouts.size > 0 && abouts.has(subjectTagOf(digest))) spared.digests.add(digest)
    const mark = marks.manifests.get(digest)
    if (mark !== undefined && mark.synced !== true) continue
    spared.digests.add(digest)
    // Somebody's own signature keeps the image that it is about, and what that is about.
    let subject = manifest.subject?.digest
    while (subject !== undefined && !spared.digests.has(subject)) {
      spared.digests.add(subject)
      subject = manifests.get(subject)?.subject?.digest
    }
  }
  return spared
}
