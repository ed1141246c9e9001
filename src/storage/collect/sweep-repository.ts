// Takes what the survey found useless in one repository, if that still holds. Under the repository's mutex nobody else
// changes its manifests and tags; a promise can be given at any time, so each link is asked for right before it goes.
import { readdirSync, rmdirSync, unlinkSync } from 'node:fs'
import { dirname } from 'node:path'
import type { Digest } from '../../oci/digest.ts'
import { isTag } from '../../oci/reference.ts'
import { directoryIdentity, isNotThere } from '../stamp.ts'
import type { Store } from '../store.ts'
import type { EmptyDirectory } from './leftovers.ts'
import type { Pace } from '../pace.ts'
import type { RepositoryPlan } from './survey-result.ts'

export interface SweptRepository {
  readonly manifests: number
  readonly links: number
  /** Whether nothing of the repository is left. */
  readonly removed: boolean
  /** False when somebody needs something of it or changed it: the rest is for the next time. */
  readonly done: boolean
}

export interface SweepOptions {
  readonly dryRun: boolean
  readonly pace: Pace
  /** Throws when nothing may be written any more. */
  readonly requireWritable: () => void
}

/** Sweeps one repository. Throws what the file system says, and what `requireWritable` throws. */
export async function sweepRepository(
  store: Store,
  plan: RepositoryPlan,
  { dryRun, pace, requireWritable }: SweepOptions,
): Promise<SweptRepository> {
  const { layout, leases, manifests } = store
  const { name } = plan
  const swept = { manifests: 0, links: 0 }

  // One synchronous step: nothing comes between the question and the act.
  const take = (path: string, digest: Digest): boolean => {
    requireWritable()
    if (!leases.isFree(digest)) return false
    if (dryRun) return true
    unlinkLink(path)
    return true
  }

  const takeAll = async (): Promise<boolean> => {
    for (const digest of plan.manifests) {
      if (!take(layout.revisionLink(name, digest), digest)) return false
      swept.manifests += 1
      if (!dryRun) manifests.forget(digest)
      await pace.rest()
    }
    for (const [tag, digest] of plan.history) {
      if (!take(layout.tagIndexLink(name, tag, digest), digest)) return false
      swept.links += 1
      await pace.rest()
    }
    for (const digest of plan.links) {
      if (!take(layout.layerLink(name, digest), digest)) return false
      swept.links += 1
      await pace.rest()
    }
    return true
  }

  return store.changes.run(name, async () => {
    if (!(await isStillSo(store, plan, pace))) return { ...swept, removed: false, done: false }
    const done = await takeAll()
    if (!done) return { ...swept, removed: false, done }
    if (dryRun) return { ...swept, removed: plan.removed, done }
    removeEmpty(store, plan.directories)
    return { ...swept, removed: plan.removed && !isRepository(store, plan), done }
  })
}

/** Whether nobody needs anything that is to go, and the tags are what the survey saw. */
async function isStillSo({ layout, leases, tags }: Store, plan: RepositoryPlan, pace: Pace): Promise<boolean> {
  for (const digest of plan.manifests) if (!leases.isFree(digest)) return false
  for (const digest of plan.links) if (!leases.isFree(digest)) return false
  if (plan.removed && !leases.isFree(plan.name)) return false
  if (plan.manifests.length + plan.links.length + plan.history.length === 0 && !plan.removed) return true
  const known = new Map(plan.tags)
  let seen = 0
  for (const tag of listNames(layout.tags(plan.name))) {
    if (!isTag(tag)) continue
    seen += 1
    if (!known.has(tag) || tags.resolve(plan.name, tag) !== known.get(tag)) return false
    await pace.rest()
  }
  return seen === known.size
}

// Whoever makes such a directory holds its digest or the name of its repository first; rmdir takes only what is empty.
function removeEmpty({ layout, leases }: Store, directories: readonly EmptyDirectory[]): void {
  for (const [path, digest] of directories) {
    const key = digest ?? path.slice(layout.repositories.length + 1).replace(/\/_.*/s, '')
    if (leases.isFree(key)) removeDirectory(path)
  }
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

function listNames(directory: string): string[] {
  try {
    return readdirSync(directory)
  } catch (error) {
    if (isNotThere(error)) return []
    throw error
  }
}
