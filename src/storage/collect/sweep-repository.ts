// Takes what the survey found useless in one repository, if that still holds. Each link is asked for right before it
// goes, in one synchronous step: whether somebody was promised it, and whether it is still the file that was surveyed.
import { rmdirSync, unlinkSync } from 'node:fs'
import { dirname } from 'node:path'
import type { Digest } from '../../oci/digest.ts'
import type { Pace } from '../pace.ts'
import { directoryIdentity, isNotThere, statFile } from '../stamp.ts'
import type { Store } from '../store.ts'
import { runHeld } from './run-held.ts'
import { isStillSo } from './still-so.ts'
import type { PlannedLink, RepositoryPlan } from './survey-result.ts'
import { readPlannedLink } from './survey-result.ts'

export interface SweptRepository {
  readonly manifests: readonly Digest[]
  readonly links: number
  /** Whether nothing of the repository is left. */
  readonly removed: boolean
  /** False when somebody needs a manifest of it that was to go, or changed it: the rest is for the next time. */
  readonly done: boolean
}

export interface SweepOptions {
  readonly dryRun: boolean
  readonly pace: Pace
  /** Throws when nothing may be written any more. */
  readonly requireWritable: () => void
}

/**
 * Sweeps one repository. What links lead to that stay because somebody was promised them, or wrote them meanwhile, is
 * added to `kept`. Throws what the file system says, and what `requireWritable` throws.
 */
export async function sweepRepository(
  store: Store,
  plan: RepositoryPlan,
  kept: Set<Digest>,
  options: SweepOptions,
): Promise<SweptRepository> {
  // The mutex of the repository is let go in between, and nothing has to be looked at again for that: whoever pushes,
  // tags or mends through this process holds, from before its first look, its digest and all that it names (I6). That is
  // not free until the end of the collection, and each step asks. Other programs know no mutex at all.
  return runHeld(store.changes, plan.name, sweepInSteps(store, plan, kept, options), options.pace)
}

function* sweepInSteps(
  store: Store,
  plan: RepositoryPlan,
  kept: Set<Digest>,
  { dryRun, requireWritable }: SweepOptions,
): Generator<void, SweptRepository> {
  const { layout, leases } = store
  const { name } = plan
  const swept = { manifests: [] as Digest[], links: 0 }
  let spared = 0

  // One synchronous step: nothing comes between the questions and the act.
  const take = (path: string, { digest, stamp }: PlannedLink): boolean => {
    requireWritable()
    if (!leases.isFree(digest) || statFile(path)?.stamp !== stamp) return false
    if (!dryRun) unlinkLink(path)
    return true
  }

  if (!(yield* isStillSo(store, plan))) return { ...swept, removed: false, done: false }
  for (const line of plan.manifests) {
    const link = readPlannedLink(line)
    const isNeeded = link.leadsTo !== undefined && !leases.isFree(link.leadsTo)
    if (isNeeded || !take(layout.revisionLink(name, link.digest), link))
      return { ...swept, removed: false, done: false }
    swept.manifests.push(link.digest)
    if (!dryRun) {
      store.manifests.forget(link.digest)
      store.mirrored.forget(name, [], [link.digest])
    }
    yield
  }
  for (const line of plan.links) {
    const link = readPlannedLink(line)
    const { digest, leadsTo, tag } = link
    const path = tag === undefined ? layout.layerLink(name, digest) : layout.tagIndexLink(name, tag, digest)
    if (take(path, link)) {
      swept.links += 1
    } else {
      spared += 1
      // It may lead elsewhere by now.
      for (const each of [digest, leadsTo, store.links.resolve(name, digest)]) if (each !== undefined) kept.add(each)
    }
    yield
  }
  if (dryRun) return { ...swept, removed: plan.removed && spared === 0 && leases.isFree(name), done: true }
  // Whoever makes such a directory holds its digest or the name of its repository first; rmdir takes only what is empty.
  for (const [path, digest] of plan.directories) {
    const key = digest ?? path.slice(layout.repositories.length + 1).replace(/\/_.*/s, '')
    if (leases.isFree(key)) removeDirectory(path)
    yield
  }
  return { ...swept, removed: plan.removed && !isRepository(store, plan), done: true }
}

function isRepository({ layout }: Store, { name }: RepositoryPlan): boolean {
  return [layout.layers(name), dirname(layout.tags(name)), layout.uploads(name)].some(
    (path) => directoryIdentity(path) !== undefined,
  )
}

function unlinkLink(path: string): void {
  try {
    unlinkSync(path)
  } catch (error) {
    if (!isNotThere(error)) throw error
  }
  removeDirectory(dirname(path))
}

/** Removes the directory if it is empty. */
export function removeDirectory(path: string): void {
  try {
    rmdirSync(path)
  } catch {
    // It is not, or it is gone, or it must stay: a later collection looks again.
  }
}
