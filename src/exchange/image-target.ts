// Where images can be put: a registry, the data directory, an archive, a directory. What a target has taken is whole and
// verified: a blob whose bytes are not its digest's is refused by every one of them.
import type { Readable } from 'node:stream'
import type { Descriptor } from '../oci/descriptor.ts'
import type { Digest } from '../oci/digest.ts'
import type { RepositoryName } from '../oci/name.ts'
import type { Tag } from '../oci/reference.ts'
import type { AskedWith, ImageManifest } from './image-source.ts'

/**
 * Opens the bytes of a blob at their beginning, again and again where a target wants to send them again. They are verified:
 * read to their end without an error, they are the blob. Who opened them destroys them.
 */
export type OpenBytes = () => Promise<Readable>

export interface ImageTarget {
  /** For messages and reports. */
  readonly name: string
  /** It hashes the bytes of a blob itself and refuses wrong ones as WrongBytes: then only their number is checked on the way. */
  readonly hashes?: true
  /** Whether the repository has the bytes already. */
  hasBlob(repository: RepositoryName, blob: Descriptor, options?: AskedWith): Promise<boolean>
  /**
   * Gives the repository a blob by the cheapest way: from where the target itself has the bytes ('linked'), else by
   * sending them ('sent'). Throws when it has not taken them; then it has taken nothing.
   */
  putBlob(
    repository: RepositoryName,
    blob: Descriptor,
    open: OpenBytes,
    options?: AskedWith & {
      /** A repository of the target that is known to have the bytes. */
      readonly from?: RepositoryName | undefined
      /**
       * Called when the bytes are right and before anybody can see the blob, by targets that can wait there for long;
       * when it throws, nothing was taken.
       */
      readonly beforeCommit?: (() => Promise<void>) | undefined
    },
  ): Promise<'linked' | 'sent'>
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
  /**
   * Where the target does not know by itself what refers to what: sees to it that whoever asks what refers to `subject`
   * finds these, whose manifests it has. True when something was changed; with `dryRun` when something would be.
   */
  refer?(
    repository: RepositoryName,
    subject: Digest,
    referrers: readonly Descriptor[],
    options?: AskedWith & { readonly dryRun?: boolean },
  ): Promise<boolean>
  /** Whether the tag, which is about another manifest, leads to a list that has all of this one. */
  holdsList?(
    repository: RepositoryName,
    tag: Tag,
    list: Pick<ImageManifest, 'bytes'>,
    options?: AskedWith,
  ): Promise<boolean>
  /** Completes what was put and frees what was taken. Nothing else may be under way. */
  close(): Promise<void>
  /** In place of `close` where a run was ended: an archive that is not complete is taken away. */
  discard?(): Promise<void>
}
