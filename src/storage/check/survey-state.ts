// What one survey knows while it goes on: what links and manifests name, what was told, how much was read. It lives in
// the thread of the survey alone.
import type { Digest } from '../../oci/digest.ts'
import type { RepositoryName } from '../../oci/name.ts'
import type { Layout } from '../layout.ts'
import type { WalkReport } from '../walk.ts'
import type { Fault } from './fault.ts'

export interface Counts {
  repositories: number
  manifests: number
  links: number
  blobs: number
  /** Bytes that were read of them. */
  bytes: number
}

export interface Alias {
  readonly digest: Digest
  readonly repository: RepositoryName
  /** The link that says so. */
  readonly path: string
}

/** A file of bytes that a link leads to. */
export interface Named {
  readonly repository: RepositoryName
  /** Bytes, as the first manifest that names it says. */
  size: number | undefined
  aliases: Alias[] | undefined
  /** To be told if the bytes are right all the same. */
  note: Fault | undefined
}

export interface SurveyState {
  readonly layout: Layout
  /** Whether no bytes of layers and configs are read. */
  readonly fast: boolean
  /** By the digest under which the bytes are stored. */
  readonly named: Map<Digest, Named>
  /** Blobs of which a fault was told, or that proved right already. */
  readonly done: Set<Digest>
  readonly counts: Counts
  readonly walk: WalkReport
  report(fault: Fault): void
  /** Told of each piece that was read, in bytes; counts it, and sleeps to keep the rate. */
  onRead(bytes: number): void
}

/** What is known of the repository that is being read. */
export interface Place {
  readonly state: SurveyState
  readonly name: RepositoryName
  /** Tells a fault, unless one was told of the same file of this repository. */
  report(fault: Fault): void
}

/** Links by what their paths say; undefined for one that is there and wrong. */
export type LinkTable = ReadonlyMap<Digest, Digest | undefined>

/** Notes that a link of the repository leads to the bytes of `stored`. */
export function nameBlob(state: SurveyState, stored: Digest, repository: RepositoryName, size?: number): Named {
  let named = state.named.get(stored)
  if (named === undefined) {
    named = { repository, size, aliases: undefined, note: undefined }
    state.named.set(stored, named)
  }
  named.size ??= size
  return named
}
