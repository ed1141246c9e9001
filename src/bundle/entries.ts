// The entries of one part of a bundle, in their order (docs/formats/bundle.md, "Entries"). The index decides all of it:
// the writer writes this sequence, and a reader that meets any other has no bundle of this format before it.
import type { Digest } from '../oci/digest.ts'
import type { BundleBlob, BundleIndex, BundleSignature, BundleSlice } from './bundle-index.ts'
import {
  blobName,
  indexName,
  layerLinkName,
  layersName,
  partName,
  releaseSignatureName,
  revisionLinkName,
  signatureName,
  sliceName,
  tagHistoryName,
  tagLinkName,
  tagsName,
} from './entry-name.ts'

interface Named {
  readonly name: string
  /** Bytes. */
  readonly size: number
}

export interface BlobBytesEntry extends Named {
  readonly kind: 'blob'
  readonly blob: BundleBlob
}

export interface SliceEntry extends Named {
  readonly kind: 'slice'
  readonly blob: BundleBlob
  readonly slice: BundleSlice
  /** Where in the blob it begins. */
  readonly offset: number
}

export type BundleEntry =
  | (Named & { readonly kind: 'index' | 'signature' | 'part' })
  | (Named & { readonly kind: 'directory' })
  | BlobBytesEntry
  | SliceEntry
  | (Named & { readonly kind: 'release-signature'; readonly signature: BundleSignature })
  /** Its bytes are the digest. */
  | (Named & { readonly kind: 'link'; readonly digest: Digest })

/** What an index does not say of the tar. */
export interface HeadSizes {
  /** Bytes of the index itself. */
  readonly index: number
  /** Bytes of the bundle's signature; undefined when it is not signed. */
  readonly signature: number | undefined
}

/** The entries of part `part`: the head, its blobs and slices, and in the last part all that makes images of them. */
export function* listEntries(index: BundleIndex, part: number, sizes: HeadSizes): Generator<BundleEntry> {
  const { id, parts } = index
  yield { kind: 'index', name: indexName(id), size: sizes.index }
  if (sizes.signature !== undefined) yield { kind: 'signature', name: signatureName(id), size: sizes.signature }
  yield { kind: 'part', name: partName(id, part, parts), size: 0 }
  for (const blob of index.blobs) yield* listBytes(blob, part)
  if (part !== parts) return
  for (const signature of index.signatures) {
    const { of, number, size } = signature
    yield { kind: 'release-signature', name: releaseSignatureName(of, number), size, signature }
  }
  yield* listLinks(index)
}

function* listBytes(blob: BundleBlob, part: number): Generator<BundleEntry> {
  const { digest, size, slices } = blob
  if (slices === undefined) {
    if (blob.part === part) yield { kind: 'blob', name: blobName(digest), size, blob }
    return
  }
  let offset = 0
  for (const [at, slice] of slices.entries()) {
    const name = sliceName(digest, at + 1, slices.length)
    if (slice.part === part) yield { kind: 'slice', name, size: slice.size, blob, slice, offset }
    offset += slice.size
  }
}

/** Layers and revisions of all repositories, then their tags, so that tar gives no name to what is not there yet. */
function* listLinks({ blobs, repositories }: BundleIndex): Generator<BundleEntry> {
  const digestAt = (place: number): Digest => {
    const blob = blobs[place]
    if (blob === undefined) throw new Error(`there is no blob ${place} in the index`)
    return blob.digest
  }
  for (const { name, images, layers, manifests } of repositories) {
    // registry:2 knows a repository by this directory, and its collector takes what lies in one without it.
    if (layers.length === 0) yield { kind: 'directory', name: layersName(name), size: 0 }
    for (const digest of layers.map(digestAt)) yield makeLink(layerLinkName(name, digest), digest)
    for (const digest of manifests.map(digestAt)) yield makeLink(revisionLinkName(name, digest), digest)
    if (images.every(({ tags }) => tags.length === 0)) yield { kind: 'directory', name: tagsName(name), size: 0 }
  }
  for (const { name, images } of repositories) {
    for (const { manifest, tags } of images) {
      const digest = digestAt(manifest)
      for (const tag of tags) {
        yield makeLink(tagHistoryName(name, tag, digest), digest)
        yield makeLink(tagLinkName(name, tag), digest)
      }
    }
  }
}

function makeLink(name: string, digest: Digest): BundleEntry {
  return { kind: 'link', name, size: digest.length, digest }
}
