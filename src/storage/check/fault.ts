// What a survey of the data directory can find. A fault names the file that should be otherwise, and what is needed to
// look again later and to heal it; it says nothing about what was done.
import type { Digest } from '../../oci/digest.ts'
import type { RepositoryName } from '../../oci/name.ts'
import type { Tag } from '../../oci/reference.ts'
import type { FileFacts } from '../stamp.ts'

export type FaultKind =
  /** The bytes of a blob hash to something else. */
  | 'blob-wrong'
  /** The disk does not give the bytes of a blob. */
  | 'blob-unreadable'
  /** Something needs a blob that is not here. */
  | 'blob-missing'
  /** Something needs a blob that a collection took. */
  | 'blob-in-trash'
  /** A revision's bytes are right and no manifest. */
  | 'manifest-invalid'
  /** A link is empty, torn, unreadable, or leads to something else than its path says. */
  | 'link-wrong'
  /** A link that a manifest or a tag needs is not there. */
  | 'link-missing'
  /** A link leads to a blob that is not here, and no manifest needs it. */
  | 'link-dangling'
  /** A tag leads nowhere, or where it never pointed to. */
  | 'tag-wrong'
  /** A directory that is there and cannot be listed. */
  | 'unreadable'
  | Note

/** What is told and is not wrong. */
export type Note =
  /** A file or directory that is no part of the layout. */
  | 'stray'
  /** An index of which some manifests are not here, which is legal. */
  | 'sparse-index'
  /** A manifest that is wrong about the size of a right blob. */
  | 'wrong-size'
  /** A repository without `_layers` or without `_manifests`. */
  | 'incomplete-repository'
  /** A blob that was being written to all the time. */
  | 'changing'
  /** A place to heal from that cannot be read. */
  | 'source-unreadable'

const NOTES: ReadonlySet<FaultKind> = new Set<Note>([
  'stray',
  'sparse-index',
  'wrong-size',
  'incomplete-repository',
  'changing',
  'source-unreadable',
])

/** Whether what was found is worth knowing and no damage; `kind` is that of a fault or of what people are told of it. */
export function isNote(kind: string): boolean {
  return NOTES.has(kind as FaultKind)
}

export type LinkRole = 'layer' | 'revision' | 'history'

export interface Fault {
  readonly kind: FaultKind
  /** Absolute. */
  readonly path: string
  /** A sentence for people, without the path. */
  readonly what: string
  readonly repository?: RepositoryName | undefined
  readonly tag?: Tag | undefined
  /** Of a link: what its path says. Of a blob: the digest under whose name its bytes are stored. */
  readonly digest?: Digest | undefined
  readonly role?: LinkRole | undefined
  /** What a wrong link or tag held when it was found wrong; undefined when it held no digest. */
  readonly target?: Digest | undefined
  /** Bytes that a blob must have, where a manifest says so. */
  readonly size?: number | undefined
  /** The state of the file whose bytes are wrong. */
  readonly facts?: FileFacts | undefined
  /** Whether that file had stood still when it was read, so that its stamp stands for its bytes. */
  readonly settled?: boolean | undefined
  /** Whether it is the disk that refuses, and not the rights of this process. */
  readonly corrupt?: boolean | undefined
  /** Other digests under which links lead to the same file. */
  readonly aliases?: readonly Digest[] | undefined
  /** The link because of which something is missed; without it nothing is. */
  readonly witness?: string | undefined
  /** Whether all manifests of the repository could be read, so that nothing unknown needs a dangling link. */
  readonly certain?: boolean | undefined
}
