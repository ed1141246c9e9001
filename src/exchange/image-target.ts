// Where images can be put: a registry, the data directory, an archive, a directory. What a target has taken is whole and
// verified: a blob whose bytes are not its digest's is refused by every one of them.
import type { Readable } from 'node:stream'
import type { Descriptor } from '../oci/descriptor.ts'
import type { Digest } from '../oci/digest.ts'
import type { RepositoryName } from '../oci/name.ts'
import type { Tag } from '../oci/reference.ts'
import type { AskedWith, ImageManifest } from './image-source.ts'

export interface ImageTarget {
  /** For messages and reports. */
  readonly name: string
  /** Whether the repository has the bytes already. */
  hasBlob(repository: RepositoryName, blob: Descriptor, options?: AskedWith): Promise<boolean>
  /**
   * Gives the repository bytes that the target has elsewhere: in `from` where the caller knows of one that has them, else
   * wherever the target may look by itself. False when they must be sent.
   */
  linkBlob(
    repository: RepositoryName,
    blob: Descriptor,
    from: RepositoryName | undefined,
    options?: AskedWith,
  ): Promise<boolean>
  /** Takes the bytes to their end, or throws and has taken nothing; the caller destroys `bytes` either way. */
  putBlob(repository: RepositoryName, blob: Descriptor, bytes: Readable, options?: AskedWith): Promise<void>
  /** Whether the repository has the manifest with all the blobs that it needs; children of an index are asked for one by one. */
  hasManifest(repository: RepositoryName, digest: Digest, options?: AskedWith): Promise<boolean>
  /** Takes a manifest whose blobs the repository has; without `tag` it is found by its digest only. */
  putManifest(
    repository: RepositoryName,
    manifest: ImageManifest,
    tag: Tag | undefined,
    options?: AskedWith,
  ): Promise<void>
  /** What the tag means now; undefined when it is not there. */
  readTag(repository: RepositoryName, tag: Tag, options?: AskedWith): Promise<Digest | undefined>
  /** Completes what was put and frees what was taken. Nothing else may be under way. */
  close(): Promise<void>
}
