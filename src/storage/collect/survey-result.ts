// What a survey is asked and what it tells, in pieces that cross from one thread to another: plain values, and blobs as
// lines of text, because 200,000 small objects would stop the thread that receives them.
import type { Digest } from '../../oci/digest.ts'
import type { RepositoryName } from '../../oci/name.ts'
import type { Tag } from '../../oci/reference.ts'
import type { Stamp } from '../stamp.ts'
import type { UploadId } from '../upload-id.ts'

/** Untagged manifests of the repositories that a pattern matches go when their link is older than `age` (milliseconds). */
export interface UntaggedRule {
  readonly repositories: readonly string[]
  readonly age: number
}

export interface SurveyRequest {
  /** Whether it runs only where nobody else wants the processor, and takes four times as long. */
  readonly gentle?: boolean
  /** The data directory. */
  readonly root: string
  /** Milliseconds since 1970: when the survey begins. */
  readonly now: number
  /** Milliseconds: nothing whose ctime is younger goes. */
  readonly minAge: number
  /** Milliseconds that a blob lies in the trash before it is deleted. */
  readonly grace: number
  /** Whether manifests to which no tag leads go in every repository. */
  readonly untagged: boolean
  /** The first rule that matches a repository is its rule. */
  readonly untaggedAfter: readonly UntaggedRule[]
  /** Digests that clients were promised before the survey began: lines, each of many digests. */
  readonly promised: readonly string[]
}

/** Something that is not as it should be. */
export interface Problem {
  /** Relative to the data directory. */
  readonly path: string
  readonly what: string
}

/** A link that is to go, as the survey found it. */
export interface PlannedLink {
  readonly digest: Digest
  /** Of its file: one that was written since is another link. */
  readonly stamp: Stamp
  /** What it holds; of a revision, the subject of its manifest. */
  readonly leadsTo: Digest | undefined
  /** In whose history it stands. */
  readonly tag: Tag | undefined
}

/** What is to go in one repository, and what it was found to be, so that a change since then is noticed. */
export interface RepositoryPlan {
  readonly name: RepositoryName
  /** Every directory of a tag, with what its link held. */
  readonly tags: readonly (readonly [Tag, Digest | undefined])[]
  /** Every revision, also those that go. */
  readonly revisions: readonly Digest[]
  /** Revision links, parents and referrers before what they need. Here and below: lines, see `readPlannedLink`. */
  readonly manifests: readonly string[]
  /** `_layers` links, and links in the histories of tags. */
  readonly links: readonly string[]
  /** Directories that stand empty, or will then; the deepest first, and each with the digest that its name is of. */
  readonly directories: readonly (readonly [path: string, digest: Digest | undefined])[]
  /** Whether nothing of the repository is left then. */
  readonly removed: boolean
  /** Blobs that stay if the repository is left as it is and that go otherwise. */
  readonly holds: readonly Digest[]
}

/** `clear` is an empty directory of a blob. */
export type BlobAct = 'restore' | 'trash' | 'delete' | 'clear'

export interface BlobLine {
  readonly act: BlobAct
  readonly digest: Digest
  /** Bytes. */
  readonly size: number
  /** Of the file that the act is about. */
  readonly stamp: Stamp
}

export interface SurveyTotals {
  readonly repositories: number
  readonly manifests: number
  readonly links: number
  readonly blobs: number
  readonly bytes: number
  /** Blobs that nothing needs and that are too young to go, until when at the latest (milliseconds since 1970). */
  readonly waiting: { readonly blobs: number; readonly bytes: number; readonly until: number }
  /** What lies in the trash. */
  readonly trash: { readonly blobs: number; readonly bytes: number }
  /** False when something could not be read that may name blobs: then none may be taken. */
  readonly complete: boolean
}

export type SurveyMessage =
  | {
      readonly kind: 'progress'
      readonly phase: 'repositories' | 'blobs'
      readonly done: number
      readonly bytes: number
    }
  | { readonly kind: 'problems'; readonly problems: readonly Problem[] }
  /** Unfinished uploads, which a tar may have brought. */
  | { readonly kind: 'uploads'; readonly name: RepositoryName; readonly uploads: readonly UploadId[] }
  | { readonly kind: 'repositories'; readonly plans: readonly RepositoryPlan[] }
  | { readonly kind: 'blobs'; readonly lines: string }
  | { readonly kind: 'end'; readonly totals: SurveyTotals }

/** A link as a line of text. */
export function writePlannedLink({ digest, stamp, leadsTo, tag }: PlannedLink): string {
  return `${digest} ${stamp} ${leadsTo ?? '-'} ${tag ?? ''}`
}

export function readPlannedLink(line: string): PlannedLink {
  const [digest, stamp, leadsTo, tag] = line.split(' ')
  return {
    digest: digest as Digest,
    stamp: stamp as Stamp,
    leadsTo: leadsTo === '-' ? undefined : (leadsTo as Digest),
    tag: tag === '' ? undefined : (tag as Tag),
  }
}

export function writeBlobLine({ act, digest, size, stamp }: BlobLine): string {
  return `${act} ${digest} ${size} ${stamp}`
}

export function readBlobLine(line: string): BlobLine {
  const [act, digest, size, stamp] = line.split(' ')
  return { act: act as BlobAct, digest: digest as Digest, size: Number(size), stamp: stamp as Stamp }
}
