// Whether a fault is still one. A survey reads while the server works: what it saw may have been an act half done. So
// each fault is looked at again here, in one synchronous step of the process that keeps the directory; faults of links
// under the exclusion of their repository.
import type { Digest } from '../../oci/digest.ts'
import { isDigest } from '../../oci/digest.ts'
import { readTag } from '../read-repository.ts'
import { readTiny, statFile } from '../stamp.ts'
import type { Store } from '../store.ts'
import type { WalkReport } from '../walk.ts'
import type { Fault } from './fault.ts'
import type { TagJudgement } from './judge-tag.ts'
import { judgeTag } from './judge-tag.ts'

type Parts = Pick<Store, 'layout' | 'changes'>

/** Says whether the fault is still there. */
export async function confirm(parts: Parts, fault: Fault): Promise<boolean> {
  const { repository } = fault
  const isOfLinks = fault.kind === 'link-wrong' || fault.kind === 'link-missing' || fault.kind === 'tag-wrong'
  if (repository === undefined || !isOfLinks) return isStill(parts, fault)
  return parts.changes.run(repository, async () => isStill(parts, fault))
}

/** The same at once, for whoever excludes others already. */
export function isStill({ layout }: Pick<Store, 'layout'>, fault: Fault): boolean {
  const { kind, path, repository, tag, digest, target, witness, facts } = fault
  const isMissed = witness === undefined || readLink(witness) !== 'absent'
  switch (kind) {
    case 'blob-wrong':
      return statQuietly(path) === facts?.stamp
    case 'blob-unreadable':
      return facts === undefined || statQuietly(path) === facts.stamp
    case 'blob-missing':
    case 'blob-in-trash':
      return isMissed && statQuietly(path) === undefined
    case 'link-dangling':
      return readLink(path) === target && digest !== undefined && statQuietly(layout.blobData(digest)) === undefined
    case 'link-wrong': {
      const now = readLink(path)
      return now !== 'absent' && (now === 'torn' ? undefined : now) === target
    }
    case 'link-missing':
      return isMissed && readLink(path) === 'absent'
    case 'tag-wrong':
      return repository !== undefined && tag !== undefined && judgeAgain(layout, repository, tag).state === 'wrong'
    default:
      return true
  }
}

const QUIET: WalkReport = { onStray: () => undefined, onUnreadable: () => undefined }

/** What the directory says of one tag now. */
export function judgeAgain(
  layout: Store['layout'],
  repository: NonNullable<Fault['repository']>,
  tag: NonNullable<Fault['tag']>,
): TagJudgement & { readonly history: ReadonlySet<Digest> } {
  const found = readTag(layout, repository, tag, QUIET)
  const history = new Set(found.history.map(({ digest }) => digest))
  const isRevision = (digest: Digest): boolean => readLink(layout.revisionLink(repository, digest)) !== 'absent'
  return { ...judgeTag(found, history, isRevision), history }
}

/** What a link holds; `torn` also when the disk does not give it. */
export function readLink(path: string): Digest | 'torn' | 'absent' {
  try {
    if (statFile(path) === undefined) return 'absent'
    const text = readTiny(path)
    if (text === undefined) return 'absent'
    return isDigest(text) ? text : 'torn'
  } catch {
    return 'torn'
  }
}

function statQuietly(path: string): string | undefined {
  try {
    return statFile(path)?.stamp
  } catch {
    return 'unreadable'
  }
}
