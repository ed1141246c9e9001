// Where the answers of /v2 come from: the data directory alone, or the data directory with upstreams behind it. What is
// here is answered by the use cases of this room either way.
import type { Digest } from '../oci/digest.ts'
import type { RepositoryName } from '../oci/name.ts'
import type { Reference, Tag } from '../oci/reference.ts'
import type { StoredManifest } from '../storage/manifests.ts'
import type { Context } from './context.ts'
import { listReferrers, listTags } from './list.ts'
import type { PulledBlob } from './pull-blob.ts'
import { pullBlob, statBlob } from './pull-blob.ts'
import type { Wishes } from './pull-manifest.ts'
import { promiseManifest, pullManifest } from './pull-manifest.ts'

/** A manifest with what a cache has to say about it (RFC 9111 section 5.1, RFC 7234 section 5.5). */
export interface ServedManifest extends StoredManifest {
  /** Seconds since the upstream was asked about the tag. */
  readonly age?: number
  readonly warning?: string
}

export interface Source {
  /** As `pullManifest`. */
  pullManifest(name: RepositoryName, reference: Reference, wishes: Wishes): Promise<ServedManifest>
  /** As `promiseManifest`, of a manifest that `pullManifest` just gave. */
  promiseManifest(name: RepositoryName, reference: Reference, digest: Digest): Promise<void>
  /** As `statBlob`. */
  statBlob(name: RepositoryName, digest: Digest): Promise<number>
  /** As `pullBlob`. */
  pullBlob(name: RepositoryName, digest: Digest, inPart: boolean): Promise<PulledBlob>
  /** As `listTags`; the first throw of NAME_UNKNOWN comes before the first tag. */
  listTags(name: RepositoryName, last: string): Promise<AsyncGenerator<Tag>>
  /** As `listReferrers`. */
  listReferrers(name: RepositoryName, digest: Digest, last: string): Promise<AsyncGenerator<StoredManifest>>
  /** Brings what a manifest that is about to be pushed needs and somebody was told is here. Never throws for an upstream. */
  prepareManifest(name: RepositoryName, bytes: Uint8Array): Promise<void>
}

/** Answers from the data directory alone. */
export function localSource(context: Context): Source {
  return {
    pullManifest: (name, reference, wishes) => pullManifest(context, name, reference, wishes),
    promiseManifest: (name, reference, digest) => promiseManifest(context, name, reference, digest),
    statBlob: (name, digest) => statBlob(context, name, digest),
    pullBlob: (name, digest, inPart) => pullBlob(context, name, digest, inPart),
    listTags: async (name, last) => listTags(context, name, last),
    listReferrers: async (name, digest, last) => listReferrers(context, name, digest, last),
    prepareManifest: async () => undefined,
  }
}
