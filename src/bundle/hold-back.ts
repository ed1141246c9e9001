// Which tags of a bundle must wait for ever: those that a newer bundle set since. What it brings of blobs and manifests
// comes in all the same.
import type { Digest } from '../oci/digest.ts'
import type { RepositoryName } from '../oci/name.ts'
import type { Tag } from '../oci/reference.ts'
import type { BundleId } from '../storage/layout.ts'
import type { Store } from '../storage/store.ts'
import type { PlannedRepository } from './plan-images.ts'
import type { Receipt } from './receipts.ts'

/** A tag that stays as it is. */
export interface HeldBackTag {
  readonly repository: RepositoryName
  readonly tag: Tag
  /** What it means here, and what the bundle wanted. */
  readonly stays: Digest
  readonly wanted: Digest
  /** The bundle that set it. */
  readonly by: BundleId
  readonly sequence: number
}

/** Takes the moves of tags out of the plans that are older than the bundles which set them. */
export function holdBack(
  { tags }: Pick<Store, 'tags'>,
  plans: readonly PlannedRepository[],
  sequence: number,
  receipts: readonly Receipt[],
): { readonly plans: readonly PlannedRepository[]; readonly heldBack: readonly HeldBackTag[] } {
  const newer = new Map<string, Receipt>()
  // Ascending, so that the newest has the last word.
  for (const receipt of receipts.filter((one) => one.sequence > sequence)) {
    for (const { repository, tag, digest } of receipt.tags) newer.set(`${repository}:${tag} ${digest}`, receipt)
  }
  const heldBack: HeldBackTag[] = []
  if (newer.size === 0) return { plans, heldBack }
  const kept = plans.map((plan) => {
    const left = new Map<Tag, Digest>()
    for (const [tag, wanted] of plan.tags) {
      const stays = tags.resolve(plan.name, tag)
      const receipt = newer.get(`${plan.name}:${tag} ${stays}`)
      if (stays === undefined || stays === wanted || receipt === undefined) left.set(tag, wanted)
      else {
        heldBack.push({ repository: plan.name, tag, stays, wanted, by: receipt.id, sequence: receipt.sequence })
      }
    }
    return { ...plan, tags: left }
  })
  return { plans: kept, heldBack }
}
