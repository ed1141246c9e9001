// What a bundle says of itself, in memory (docs/formats/bundle.md). It is made by plan.ts for a bundle that is to be
// written, and by index-file.ts out of the bytes of one that is read.
import type { Digest } from '../oci/digest.ts'
import type { RepositoryName } from '../oci/name.ts'
import type { Tag } from '../oci/reference.ts'
import type { BundleId } from '../storage/layout.ts'

export const BUNDLE_FORMAT = 'tarn-bundle/1'

export interface BundleSlice {
  readonly digest: Digest
  readonly size: number
  readonly part: number
}

/** A blob that the bundle is about: carried in one part, cut over several, or expected where the bundle goes. */
export interface BundleBlob {
  readonly digest: Digest
  /** Bytes. */
  readonly size: number
  /** From 1; 0 where the bundle leaves it out because it is there already. Of a cut blob, that of its first slice. */
  readonly part: number
  /** In order, each in a part of its own; of a blob that is larger than a part. */
  readonly slices?: readonly BundleSlice[]
}

/** A root of the bundle: what was selected. */
export interface BundleImage {
  /** Place in `blobs`. */
  readonly manifest: number
  /** Sorted; none where it was selected by its digest. */
  readonly tags: readonly Tag[]
}

export interface BundleRepository {
  readonly name: RepositoryName
  /** By place of the manifest, each once; a tag stands once in a repository. */
  readonly images: readonly BundleImage[]
  /** Places in `blobs` of all that the repository must be able to serve, ascending. */
  readonly layers: readonly number[]
  readonly manifests: readonly number[]
}

/** A signature of an OpenShift release (.tarn/state/signatures). */
export interface BundleSignature {
  /** The manifest that was signed. */
  readonly of: Digest
  /** From 1, without gaps. */
  readonly number: number
  /** The sha256 of the signature's bytes. */
  readonly digest: Digest
  readonly size: number
}

/** What was at hand of the place where the bundle goes when it was made. */
export interface BuildsOn {
  readonly kind: 'bundle' | 'inventory'
  readonly id: string
  readonly sequence: number
}

/** What the id of a bundle is computed from. */
export interface BundleContent {
  /** In the order of the tar: by part; then those that are left out, by digest. */
  readonly blobs: readonly BundleBlob[]
  /** By name. */
  readonly repositories: readonly BundleRepository[]
  /** By `of` and number. */
  readonly signatures: readonly BundleSignature[]
}

export interface BundleIndex extends BundleContent {
  readonly id: BundleId
  readonly sequence: number
  /** Seconds since 1970: the time of every entry of the tar. */
  readonly created: number
  readonly parts: number
  readonly buildsOn: readonly BuildsOn[]
}

/** The bytes of all blobs that the bundle carries. */
export function carriedBytes(blobs: readonly BundleBlob[]): number {
  return blobs.reduce((sum, { part, size }) => sum + (part === 0 ? 0 : size), 0)
}

/** Whether tar alone puts everything in its place: nothing is cut. */
export function isPlainTar(blobs: readonly BundleBlob[]): boolean {
  return blobs.every(({ slices }) => slices === undefined)
}
