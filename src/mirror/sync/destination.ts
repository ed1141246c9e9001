// Where a sync puts what it takes. Unless somebody says otherwise that is the place at which a pull through the mirror
// would find it, so that both are one image.
import type { SyncEntry } from '../../config/sync-file.ts'
import type { UpstreamConfig } from '../../config/upstreams.ts'
import { pathOf } from '../../config/upstreams.ts'
import type { RepositoryName } from '../../oci/name.ts'
import { isRepositoryName } from '../../oci/name.ts'

/** What is known of the upstreams of the mirror; without a mirror none. */
export type KnownUpstreams = readonly Pick<UpstreamConfig, 'host' | 'path'>[]

/** The path of pulls through the mirror: the configured one, else the host with ":" written "_". */
export function mirrorPathOf(host: string, upstreams: KnownUpstreams): string {
  return upstreams.findLast((upstream) => upstream.host === host)?.path ?? pathOf({ host })
}

/**
 * The repository here for a repository of the entry's registry; undefined when the name would be too long or could be
 * none (a host such as `[::1]` without `to`).
 */
export function destinationOf(
  { source, to }: Pick<SyncEntry, 'source' | 'to'>,
  repository: RepositoryName,
  upstreams: KnownUpstreams,
): RepositoryName | undefined {
  const path = mirrorPathOf(source.host, upstreams)
  const isWhole = source.repository === undefined
  const name = to === undefined ? join(path, repository) : isWhole ? join(to, repository) : to
  return isRepositoryName(name) ? name : undefined
}

/** Whether the entry may bring images to the repository `to`. */
export function mayBringTo(
  entry: Pick<SyncEntry, 'source' | 'to'>,
  to: RepositoryName,
  upstreams: KnownUpstreams,
): boolean {
  const { host, repository } = entry.source
  if (repository !== undefined) return destinationOf(entry, repository, upstreams) === to
  const place = entry.to ?? mirrorPathOf(host, upstreams)
  return place === '' || to.startsWith(`${place}/`)
}

function join(path: string, name: string): string {
  return path === '' ? name : `${path}/${name}`
}
