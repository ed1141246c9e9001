// Takes away what a sync brought and its entry does not mean any more. Only links go, through the registry's own removal,
// which knows of pins; collection frees the bytes (I6).
import type { Digest } from '../../oci/digest.ts'
import type { RepositoryName } from '../../oci/name.ts'
import type { Tag } from '../../oci/reference.ts'
import type { Context } from '../../registry/context.ts'
import type { Upkeep } from '../../registry/upkeep.ts'
import type { GoneTags } from './gone.ts'
import type { PrunedTags } from './report.ts'

/** The tags that a sync set in the repository and nobody changed since. */
export function findSynced({ store }: Context, name: RepositoryName): ReadonlyMap<Tag, Digest> {
  const marks = [...store.mirrored.marks(name).tags]
  return new Map(
    marks
      .filter(([tag, { digest, synced }]) => synced === true && store.tags.resolve(name, tag) === digest)
      .map(([tag, { digest }]) => [tag, digest]),
  )
}

export interface PruneParts {
  readonly context: Context
  readonly remove: Upkeep['remove']
  /** Somebody agrees to what is held back. */
  readonly confirmed: boolean
}

/** Removes what is gone and not held; what stays says why. */
export async function prune(gone: readonly GoneTags[], parts: PruneParts): Promise<PrunedTags[]> {
  const { context, remove, confirmed } = parts
  const pruned: PrunedTags[] = []
  for (const each of gone) {
    const { to, tags, isHeld } = each
    if (isHeld && !confirmed) {
      pruned.push({ ...each, removed: [], why: 'more than prune.maxShare would go' })
      continue
    }
    const now = findSynced(context, to)
    const still = tags.filter(({ tag, digest }) => now.get(tag) === digest)
    const { refused } = await remove(
      still.map(({ tag }) => `${to}:${tag}`),
      { dryRun: false },
    )
    const kept = new Set(refused.map(({ image }) => image))
    const removed = still.map(({ tag }) => tag).filter((tag) => !kept.has(`${to}:${tag}`))
    pruned.push({ ...each, removed, ...(kept.size > 0 && { why: `pinned: ${[...kept].join(', ')}` }) })
  }
  return pruned
}
