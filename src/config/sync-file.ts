// From the text of a sync file to its entries, each with everything that holds for it: `defaults` filled in, paths
// absolute. Nothing is looked up.
import { resolve } from 'node:path'
import type { RepositoryName } from '../oci/name.ts'
import type { Tag } from '../oci/reference.ts'
import { parseBytes, parseRoom } from './bytes.ts'
import type { Findings } from './check.ts'
import { checkTree } from './check.ts'
import { checkSync } from './check-sync.ts'
import { throwFaults } from './config-error.ts'
import type { ImageSource } from './image-source.ts'
import { parseImageSource } from './image-source.ts'
import type { WrittenEntry, WrittenSync } from './schema-sync.ts'
import { SyncSchema } from './schema-sync.ts'
import type { UpstreamConfig } from './upstreams.ts'
import { imageHostOf } from './well-known.ts'
import type { Window } from './window.ts'
import { parseWindows } from './window.ts'
import { parseYamlFile } from './yaml-file.ts'

/** Which tags are meant: those that meet all of it. */
export interface TagRule {
  /** Tags or globs of tags; empty is all. */
  readonly names: readonly string[]
  /** Regular expressions over whole tags; empty is all. */
  readonly allow: readonly string[]
  readonly deny: readonly string[]
  /** A range of versions. */
  readonly semver?: string
  readonly newest?: number
  readonly by: 'semver' | 'date'
}

export interface SyncEntry {
  readonly source: ImageSource
  /** The repository here, or of a whole registry what its repositories lie below; undefined for the mirror's own path. */
  readonly to?: RepositoryName
  /** The tag here of the one image that the source names. */
  readonly tag?: Tag
  /** Globs over the repositories of a whole registry. */
  readonly repositories: readonly string[]
  readonly tags: TagRule
  readonly platforms: 'all' | readonly string[]
  readonly referrers: boolean
  /** Five fields of cron, or off. */
  readonly schedule: string
  /** Whether a time of the schedule that was missed while nothing served is made up. */
  readonly catchUp: boolean
  /** Empty is always. */
  readonly windows: readonly Window[]
  /** `maxShare` is 0 to 1. */
  readonly prune?: { readonly maxShare: number }
  readonly onlySigned: boolean
  /** Absolute path. */
  readonly policy?: string
}

/** What is said of a registry; all that is not here is as the mirror's configuration or the defaults have it. */
export type SyncRegistry = Partial<
  Pick<UpstreamConfig, 'credentials' | 'url' | 'ca' | 'insecure' | 'origins' | 'concurrency' | 'bandwidth'>
>

export interface SyncFile {
  readonly entries: readonly SyncEntry[]
  /** By the name that images have for them. */
  readonly registries: ReadonlyMap<string, SyncRegistry>
  /** Of each registry that says nothing else; bytes a second. */
  readonly limits: Pick<SyncRegistry, 'concurrency' | 'bandwidth'>
  /** One line each, without secrets. */
  readonly warnings: readonly string[]
}

/**
 * Reads a sync file; `name` is what messages call it, and relative paths in it start at `directory`.
 * Throws ConfigError with every fault, its line and a hint.
 */
export function parseSyncFile(text: string, name: string, directory: string): SyncFile {
  const root = parseYamlFile(text, name)
  const findings: Findings = { faults: [], warnings: [], units: 'text', isOwn: true }
  const file = checkTree(SyncSchema, root, { path: '', origin: root.origin }, findings) as WrittenSync
  throwFaults(findings.faults)
  checkSync(file, root, findings)
  throwFaults(findings.faults)
  const { registries, defaults } = file
  return {
    entries: file.sync.map((entry) => settleEntry(entry, defaults, directory)),
    registries: new Map(
      Object.entries(registries).map(([host, registry]) => [
        imageHostOf(host.toLowerCase()),
        settleRegistry(registry, directory),
      ]),
    ),
    limits: settleLimits(defaults),
    warnings: findings.warnings,
  }
}

/** The rule of an entry that says nothing of tags. */
export const ALL_TAGS: TagRule = { names: [], allow: [], deny: [], by: 'semver' }

function settleEntry(entry: WrittenEntry, defaults: WrittenSync['defaults'], directory: string): SyncEntry {
  const source = parseImageSource(entry.from) as ImageSource
  const isImage = source.tag !== undefined || source.digest !== undefined
  const prune = isImage ? undefined : (entry.prune ?? defaults.prune)
  const policy = entry.policy ?? defaults.policy
  return {
    source,
    ...(entry.to !== undefined && { to: entry.to as RepositoryName }),
    ...(entry.tag !== undefined && { tag: entry.tag as Tag }),
    repositories: entry.repositories,
    tags: entry.tags ?? ALL_TAGS,
    platforms: platformsOf(entry) ?? platformsOf(defaults) ?? 'all',
    referrers: entry.referrers ?? defaults.referrers ?? true,
    schedule: entry.schedule ?? defaults.schedule ?? 'off',
    catchUp: entry.catchUp ?? defaults.catchUp ?? true,
    windows: parseWindows(entry.window ?? defaults.window ?? '') ?? [],
    ...(prune && { prune: { maxShare: parseRoom(prune.maxShare)?.share ?? 0 } }),
    onlySigned: entry.onlySigned ?? defaults.onlySigned ?? false,
    ...(policy !== undefined && { policy: resolve(directory, policy) }),
  }
}

// A list that is not there is read as an empty one; an empty one that is written was refused.
function platformsOf({ platforms }: Pick<WrittenEntry, 'platforms'>): SyncEntry['platforms'] | undefined {
  return platforms === 'all' || platforms.length > 0 ? platforms : undefined
}

function settleRegistry(registry: WrittenSync['registries'][string], directory: string): SyncRegistry {
  const { url, ca, insecure, origins } = registry
  const { authFile, username, passwordFile } = registry.credentials
  const credentials = {
    ...(authFile !== undefined && { authFile: resolve(directory, authFile) }),
    ...(username !== undefined && { username }),
    ...(passwordFile !== undefined && { passwordFile: resolve(directory, passwordFile) }),
  }
  return {
    ...(Object.keys(credentials).length > 0 && { credentials }),
    ...(url.length > 0 && { url }),
    ...(ca !== undefined && { ca: resolve(directory, ca) }),
    ...(insecure && { insecure }),
    ...(origins.length > 0 && { origins }),
    ...settleLimits(registry),
  }
}

function settleLimits({
  concurrency,
  bandwidth,
}: Pick<WrittenSync['defaults'], 'concurrency' | 'bandwidth'>): SyncFile['limits'] {
  const rate = bandwidth === undefined ? undefined : parseBytes(bandwidth)
  return { ...(concurrency !== undefined && { concurrency }), ...(rate !== undefined && { bandwidth: rate }) }
}
