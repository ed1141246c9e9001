// What says something about an image in its repository: manifests whose `subject` it is, and the tags by which cosign and
// clients from before `subject` attach signatures, attestations and bills of material. Synchronous, for commands.
import type { Digest } from '../oci/digest.ts'
import { describeReferrer } from '../oci/manifest.ts'
import type { Tag } from '../oci/reference.ts'
import type { Layout } from '../storage/layout.ts'
import { readManifestFile } from '../storage/read-manifest-file.ts'
import type { FoundRepository } from '../storage/read-repository.ts'
import { readSubjectTag, subjectTagOf } from '../oci/subject-tag.ts'

export interface ImageReferrer {
  readonly digest: Digest
  readonly subject: Digest
  /** What kind of thing it is; of cosign's, the media type of its first layer. */
  readonly artifactType: string
  readonly mediaType: string
  /** Bytes of its manifest. */
  readonly size: number
  /** By which tag it is found, where it names no subject itself. */
  readonly tag?: Tag
  readonly annotations?: Readonly<Record<string, string>>
}

/** Finds what refers to one of `subjects` in the repository. */
export function findReferrers(
  layout: Layout,
  { revisions, tags }: FoundRepository,
  subjects: readonly Digest[],
): ImageReferrer[] {
  const wanted = new Set(subjects)
  const found = new Map<Digest, ImageReferrer>()
  for (const { digest, target } of revisions) {
    const file = target && readManifestFile(layout, digest, target)
    if (file?.state !== 'read' || file.manifest.subject === undefined) continue
    const subject = file.manifest.subject.digest
    if (!wanted.has(subject)) continue
    const { artifactType = '', ...rest } = describeReferrer(file.manifest, digest, file.bytes.byteLength)
    found.set(digest, { ...pick(rest), subject, artifactType })
  }
  const byTag = new Map(subjects.map((subject) => [subjectTagOf(subject), subject]))
  for (const { tag, target } of tags) {
    const subject = byTag.get(readSubjectTag(tag) ?? '')
    if (subject === undefined || target === undefined || found.has(target)) continue
    for (const referrer of readTagged(layout, target)) {
      if (!found.has(referrer.digest)) found.set(referrer.digest, { ...referrer, subject, tag })
    }
  }
  return [...found.values()]
}

// The fallback tag names an index of referrers; cosign's tags the signature itself.
function readTagged(layout: Layout, digest: Digest): Omit<ImageReferrer, 'subject' | 'tag'>[] {
  const file = readManifestFile(layout, digest)
  if (file.state !== 'read') return [{ digest, artifactType: '', mediaType: '', size: 0 }]
  const { manifest } = file
  if (manifest.kind === 'index') {
    return manifest.manifests.map((child) => ({ ...pick(child), artifactType: child.artifactType ?? '' }))
  }
  const described = describeReferrer(manifest, digest, file.bytes.byteLength)
  const artifactType = manifest.artifactType || manifest.layers[0]?.mediaType || described.artifactType || ''
  return [{ ...pick(described), artifactType }]
}

function pick({
  digest,
  mediaType,
  size,
  annotations,
}: Pick<ImageReferrer, 'digest' | 'mediaType' | 'size' | 'annotations'>): Pick<
  ImageReferrer,
  'digest' | 'mediaType' | 'size' | 'annotations'
> {
  return { digest, mediaType, size, ...(annotations && { annotations }) }
}
