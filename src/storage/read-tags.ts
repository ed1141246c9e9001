// The tags and revisions of one repository, one by one, so that a caller on the server's event loop can stop in between.
// Read-only. Unlike Tags.list it tells a torn link from none, and in which state each link was.
import type { Digest } from '../oci/digest.ts'
import { ALGORITHMS, isDigest, joinDigest } from '../oci/digest.ts'
import type { RepositoryName } from '../oci/name.ts'
import type { Tag } from '../oci/reference.ts'
import { isTag } from '../oci/reference.ts'
import type { Layout } from './layout.ts'
import type { FileFacts } from './stamp.ts'
import { isNotThere, readTiny, statFile } from './stamp.ts'
import type { WalkReport } from './walk.ts'
import { readEntries } from './walk.ts'

export interface LinkState {
  readonly path: string
  readonly facts: FileFacts
  /** Undefined when the link is torn: empty, or no digest. */
  readonly target: Digest | undefined
}

export interface TagState extends LinkState {
  readonly tag: Tag
}

/** The link at `path` now; undefined where there is none, or where it cannot be read, which is told. */
export function readLinkState(path: string, report: WalkReport): LinkState | undefined {
  try {
    const facts = statFile(path)
    const text = facts && readTiny(path)
    if (facts === undefined || text === undefined) return undefined
    return { path, facts, target: isDigest(text) ? text : undefined }
  } catch (error) {
    if (!isNotThere(error)) report.onUnreadable(path, error as Error)
    return undefined
  }
}

/** The tags that have a link, by name. */
export function* walkTags(layout: Layout, name: RepositoryName, report: WalkReport): Generator<TagState> {
  for (const { name: tag } of readEntries(layout.tags(name), report)) {
    const link = isTag(tag) ? readLinkState(layout.tagLink(name, tag), report) : undefined
    if (isTag(tag) && link !== undefined) yield { tag, ...link }
  }
}

/** The revisions that have a link; `digest` is what the path says. */
export function* walkRevisions(
  layout: Layout,
  name: RepositoryName,
  report: WalkReport,
): Generator<LinkState & { readonly digest: Digest }> {
  for (const algorithm of ALGORITHMS) {
    const directory = layout.revisionsOf(name, algorithm)
    for (const { name: hex } of readEntries(directory, report)) {
      const digest = joinDigest(algorithm, hex)
      const link = digest && readLinkState(layout.revisionLink(name, digest), report)
      if (digest !== undefined && link !== undefined) yield { digest, ...link }
    }
  }
}
