// An image that is to be copied from one place to another, and what became of it.
import type { Digest } from '../oci/digest.ts'
import type { RepositoryName } from '../oci/name.ts'
import type { Reference, Tag } from '../oci/reference.ts'

export interface ImageToCopy {
  readonly from: { readonly repository: RepositoryName | undefined; readonly reference: Reference }
  /** Without tags it is found by its digest only. */
  readonly to: { readonly repository: RepositoryName; readonly tags: readonly Tag[] }
}

/**
 * - copied: all of it is at the target now, and was not before (with `dryRun`: it would be);
 * - here: all of it was there already;
 * - incomplete: the image is there, and something that refers to it is not;
 * - failed: nothing of it that anybody could see was changed.
 */
export type CopyState = 'copied' | 'here' | 'incomplete' | 'failed'

export interface CopiedImage {
  /** `repository:tag` or `repository@digest`, as the source has it. */
  readonly from: string
  readonly to: RepositoryName
  readonly tags: readonly Tag[]
  readonly state: CopyState
  readonly digest?: Digest
  /** All its tags led to it before. */
  readonly isLed?: boolean
  /** What a tag meant before, where that was another image. */
  readonly moved?: readonly { readonly tag: Tag; readonly before: Digest }[]
  /** Bytes of blobs that went over for this image and for none before it; with `dryRun` at most so many would. */
  readonly bytes: number
  /** Children that the source itself does not have: the list is as sparse at the target. */
  readonly absent: number
  readonly missingPlatforms: readonly string[]
  /** Why it is failed or incomplete, as a sentence. */
  readonly why?: string
  readonly hint?: string
}

export interface CopyReport {
  readonly images: readonly CopiedImage[]
  readonly counts: Readonly<Record<CopyState, number>>
  /** Blobs and bytes that went over. */
  readonly blobs: number
  readonly bytes: number
  /** Bytes of the manifests that went over, or would. */
  readonly manifestBytes: number
}
