// What retention takes from one repository, and why: reads its tags, asks the rules, and looks after the tags that
// follow others. It changes nothing. Whatever it cannot read leaves the whole repository as it is.
import type { Digest } from '../oci/digest.ts'
import { isIndexType } from '../oci/media-type.ts'
import type { RepositoryName } from '../oci/name.ts'
import type { StoredPin } from '../storage/pins.ts'
import { findPin } from '../storage/pins.ts'
import { MINUTE_MS } from '../storage/pulls-file.ts'
import type { Pulls } from '../storage/pulls.ts'
import { readManifestFile } from '../storage/read-manifest-file.ts'
import type { LinkState, TagState } from '../storage/read-tags.ts'
import { walkRevisions, walkTags } from '../storage/read-tags.ts'
import type { Store } from '../storage/store.ts'
import type { Pace } from '../storage/pace.ts'
import type { Follower, Revision } from './retention-followers.ts'
import { readSubjectTag, subjectTagOf } from '../oci/subject-tag.ts'
import { findStaying } from './retention-followers.ts'
import type { CompiledRule, TagFacts } from './retention-rules.ts'
import { judgeTags } from './retention-rules.ts'

export type SeenTag = TagState & { readonly target: Digest }

export interface Going {
  readonly seen: SeenTag
  readonly facts: TagFacts
  readonly why: string
  /** The digests of which a pull is one of the tag's. */
  readonly family: readonly Digest[]
  /** It stays if it was pulled at this time or later. */
  readonly unlessPulledSince: number | undefined
}

export interface Plan {
  readonly seen: readonly SeenTag[]
  /** How many tags each rule keeps. */
  readonly keptBy: readonly number[]
  readonly pinned: number
  readonly following: number
  readonly going: readonly Going[]
  /** Tags that follow what goes; to be removed after it. */
  readonly followers: readonly (Going & { readonly subject: Digest | undefined })[]
}

export interface PlanParts {
  readonly store: Pick<Store, 'layout' | 'manifests' | 'leases'>
  readonly pulls: Pick<Pulls, 'since' | 'lastPulled'>
  readonly pins: readonly StoredPin[]
  /** Milliseconds since 1970. */
  readonly now: number
  readonly pace: Pace
}

export interface PlanPolicy {
  readonly rules: readonly CompiledRule[]
  /** How old an untagged manifest is when collection takes it, in milliseconds; undefined when it does not. */
  readonly untaggedAfter: number | undefined
}

/** Thrown for a repository that is left as it is; `path` is of the data directory. */
export class Unclear extends Error {
  readonly path: string
  constructor(path: string, what: string) {
    super(what)
    this.path = path
  }
}

/** Plans for the repository. Throws Unclear when it must be left alone. */
export async function planRepository(parts: PlanParts, name: RepositoryName, policy: PlanPolicy): Promise<Plan> {
  const { store, pins, now, pace } = parts
  const seen: SeenTag[] = []
  for await (const link of pace.over(walkTags(store.layout, name, REPORT))) seen.push(requireWhole(link))
  const judged = seen.filter(({ tag }) => readSubjectTag(tag) === undefined)
  const facts = judged.map((tag) => factsOf(tag, now))
  const verdicts = judgeTags(facts, policy.rules, now)

  const keptBy = policy.rules.map(() => 0)
  const kept: SeenTag[] = []
  const going: Going[] = []
  let pinned = 0
  for (const [index, verdict] of verdicts.entries()) {
    await pace.rest()
    const tag = judged[index] as SeenTag
    const { unlessPulled } = verdict.keep ? { unlessPulled: undefined } : verdict
    const family = unlessPulled === undefined ? [tag.target] : readFamily(store, name, tag.target)
    const plan = { seen: tag, facts: facts[index] as TagFacts, family, unlessPulledSince: unlessPulled?.since }
    const rule = verdict.keep ? verdict.rule : stays(parts, name, plan) ? unlessPulled?.rule : undefined
    if (rule !== undefined) keptBy[rule] = (keptBy[rule] ?? 0) + 1
    else if (isPinned(pins, name, tag)) pinned += 1
    else {
      going.push({ ...plan, why: verdict.keep ? '' : verdict.why })
      continue
    }
    kept.push(tag)
  }
  const followers = await planFollowers(parts, name, policy, { seen, kept, going })
  const following = seen.length - judged.length - followers.length
  return { seen, keptBy, pinned, following, going, followers }
}

/** Whether the tag was pulled recently enough to stay, as is known now. */
export function stays(
  { pulls, now }: Pick<PlanParts, 'pulls' | 'now'>,
  name: RepositoryName,
  { family, facts, unlessPulledSince }: Omit<Going, 'why'>,
): boolean {
  if (unlessPulledSince === undefined) return false
  const pulled = lastPulled(pulls, name, family)
  // The record is to the minute below. Nothing was left unpulled before it came, or before anybody looked.
  const at = Math.max(facts.arrivedAt, pulls.since, pulled === undefined ? 0 : pulled + MINUTE_MS)
  return Math.min(at, now) >= unlessPulledSince
}

