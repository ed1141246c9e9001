// Whether what the survey said of a repository still holds, as far as that concerns what is to go there: nobody was
// promised a manifest that goes, and no tag or manifest turned up that may need something of it. Reads only.
import { readdirSync } from 'node:fs'
import type { Digest } from '../../oci/digest.ts'
import { ALGORITHMS, joinDigest } from '../../oci/digest.ts'
import type { Tag } from '../../oci/reference.ts'
import { isTag } from '../../oci/reference.ts'
import { childOf } from '../layout.ts'
import { isUnknownAlgorithm } from '../read-repository.ts'
import { isNotThere, statFile } from '../stamp.ts'
import type { Store } from '../store.ts'
import type { RepositoryPlan } from './survey-result.ts'
import { readPlannedLink } from './survey-result.ts'

/** In small synchronous steps. Throws what the file system says. */
export function* isStillSo(store: Store, plan: RepositoryPlan): Generator<void, boolean> {
  const { layout, leases } = store
  for (const line of plan.manifests) {
    const { digest, stamp, leadsTo } = readPlannedLink(line)
    // A signature of what is being pushed again is needed again.
    if (!leases.isFree(digest) || (leadsTo !== undefined && !leases.isFree(leadsTo))) return false
    if (statFile(layout.revisionLink(plan.name, digest))?.stamp !== stamp) return false
    yield
  }
  if (plan.manifests.length + plan.links.length === 0) return true
  const isAccounted = makeAccount(store, plan)
  return (yield* knowsRevisions(store, plan, isAccounted)) && (yield* knowsTags(store, plan, isAccounted))
}

/** Whether each manifest is one that the survey saw, or came through this process. */
function* knowsRevisions(
  { layout }: Store,
  { name, revisions }: RepositoryPlan,
  isAccounted: (digest: Digest) => boolean,
): Generator<void, boolean> {
  const known = new Set(revisions)
  for (const other of listNames(layout.revisions(name)).filter(isUnknownAlgorithm)) {
    if (listNames(childOf(layout.revisions(name), other)).length > 0) return false
  }
  for (const algorithm of ALGORITHMS) {
    for (const hex of listNames(layout.revisionsOf(name, algorithm))) {
      yield
      const digest = joinDigest(algorithm, hex)
      if (digest === undefined || known.has(digest)) continue
      if (statFile(layout.revisionLink(name, digest)) !== undefined && !isAccounted(digest)) return false
    }
  }
  return true
}

/**
 * Whether each tag is where it was, or leads to a manifest that stays, or to one that came through this process. One
 * that is gone needs nothing.
 */
function* knowsTags(
  { layout, tags }: Store,
  plan: RepositoryPlan,
  isAccounted: (digest: Digest) => boolean,
): Generator<void, boolean> {
  const before = new Map<Tag, Digest | undefined>(plan.tags)
  const stays = new Set(plan.revisions)
  for (const line of plan.manifests) stays.delete(readPlannedLink(line).digest)
  for (const tag of listNames(layout.tags(plan.name))) {
    yield
    if (!isTag(tag)) continue
    const target = tags.resolve(plan.name, tag)
    if (target === undefined) {
      // Being written: nobody knows yet where it will lead.
      if (statFile(layout.tagLink(plan.name, tag)) !== undefined) return false
    } else if (target !== before.get(tag) && !stays.has(target) && !isAccounted(target)) {
      return false
    }
  }
  return true
}

/**
 * Makes the question whether a manifest that the survey did not see came through this process. Then all that it names
 * is held, so what of it is to go will be found not to be free. That is looked at too: somebody may only have asked for
 * a manifest that a tar brought.
 */
function makeAccount({ leases, manifests }: Store, plan: RepositoryPlan): (digest: Digest) => boolean {
  let planned: Set<Digest> | undefined
  return (digest) => {
    const manifest = manifests.recall(digest)?.manifest
    if (leases.isFree(digest) || manifest === undefined || manifest.doubtful) return false
    planned ??= new Set([...plan.manifests, ...plan.links].map((line) => readPlannedLink(line).digest))
    for (const named of [manifest.config, ...manifest.layers, ...manifest.manifests, manifest.subject]) {
      if (named !== undefined && planned.has(named.digest) && leases.isFree(named.digest)) return false
    }
    return true
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
