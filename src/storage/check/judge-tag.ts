// What one tag says against what its history and the repository's revisions say. A tag points to a revision, and its
// history holds that digest too, because both programs write the history first: what is otherwise was lost or exchanged.
import type { Digest } from '../../oci/digest.ts'
import type { FoundTag } from '../read-repository.ts'

export type TagJudgement =
  | { readonly state: 'right' }
  /** What an interrupted push or deletion leaves: a directory with nothing in it. */
  | { readonly state: 'empty' }
  /** The tag is right, the revision's link is gone. */
  | { readonly state: 'revision missing'; readonly target: Digest }
  | { readonly state: 'wrong'; readonly target: Digest | undefined; readonly what: string }

/** `history` are the digests that the history names by its paths; `isRevision` says what has a link among the revisions. */
export function judgeTag(
  { target, torn }: Pick<FoundTag, 'target' | 'torn'>,
  history: ReadonlySet<Digest>,
  isRevision: (digest: Digest) => boolean,
): TagJudgement {
  if (target === undefined) {
    if (torn) return { state: 'wrong', target, what: 'the link of the tag holds no digest' }
    if (history.size === 0) return { state: 'empty' }
    return { state: 'wrong', target, what: 'the link of the tag is missing' }
  }
  const isHere = isRevision(target)
  if (history.has(target)) return isHere ? { state: 'right' } : { state: 'revision missing', target }
  const why = isHere
    ? 'which is not in its history'
    : 'which is neither in its history nor a manifest of the repository'
  return { state: 'wrong', target, what: `the tag leads to ${target}, ${why}` }
}
