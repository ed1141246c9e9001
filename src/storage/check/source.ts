// Where a lost blob may be had again. Whatever a source gives is a stranger's until it was hashed.
import type { Readable } from 'node:stream'
import type { Digest } from '../../oci/digest.ts'
import type { RepositoryName } from '../../oci/name.ts'
import type { Tag } from '../../oci/reference.ts'

export interface BlobSource {
  /** What people are told: "the trash", a path, an upstream's name. */
  readonly name: string
  /**
   * Opens the bytes that are said to be `digest`, of `size` bytes where that is known; undefined when the source has
   * none. Throws when it cannot be asked; then the next one is. Whoever asks waits no longer than until `signal` is
   * aborted, and destroys the bytes then.
   */
  open(digest: Digest, size?: number, signal?: AbortSignal): Promise<Readable | undefined>
}

/** What another data directory says of links. */
export interface LinkSource {
  readonly name: string
  /** What the link holds whose path below the data directory is `path`; undefined when it holds no digest. */
  readLink(path: string): Digest | undefined
  /** The digests that the tag ever pointed to. */
  readHistory(name: RepositoryName, tag: Tag): readonly Digest[]
}