/** When one of the digests was pulled last, in milliseconds since 1970; undefined when that is not known. */
export function lastPulled(
  pulls: Pick<Pulls, 'lastPulled'>,
  name: RepositoryName,
  family: readonly Digest[],
): number | undefined {
  const times = family.map((digest) => pulls.lastPulled(name, digest)).filter((time) => time !== undefined)
  return times.length === 0 ? undefined : Math.max(...times)
}

export function isPinned(pins: readonly StoredPin[], name: RepositoryName, { tag, target }: SeenTag): boolean {
  return findPin(pins, name, { tag, digest: target }) !== undefined
}

// A clock that was set back must not make anything old.
function factsOf({ tag, facts }: SeenTag, now: number): TagFacts {
  const { writtenAt, changedAt } = facts
  return { tag, pushedAt: Math.min(writtenAt, now), arrivedAt: Math.min(Math.max(writtenAt, changedAt), now) }
}

// The manifest and, of an index, all that it leads to: clients pull the tag once and the child for their machine.
function readFamily(store: PlanParts['store'], name: RepositoryName, target: Digest): Digest[] {
  const family = new Set([target])
  const indexes = [target]
  for (const digest of indexes) {
    for (const child of readHeld(store, name, digest)?.manifests ?? []) {
      if (family.has(child.digest)) continue
      family.add(child.digest)
      if (isIndexType(child.mediaType)) indexes.push(child.digest)
    }
  }
  return [...family]
}

function readHeld({ layout, manifests }: PlanParts['store'], name: RepositoryName, digest: Digest) {
  const stored = manifests.resolve(name, digest)
  if (stored === undefined) return undefined
  const recalled = manifests.recall(digest)
  if (recalled !== undefined) return recalled.manifest
  const file = readManifestFile(layout, digest, stored)
  if (file.state === 'read') return file.manifest
  throw new Unclear(layout.blobData(stored), file.state === 'missing' ? 'a manifest is not here' : file.why)
}

async function planFollowers(
  parts: PlanParts,
  name: RepositoryName,
  { untaggedAfter }: PlanPolicy,
  {
    seen,
    kept,
    going,
  }: { readonly seen: readonly SeenTag[]; readonly kept: readonly SeenTag[]; readonly going: readonly Going[] },
): Promise<Plan['followers']> {
  const { store, pins, now, pace } = parts
  const followers = seen.flatMap((tag) => {
    const key = readSubjectTag(tag.tag)
    return key === undefined ? [] : [{ seen: tag, tag: tag.tag, target: tag.target, key }]
  })
  const keys = new Set(kept.map(({ target }) => subjectTagOf(target)))
  // A signature may come before what it signs.
  const mayGo = ({ seen: tag, key }: Follower & { readonly seen: SeenTag }): boolean =>
    !keys.has(key) && now - factsOf(tag, now).arrivedAt >= store.leases.duration && !isPinned(pins, name, tag)
  const candidates = followers.filter(mayGo)
  if (candidates.length === 0 && going.length === 0) return []

  const links = new Map<Digest, LinkState>()
  for await (const link of pace.over(walkRevisions(store.layout, name, REPORT)))
    links.set(link.digest, requireWhole(link))
  const held = new Map([...links.keys()].map((digest) => [subjectTagOf(digest), digest]))
  const unsure = candidates.filter(({ key }) => untaggedAfter !== undefined || !held.has(key))
  if (unsure.length === 0) return []

  const revisions = new Map<Digest, Revision>()
  for await (const digest of pace.over(links.keys())) {
    const manifest = readHeld(store, name, digest)
    if (manifest !== undefined) revisions.set(digest, { digest, manifest })
  }
  const staysByItself = ([digest, { facts }]: [Digest, LinkState]): boolean =>
    untaggedAfter === undefined ||
    now - facts.changedAt < untaggedAfter ||
    !store.leases.isFree(digest) ||
    findPin(pins, name, { digest }) !== undefined
  const roots = [
    ...kept.map(({ target }) => target),
    // They lose their tag only now, and collection waits from then on.
    ...going.map(({ seen: tag }) => tag.target),
    ...[...links].filter(staysByItself).map(([digest]) => digest),
    ...followers.filter((follower) => !candidates.includes(follower)).map(({ target }) => target),
  ]
  const staying = findStaying(roots, revisions, followers)
  return unsure
    .filter(({ tag }) => !staying.has(tag))
    .map(({ seen: tag, key, target }) => {
      const subject = held.get(key)
      const why = subject === undefined ? 'what it belongs to is not here' : 'what it belongs to goes'
      return { seen: tag, facts: factsOf(tag, now), why, family: [target], unlessPulledSince: undefined, subject }
    })
}

function requireWhole<Link extends LinkState>(link: Link): Link & { readonly target: Digest } {
  const { path, target } = link
  if (target === undefined) throw new Unclear(path, 'a torn link')
  return { ...link, target }
}

/** What is in nobody’s layout is in nobody’s way; what cannot be read could say anything. */
export const REPORT = {
  onStray: (): void => undefined,
  onUnreadable(path: string, error: Error): void {
    throw new Unclear(path, error.message)
  },
}
