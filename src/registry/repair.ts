// Heals what a check found: blobs first, since links are only led to what is here, then links, and at last what cannot be
// healed is moved out of the way. A failure at one thing is told with it and keeps nothing else from being healed.
import type { Digest } from '../oci/digest.ts'
import type { Copies } from '../storage/check/copies.ts'
import type { Fault, FaultKind } from '../storage/check/fault.ts'
import type { Guard } from '../storage/check/guard.ts'
import { orAborted } from '../storage/check/guard.ts'
import { healBlob, prepare } from '../storage/check/heal-blob.ts'
import { healLink, removeDangling } from '../storage/check/heal-link.ts'
import { setAsideWrong } from '../storage/check/set-aside.ts'
import type { BlobSource, LinkSource } from '../storage/check/source.ts'
import { Slices } from '../storage/check/slices.ts'
import { takeIn } from '../storage/check/stage.ts'
import type { TarWishes } from '../storage/check/tar-source.ts'
import { readTar } from '../storage/check/tar-source.ts'
import type { Store } from '../storage/store.ts'
import type { Progress } from './collect.ts'
import type { Findings, FoundFault } from './findings.ts'

export interface RepairParts {
  readonly store: Store
  readonly findings: Findings
  readonly copies: Copies
  readonly sources: readonly BlobSource[]
  readonly clock: () => number
  readonly guard: Guard
  readonly onProgress: (progress: Progress) => void
}

const OF_BLOBS: ReadonlySet<FaultKind> = new Set<FaultKind>([
  'blob-wrong',
  'blob-unreadable',
  'blob-missing',
  'blob-in-trash',
  'link-dangling',
])
// A tag can be led only to a revision that is here.
const ROLES: readonly (string | undefined)[] = ['history', 'layer', 'revision', undefined]

/**
 * Heals what can be healed of `found`; gives those things that were, and those that were moved out of the way. Throws what
 * `guard` does.
 */
export async function repair(parts: RepairParts, found: readonly FoundFault[]): Promise<FoundFault[]> {
  const { store, findings, copies, guard } = parts
  const blobs = groupByDigest(found)
  const links = found
    .filter(({ fault: { kind } }) => /^(?:link-(?:wrong|missing)|tag-wrong|incomplete-repository)$/.test(kind))
    .toSorted((a, b) => ROLES.indexOf(a.fault.role) - ROLES.indexOf(b.fault.role))
  const healed: FoundFault[] = []
  const settle = (entries: readonly FoundFault[], by: string): void => {
    for (const entry of entries) findings.settle(entry, 'healed', by)
    healed.push(...entries)
  }
  let done = 0
  const act = async (entries: readonly FoundFault[], heal: () => Promise<string | undefined>): Promise<void> => {
    guard.require()
    parts.onProgress({ phase: 'repair', done: (done += 1), total: blobs.size + links.length })
    try {
      const by = await heal()
      if (by !== undefined) settle(entries, by)
    } catch (error) {
      guard.require()
      for (const entry of entries) findings.explain(entry, `not repaired: ${(error as Error).message}`)
    }
  }

  // No collection takes a copy away while it is being looked at.
  const keys = found.flatMap(({ fault: { digest, repository } }) => [digest, repository])
  const release = store.leases.hold(keys.filter((key) => key !== undefined))
  try {
    const asked = [...parts.sources, ...copies.directories]
    for (const [digest, entries] of blobs) {
      const onFailure = (name: string, error: unknown): void =>
        entries.forEach((entry) => findings.explain(entry, `${name} failed: ${(error as Error).message}`))
      await act(entries, () => healBlob(store, faultOf(digest, entries), asked, onFailure, guard))
    }
    const left = new Map([...blobs].filter(([, entries]) => entries.some(isLeft)))
    const tars = await readTars(parts, left, links, settle)
    for (const entry of links) {
      await act([entry], () => healLink(store, entry.fault, [...copies.directories, ...tars], guard))
    }
    for (const entry of [...left.values()].flat()) {
      if (isLeft(entry)) await giveUp(parts, entry)
      // What led to it leads nowhere now.
      if (entry.finding.outcome === 'quarantined') healed.push(entry)
    }
    return healed
  } finally {
    release()
  }
}

