// The names of a bundle's entries: the paths of a data directory that is called `data`. They are made from digests, names
// and tags that were parsed, and never read: whoever reads a bundle knows which name comes next.
import type { Digest } from '../oci/digest.ts'
import type { RepositoryName } from '../oci/name.ts'
import type { Tag } from '../oci/reference.ts'
import type { BundleId } from '../storage/layout.ts'
import { createLayout } from '../storage/layout.ts'

// A relative path: the layout joins below it as below any other.
const layout = createLayout('data')

export function indexName(id: BundleId): string {
  return layout.bundleIndex(id)
}

export function signatureName(id: BundleId): string {
  return layout.bundleSignature(id)
}

/** Of the empty file that says which part a tar is, and of a site which parts were unpacked. */
export function partName(id: BundleId, part: number, parts: number): string {
  return layout.bundlePart(id, part, parts)
}

export function blobName(digest: Digest): string {
  return layout.blobData(digest)
}

export function sliceName(digest: Digest, slice: number, slices: number): string {
  return layout.blobSlice(digest, slice, slices)
}

export function releaseSignatureName(of: Digest, number: number): string {
  return layout.signature(of, number)
}

export function layerLinkName(name: RepositoryName, digest: Digest): string {
  return layout.layerLink(name, digest)
}

export function revisionLinkName(name: RepositoryName, digest: Digest): string {
  return layout.revisionLink(name, digest)
}

export function tagHistoryName(name: RepositoryName, tag: Tag, digest: Digest): string {
  return layout.tagIndexLink(name, tag, digest)
}

export function tagLinkName(name: RepositoryName, tag: Tag): string {
  return layout.tagLink(name, tag)
}

/** Of a directory, with the slash that tar ends it with. */
export function layersName(name: RepositoryName): string {
  return `${layout.layers(name)}/`
}

export function tagsName(name: RepositoryName): string {
  return `${layout.tags(name)}/`
}
