// Where images can be read from, one by one and in any order: a registry, the data directory, an archive, a directory. A
// source need not be trusted: whoever puts its bytes into a target compares them with their digests.
import type { Readable } from 'node:stream'
import type { Descriptor } from '../oci/descriptor.ts'
import type { Digest } from '../oci/digest.ts'
import type { RepositoryName } from '../oci/name.ts'
import type { Reference, Tag } from '../oci/reference.ts'

/** An image as its source names it. */
export interface SourceImage {
  /** Undefined where the source has no names of repositories: an OCI layout whose images have only tags. */
  readonly repository: RepositoryName | undefined
  /** The registry that the source's own name of the image begins with, where it has one: `docker.io`. */
  readonly host?: string
  readonly tag?: Tag
  readonly digest: Digest
}

/** A manifest with its bytes as they are; `digest` is that of the bytes. */
export interface ImageManifest {
  readonly bytes: Uint8Array
  readonly digest: Digest
  /** What the source says, else what the bytes say. */
  readonly mediaType: string
}

export interface AskedWith {
  readonly signal?: AbortSignal | undefined
}

export interface ImageSource {
  /** For messages and reports: `oci:/srv/layout`, `quay.io`. */
  readonly name: string
  /** Everything that has a name here, and what has none and belongs to nothing else; with a tag each time it has one. */
  images(options?: AskedWith): AsyncIterable<SourceImage>
  /** Undefined when it is not there. Throws when that cannot be said, or when the bytes are not the digest's. */
  readManifest(
    repository: RepositoryName | undefined,
    reference: Reference,
    options?: AskedWith,
  ): Promise<ImageManifest | undefined>
  /** The bytes, to be read once or destroyed. Throws when they are not there; wrong ones may come out. */
  openBlob(repository: RepositoryName | undefined, blob: Descriptor, options?: AskedWith): Promise<Readable>
  /** Throws when it can be told, without reading much, that the bytes are not there or not right; says nothing else. */
  checkBlob?(repository: RepositoryName | undefined, blob: Descriptor, options?: AskedWith): Promise<void>
  /** What says that it is about this manifest, as far as the source knows; its tags named after digests do not count here. */
  listReferrers(
    repository: RepositoryName | undefined,
    digest: Digest,
    options?: AskedWith,
  ): Promise<readonly Descriptor[]>
  /** Frees what was taken. */
  close(): Promise<void>
}
