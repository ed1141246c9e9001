// Takes away what a sync brought and its entry does not mean any more. Only links go, through the registry's own removal,
// which knows of pins; collection frees the bytes (I6).
import type { Digest } from '../../oci/digest.ts'
import type { RepositoryName } from '../../oci/name.ts'
import type { Tag } from '../../oci/reference.ts'
import type { Context } from '../../registry/context.ts'
import type { Upkeep } from '../../registry/upkeep.ts'
import { messageOf } from '../retry.ts'
import type { GoneTags } from './gone.ts'
import type { PrunedTags } from './report.ts'

/**
 * The tags that the sync `owner` set in the repository and nobody changed since: those that no other sync means, and those
 * that others mean too. What nobody knows the sync of is in neither.
 */
export function findSynced(
  { store }: Context,
  name: RepositoryName,
  owner: string,
): { readonly own: ReadonlyMap<Tag, Digest>; readonly shared: readonly Tag[] } {
  const marks = [...store.mirrored.marks(name).tags].filter(
    ([tag, { digest, synced, by }]) =>
      synced === true && by?.includes(owner) === true && store.tags.resolve(name, tag) === digest,
  )
  const isOwn = ([, { by = [] }]: (typeof marks)[number]): boolean => by.length === 1
  return {
    own: new Map(marks.filter(isOwn).map(([tag, { digest }]) => [tag, digest])),
    shared: marks.filter((mark) => !isOwn(mark)).map(([tag]) => tag),
  }
}

export interface PruneParts {
  readonly context: Context
  readonly remove: Upkeep['remove']
  /** The sync that prunes. */
  readonly owner: string
  /** Somebody agrees to what is held back. */
  readonly confirmed: boolean
}

/** Removes what is gone and not held; what stays says why. */
export async function prune(gone: readonly GoneTags[], parts: PruneParts): Promise<PrunedTags[]> {
  const { context, remove, confirmed, owner } = parts
  const pruned: PrunedTags[] = []
  for (const each of gone) {
    const { to, tags, isHeld } = each
    if (isHeld && !confirmed) {
      pruned.push({ ...each, removed: [], why: 'more than prune.maxShare would go' })
      continue
    }
    const gone = new Map(tags.map(({ tag, digest }) => [tag, digest]))
    // Looked at again when nobody else can change it any more: what somebody pushed meanwhile is theirs.
    const isStill = (name: RepositoryName, tag: Tag, digest: Digest): boolean =>
      gone.get(tag) === digest && findSynced(context, name, owner).own.get(tag) === digest
    const patterns = tags.map(({ tag }) => `${to}:${tag}`)
    try {
      const { repositories, refused } = await remove(patterns, { dryRun: false, isStill })
      const kept = new Set(refused.map(({ image }) => image))
      const removed = repositories.flatMap((from) => from.tags.filter((tag) => gone.has(tag)))
      pruned.push({ ...each, removed, ...(kept.size > 0 && { why: `pinned: ${[...kept].join(', ')}` }) })
    } catch (error) {
      // The images came all the same, and that is told.
      pruned.push({ ...each, removed: [], why: messageOf(error) })
    }
  }
  return pruned
}
