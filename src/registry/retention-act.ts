// Retention's acts on one repository, while neither pushes nor deletions change it. Everything that the plan rests on
// is looked at once more: time has passed since, and a tar asks nobody. A dry run does all but the removing.
import type { Digest } from '../oci/digest.ts'
import type { RepositoryName } from '../oci/name.ts'
import type { StoredPin } from '../storage/pins.ts'
import { readLinkState, walkTags } from '../storage/read-tags.ts'
import type { Context } from './context.ts'
import { requireWritable } from './context.ts'
import type { Going, Plan, PlanParts } from './retention-plan.ts'
import { REPORT, isPinned, stays } from './retention-plan.ts'
import { noteUntagged } from './untag.ts'

export interface ActParts extends Pick<PlanParts, 'pulls' | 'pace' | 'now'> {
  readonly context: Context
  /** The pins as they are at the moment. Throws Unclear. */
  readonly readPins: () => readonly StoredPin[]
  readonly dryRun: boolean
}

/**
 * Removes what is still to go and adds what went to `gone`. Throws Unclear, UNSUPPORTED when the lock was lost, and what
 * the disk says.
 */
export async function removeTags(
  parts: ActParts,
  name: RepositoryName,
  { seen, going, followers }: Pick<Plan, 'seen' | 'going' | 'followers'>,
  gone: Going[],
): Promise<void> {
  const { store } = parts.context
  await store.changes.run(name, async () => {
    for (const each of going) if (await removeTag(parts, name, each)) gone.push(each)
    // A tag that stays, or came, may lead to what the others follow. Followers go last: an image without its signature
    // would be refused, a signature without its image is in nobody's way.
    if (followers.length === 0 || gone.length < going.length || !(await areUnmoved(parts, name, seen))) return
    // What lost its tag here is leased for that, which is nobody's promise.
    const ours = new Set<Digest>()
    for (const each of followers) {
      const { subject, seen: tag } = each
      if (subject !== undefined && !ours.has(subject) && !store.leases.isFree(subject)) continue
      const wasFree = store.leases.isFree(tag.target)
      if (!(await removeTag(parts, name, each))) continue
      gone.push(each)
      if (wasFree) ours.add(tag.target)
    }
  })
}

async function removeTag(parts: ActParts, name: RepositoryName, going: Going): Promise<boolean> {
  const { context, readPins, pace, dryRun } = parts
  await pace.rest()
  const { tag, path, facts, target } = going.seen
  // Before the last look: between that and the removal nothing is waited for that could be left out.
  if (!dryRun) {
    requireWritable(context)
    await noteUntagged(context.store, name, target)
  }
  if (stays(parts, name, going) || isPinned(readPins(), name, going.seen)) return false
  if (dryRun) return readLinkState(path, REPORT)?.facts.stamp === facts.stamp
  // The lock of the directory may have been lost while this waited.
  requireWritable(context)
  return context.store.tags.remove(name, tag, facts.stamp)
}

async function areUnmoved({ context, pace }: ActParts, name: RepositoryName, seen: Plan['seen']): Promise<boolean> {
  const known = new Map(seen.map(({ tag, facts }) => [tag, facts.stamp]))
  for await (const { tag, facts } of pace.over(walkTags(context.store.layout, name, REPORT))) {
    if (known.get(tag) !== facts.stamp) return false
  }
  return true
}