function isLeft({ finding }: FoundFault): boolean {
  return finding.outcome === 'found'
}

function groupByDigest(found: readonly FoundFault[]): Map<Digest, FoundFault[]> {
  const groups = new Map<Digest, FoundFault[]>()
  for (const entry of found) {
    const { kind, digest } = entry.fault
    if (digest === undefined || !OF_BLOBS.has(kind)) continue
    groups.set(digest, [...(groups.get(digest) ?? []), entry])
  }
  return groups
}

// What is known of a blob by all who miss it.
function faultOf(digest: Digest, entries: readonly FoundFault[]): Fault & { readonly digest: Digest } {
  const faults = entries.map(({ fault }) => fault)
  const [first] = faults
  const main = faults.find(({ facts }) => facts !== undefined) ?? first
  if (main === undefined) throw new Error('nothing to heal')
  return { ...main, digest, size: faults.find(({ size }) => size !== undefined)?.size }
}

async function readTars(
  { store, copies, findings, guard }: RepairParts,
  left: ReadonlyMap<Digest, FoundFault[]>,
  links: readonly FoundFault[],
  settle: (entries: readonly FoundFault[], by: string) => void,
): Promise<LinkSource[]> {
  const faults = new Map([...left].map(([digest, entries]) => [digest, faultOf(digest, entries)]))
  const paths = new Set(links.map(({ fault: { path } }) => path.slice(store.layout.root.length + 1)))
  const sources: LinkSource[] = []
  const slices = new Slices(store, guard)
  try {
    for (const { path, kind } of copies.tars) {
      if (faults.size === 0 && paths.size === 0) break
      const healBy = async (digest: Digest, heal: (fault: Fault) => Promise<boolean>): Promise<boolean> => {
        const fault = faults.get(digest)
        if (fault === undefined) return false
        prepare(store, fault)
        if (!(await heal(fault))) return false
        faults.delete(digest)
        settle(left.get(digest) ?? [], path)
        return true
      }
      const wishes: TarWishes = {
        blobs: new Map([...faults].map(([digest, { size }]) => [digest, size])),
        links: paths,
        take: (digest, bytes) => healBy(digest, ({ size }) => takeIn(store, digest, bytes, size, guard)),
        takeSlice: (digest, slice, bytes) => healBy(digest, ({ size }) => slices.take(digest, slice, bytes, size)),
      }
      try {
        sources.push(await readTar(path, kind, wishes, guard.signal))
      } catch (error) {
        guard.require()
        const what = `it cannot be read to its end: ${(error as Error).message}`
        await findings.take({ kind: 'source-unreadable', path, what })
      }
    }
    return sources
  } finally {
    await slices.close()
  }
}

// What nobody has a right copy of. A push of it heals it at any time.
async function giveUp({ store, findings, clock, guard }: RepairParts, entry: FoundFault): Promise<void> {
  const { fault } = entry
  guard.require()
  try {
    if (fault.kind === 'link-dangling') {
      if (await removeDangling(store, fault, guard)) findings.settle(entry, 'removed')
    } else if (fault.kind === 'blob-missing') {
      const { repository, digest } = fault
      // A link to a blob of another algorithm may have been healed meanwhile.
      const stored = repository && digest && store.links.resolve(repository, digest)
      if (
        stored &&
        digest &&
        stored !== digest &&
        (await orAborted(store.blobs.ensureWhole(digest, stored), guard.signal))
      )
        findings.settle(entry, 'healed', 'its link')
    } else {
      const outcome = await setAsideWrong(store, fault, clock)
      if (outcome === 'set aside') findings.settle(entry, 'quarantined')
      else if (outcome === 'young')
        findings.explain(entry, 'left in its place, for it changed less than 10 minutes ago')
    }
  } catch (error) {
    guard.require()
    findings.explain(entry, `not repaired: ${(error as Error).message}`)
  }
}
