// What was chosen of a data directory for a bundle: plain data, which crosses from the registry that holds it to the
// command that reads the files.
import type { Digest } from '../oci/digest.ts'
import type { RepositoryName } from '../oci/name.ts'
import type { Tag } from '../oci/reference.ts'
import type { Stamp } from '../storage/stamp.ts'

export interface PickedBlob {
  readonly digest: Digest
  /** Bytes. */
  readonly size: number
  /** The digest under which the bytes lie. */
  readonly stored: Digest
  /** The state of the file when it was looked at. */
  readonly stamp: Stamp
  /** Whether the file in that state is known to hold the right bytes. */
  readonly whole: boolean
}

export interface PickedImage {
  readonly digest: Digest
  readonly tags: readonly Tag[]
  /** All that comes with it, itself too. */
  readonly manifests: readonly Digest[]
  readonly layers: readonly Digest[]
}

export interface PickedRepository {
  readonly name: RepositoryName
  /** In any order; each digest once. */
  readonly images: readonly PickedImage[]
}

export interface PickedSignature {
  readonly of: Digest
  readonly number: number
  /** In base64. */
  readonly bytes: string
}

export interface Picked {
  /** Images one after the other, of each its manifests first: so that a part holds whole images. */
  readonly blobs: readonly PickedBlob[]
  readonly repositories: readonly PickedRepository[]
  readonly signatures: readonly PickedSignature[]
  /** Seconds since 1970: when the newest of the images was made, by its own words; 0 where none says. */
  readonly newest: number
  /** What was selected and is not whole here, so that it is left out. */
  readonly skipped: readonly { readonly image: string; readonly why: string }[]
  /** Patterns that match nothing. */
  readonly unmatched: readonly string[]
}

/** Images of one repository by name, with wishes of their own. */
export interface ExactImages {
  readonly repository: RepositoryName
  readonly tags: readonly Tag[]
  readonly digests: readonly Digest[]
  /** `linux/amd64`; none is all. */
  readonly platforms: readonly string[]
  readonly referrers: boolean
}

export interface PickOptions {
  /** Patterns of images; none is everything, unless `exact` says what is meant. */
  readonly images: readonly string[]
  /** What a sync file means, beside what the patterns mean; an empty list is nothing. */
  readonly exact?: readonly ExactImages[]
  /** Of what the patterns mean: `linux/amd64`; none is all. */
  readonly platforms: readonly string[]
  /** Whether signatures and whatever else says something about the images comes with what the patterns mean. */
  readonly referrers: boolean
  /** Whether children of indexes that have no tag are given one, for the collector of registry:2. */
  readonly keepTags: boolean
}
