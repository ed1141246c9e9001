// Which tags a sync that prunes would take away: those that a sync brought and that its entry does not mean any more.
// An upstream that lost its list must not empty the mirror, so more than a share waits for a person. Pure.
import type { Digest } from '../../oci/digest.ts'
import type { RepositoryName } from '../../oci/name.ts'
import type { Tag } from '../../oci/reference.ts'
import { readSubjectTag } from '../../oci/subject-tag.ts'

/** One place that is pruned. To be asked only when its upstream gave the whole list. */
export interface PruneFacts {
  readonly to: RepositoryName
  /** The tags that a sync set there and nobody changed since. */
  readonly synced: ReadonlyMap<Tag, Digest>
  /** The tags that are meant, those of images that could not be read too. */
  readonly meant: ReadonlySet<Tag>
  /** 0 to 1. */
  readonly maxShare: number
}

export interface GoneTags {
  readonly to: RepositoryName
  readonly tags: readonly { readonly tag: Tag; readonly digest: Digest }[]
  /** Of the synced tags that are about no other image; 0 to 1. */
  readonly share: number
  readonly maxShare: number
  /** More than the share: nothing goes without confirmation. */
  readonly isHeld: boolean
}

/** What would go; undefined when nothing would. */
export function findGone({ to, synced, meant, maxShare }: PruneFacts): GoneTags | undefined {
  // Signatures go with their image.
  const own = [...synced].filter(([tag]) => readSubjectTag(tag) === undefined)
  const tags = own.filter(([tag]) => !meant.has(tag)).map(([tag, digest]) => ({ tag, digest }))
  if (tags.length === 0) return undefined
  const share = tags.length / own.length
  return { to, tags, share, maxShare, isHeld: share > maxShare }
}
