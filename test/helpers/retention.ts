// Directories and calls for tests of retention.
import { mkdirSync, utimesSync } from 'node:fs'
import type { Digest } from '../../src/oci/digest.ts'
import { OCI_INDEX } from '../../src/oci/media-type.ts'
import type { RepositoryName } from '../../src/oci/name.ts'
import type { Tag } from '../../src/oci/reference.ts'
import type { RetentionParts } from '../../src/registry/retention.ts'
import { applyRetention } from '../../src/registry/retention.ts'
import type { RetentionReport } from '../../src/registry/retention-report.ts'
import type { Rules } from '../../src/registry/context.ts'
import { Leases } from '../../src/storage/leases.ts'
import { Pins } from '../../src/storage/pins.ts'
import { Pulls } from '../../src/storage/pulls.ts'
import type { Part } from './plant.ts'
import { imageOf, indexOf, partOf, plantBlob, plantFile, plantManifest } from './plant.ts'
import type { TestStore } from './store.ts'
import { makeContext, makeStore } from './store.ts'

export const DAY = 86_400_000

export type Policies = RetentionParts['policies']
export type Policy = Policies[number]
export type Keep = Policy['keep'][number]

export const keepRule = (rule: Partial<Keep> = {}): Keep => ({ tags: '.*', by: 'date', ...rule })
export const policyOf = (keep: readonly Partial<Keep>[], more: Partial<Policy> = {}): Policy => ({
  repositories: ['**'],
  keep: keep.map(keepRule),
  ...more,
})

export interface Ground {
  readonly store: TestStore
  readonly pins: Pins
  readonly pulls: Pulls
  /** Ends every promise of the registry to its clients. */
  endLeases(): void
  /** Plants an image told apart by `note`; `more` are members of its manifest. */
  image(name: RepositoryName, note: string, more?: object): Digest
  index(name: RepositoryName, children: readonly Digest[], more?: object): Digest
  /** Points a tag there, written so many days ago. */
  tag(name: RepositoryName, tag: string, digest: Digest, daysAgo?: number, now?: number): void
  apply(
    policies: Policies,
    options?: Partial<RetentionParts> & { readonly dryRun?: boolean; readonly rules?: Partial<Rules> },
  ): Promise<RetentionReport>
  /** The tags of the repository, as the registry lists them. */
  tags(name: RepositoryName): Promise<string[]>
}

/** A directory in which everything was last touched 100 days ago, as its clock says. */
export function makeGround(directory: string): Ground {
  mkdirSync(directory, { recursive: true })
  let elapsed = 0
  const store = makeStore(directory, undefined, { leases: new Leases(DAY, () => elapsed) })
  store.turn(100 * DAY)
  const pins = new Pins(store)
  const pulls = new Pulls({ path: store.layout.pulls, clock: store.clock, writable: () => true })
  const indexes = new Set<Digest>()
  const child = (digest: Digest): Part => ({ digest, size: 1, ...(indexes.has(digest) && { mediaType: OCI_INDEX }) })
  return {
    store,
    pins,
    pulls,
    endLeases() {
      elapsed += 2 * DAY
    },
    image(name, note, more = {}) {
      const config = Buffer.from(JSON.stringify({ os: 'linux', note }))
      plantBlob(store, name, config)
      return plantManifest(store, name, imageOf(partOf(config), [], more))
    },
    index(name, children, more = {}) {
      const digest = plantManifest(store, name, indexOf(children.map(child), more))
      indexes.add(digest)
      return digest
    },
    tag(name, tag, digest, daysAgo = 100, now = store.clock()) {
      const path = plantFile(store.layout.tagLink(name, tag as Tag), digest)
      plantFile(store.layout.tagIndexLink(name, tag as Tag, digest), digest)
      const written = Math.floor((now - daysAgo * DAY) / 1000)
      utimesSync(path, written, written)
    },
    apply(policies, { dryRun = false, rules = {}, ...parts } = {}) {
      const all = { policies, pins, pulls, clock: store.clock, ...parts }
      return applyRetention(makeContext(store, rules), all, { dryRun })
    },
    async tags(name) {
      const tags: string[] = []
      for await (const tag of store.tags.list(name)) tags.push(tag)
      return tags
    },
  }
}
