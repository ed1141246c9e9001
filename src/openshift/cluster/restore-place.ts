// What is asked of each place from which lost images can be had again.
import type { Digest } from '../../oci/digest.ts'
import type { RepositoryName } from '../../oci/name.ts'

export type PlaceKind = 'data directory' | 'oc directory' | 'OCI layout' | 'bundle' | 'archive' | 'registry'

export interface LostImage {
  /** As the cluster names it. */
  readonly image: string
  /** Undefined for an image by its tag of which nothing is here. */
  readonly digest: Digest | undefined
  /** Repositories here in which it lay. */
  readonly repositories: readonly RepositoryName[]
  /** The release that it is a component of, or is. */
  readonly release: string | undefined
}

export interface FoundImage {
  /** Undefined where only reading the place whole, or asking it, would tell. */
  readonly has: boolean | undefined
  /** Why that is not known, as a sentence. */
  readonly why?: string
  /** What is typed to bring everything that the place has; from a registry one image, or the release that it is of. */
  readonly command: string
}

export interface RestorePlace {
  /** As it was given. */
  readonly text: string
  readonly kind: PlaceKind
  /** Never rejects for a place that does not answer. */
  look(image: LostImage): Promise<FoundImage>
}
