// Writes links anew that were torn, exchanged or lost, where it is certain what they held: their path says it, the tag's
// history does, or another data directory that knows at least as much. What could have been one of several stays as
// it is: a tag must never be led somewhere by a guess.
import { unlinkSync } from 'node:fs'
import type { Digest } from '../../oci/digest.ts'
import { algorithmOf } from '../../oci/digest.ts'
import type { RepositoryName } from '../../oci/name.ts'
import { readManifestFile } from '../read-manifest-file.ts'
import type { Store } from '../store.ts'
import { isStill, judgeAgain, readLink } from './confirm.ts'
import type { Fault } from './fault.ts'
import type { Guard } from './guard.ts'
import { orAborted } from './guard.ts'
import type { LinkSource } from './source.ts'

// Not through Links and Tags, which read what is there before they write: here the disk may not give it.
export type LinkHealing = Pick<Store, 'layout' | 'blobs' | 'durable' | 'changes' | 'repositories'>

/** Heals the link of `fault`; gives the name of what said how, undefined when nothing did. Throws what the disk says, and what `guard` does. */
export async function healLink(
  store: LinkHealing,
  fault: Fault,
  sources: readonly LinkSource[],
  guard: Guard,
): Promise<string | undefined> {
  const { repository, kind } = fault
  if (repository === undefined) return undefined
  const alias = kind === 'tag-wrong' ? undefined : await findAlias(store, fault, sources, guard)
  return store.changes.run(repository, async () => {
    if (!isStill(store, fault)) return 'others'
    if (kind === 'tag-wrong') return healTag(store, fault, repository, sources, guard)
    if (kind === 'incomplete-repository') {
      guard.require()
      await store.repositories.ensure(repository)
      return 'its other half'
    }
    return healByPath(store, fault, alias, guard)
  })
}

/** Removes a link that leads nowhere and that nothing needs; false when it is not that any more. */
export async function removeDangling({ layout, changes }: LinkHealing, fault: Fault, guard: Guard): Promise<boolean> {
  const { repository, certain, path } = fault
  if (repository === undefined || certain !== true) return false
  return changes.run(repository, async () => {
    guard.require()
    // In one step with the look: a push puts the blob there before it looks at the link.
    if (!isStill({ layout }, fault)) return false
    unlinkSync(path)
    return true
  })
}

async function healByPath(
  store: LinkHealing,
  { role, path, digest }: Fault,
  alias: { readonly target: Digest; readonly by: string } | undefined,
  guard: Guard,
): Promise<string | undefined> {
  const { layout, blobs, durable } = store
  if (digest === undefined) return undefined
  if (role === 'history') {
    guard.require()
    await durable.writeSmall('link', path, digest)
    return 'its path'
  }
  if (role === 'revision') {
    // Anything else that has this digest must not become a manifest.
    if (readManifestFile(layout, digest).state !== 'read' || blobs.state(digest) === undefined) return undefined
    guard.require()
    await durable.writeSmall('link', path, digest)
    return 'its path'
  }
  if (alias !== undefined) {
    guard.require()
    await durable.writeSmall('link', path, alias.target)
    return alias.by
  }
  if (blobs.state(digest) === undefined) return undefined
  guard.require()
  await durable.writeSmall('link', path, digest)
  return 'its path'
}

// A link of distribution's from a sha512 path to a sha256 blob: believed when the bytes hash to both.
async function findAlias(
  { layout, blobs }: LinkHealing,
  { role, path, digest }: Fault,
  sources: readonly LinkSource[],
  { signal }: Guard,
): Promise<{ readonly target: Digest; readonly by: string } | undefined> {
  if (role !== 'layer' || digest === undefined || blobs.state(digest) !== undefined) return undefined
  for (const source of sources) {
    const target = askQuietly(() => source.readLink(path.slice(layout.root.length + 1)))
    if (target === undefined || algorithmOf(target) === algorithmOf(digest)) continue
    const facts = await orAborted(
      blobs.ensureWhole(digest, target).catch(() => undefined),
      signal,
    )
    if (facts !== undefined) return { target, by: source.name }
  }
  return undefined
}

async function healTag(
  { layout, durable }: LinkHealing,
  { tag, path }: Fault,
  name: RepositoryName,
  sources: readonly LinkSource[],
  guard: Guard,
): Promise<string | undefined> {
  if (tag === undefined) return undefined
  const now = judgeAgain(layout, name, tag)
  if (now.state !== 'wrong') return undefined
  const { history, target } = now
  const isRevision = (digest: Digest): boolean => readLink(layout.revisionLink(name, digest)) !== 'absent'
  const candidates = [...history].filter(isRevision)
  const lead = async (digest: Digest, by: string): Promise<string> => {
    // As a push does: the history first, what readers follow last.
    const link = layout.tagIndexLink(name, tag, digest)
    for (const each of [link, path]) {
      if (readLink(each) === digest) continue
      guard.require()
      await durable.writeSmall('link', each, digest)
    }
    return by
  }
  // A target that is a manifest here can be right, its line in the history lost.
  const isPossible = target !== undefined && isRevision(target)
  const [only] = candidates
  if (!isPossible && only !== undefined && candidates.length === 1) return lead(only, 'its history')
  if (isPossible && history.size === 0) return lead(target, 'the tag')
  for (const source of sources) {
    const said = askQuietly(() => source.readLink(path.slice(layout.root.length + 1)))
    const known = new Set(askQuietly(() => source.readHistory(name, tag)))
    // One that lacks a part of the history is older: the tag may have moved since.
    if (said === undefined || ![...history].every((digest) => known.has(digest))) continue
    const isFit =
      candidates.includes(said) || (isPossible && said === target) || (history.size === 0 && isRevision(said))
    if (isFit) return lead(said, source.name)
  }
  return undefined
}

function askQuietly<T>(ask: () => T): T | undefined {
  try {
    return ask()
  } catch {
    return undefined
  }
}
