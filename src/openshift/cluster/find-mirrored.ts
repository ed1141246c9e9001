// What lies here under which name of the outside world: repositories below an upstream's path, and those that hold a release
// of OpenShift under tags of their own. Reads names of directories only; synchronous, for commands.
import { WELL_KNOWN } from '../../config/well-known.ts'
import type { RepositoryName } from '../../oci/name.ts'
import type { Layout } from '../../storage/layout.ts'
import type { WalkReport } from '../../storage/walk.ts'
import { readEntries, walkRepositories } from '../../storage/walk.ts'
import type { FoundRepository } from './mirror-pairs.ts'
import { isReleaseSource, RELEASE_SOURCES } from './mirror-pairs.ts'

export interface Upstream {
  /** As image names spell it. */
  readonly host: string
  /** Where its repositories live here. */
  readonly path: string
}

export interface Found {
  readonly repositories: readonly FoundRepository[]
  /** A release image each, newest version last. */
  readonly releases: readonly FoundRelease[]
}

export interface FoundRelease {
  readonly repository: RepositoryName
  readonly tag: string
  readonly components: RepositoryName
}

const NOTHING: WalkReport = { onStray: () => undefined, onUnreadable: () => undefined }

// Every payload has this component: a tag that ends in its name says that its repository holds one.
const COMPONENT = /^(\d+\.\d+\.\d+.*)-cluster-version-operator$/
const ARCHITECTURES = '(?:-(?:x86_64|amd64|aarch64|arm64|ppc64le|s390x|multi))?'

/** Looks through the whole directory. The well-known registries count under their names, whether they are upstreams or not. */
export function findMirrored(layout: Layout, upstreams: readonly Upstream[]): Found {
  const known = WELL_KNOWN.map(({ host }) => ({ host, path: host }))
  const places = [...upstreams, ...known.filter(({ host }) => upstreams.every((each) => each.host !== host))]
    .filter(({ path }) => path !== '')
    .toSorted((a, b) => b.path.length - a.path.length)
  const repositories: FoundRepository[] = []
  const versions = new Map<RepositoryName, string[]>()
  for (const name of walkRepositories(layout, NOTHING)) {
    const tags = readEntries(layout.tags(name), NOTHING).map((entry) => entry.name)
    const tagged = tags.filter((tag) => /^\d+\.\d+\.\d+/.test(tag))
    if (tagged.length > 0) versions.set(name, tagged)
    const place = places.find(({ path }) => name.startsWith(`${path}/`))
    if (place === undefined) continue
    const source = `${place.host}/${name.slice(place.path.length + 1)}`
    const holds = tags.length > 0 || readEntries(layout.revisions(name), NOTHING).length > 0
    if (holds) repositories.push({ source, repository: name, release: isReleaseSource(source), tags: true })
  }
  const releases = [...findReleases(versions), ...findKept(repositories, versions)].toSorted((a, b) =>
    a.tag.localeCompare(b.tag, 'en', { numeric: true }),
  )
  const renamed = releases.filter(({ repository, components }) =>
    [repository, components].every((name) => repositories.every((each) => each.repository !== name)),
  )
  for (const { repository, components } of renamed) {
    const entry = { release: true, tags: false }
    repositories.push(
      { source: RELEASE_SOURCES.image, repository, ...entry },
      { source: RELEASE_SOURCES.components, repository: components, ...entry },
    )
  }
  return { repositories, releases }
}

/** oc puts a release and its components into one repository, oc-mirror into two. */
function findReleases(versions: ReadonlyMap<RepositoryName, readonly string[]>): FoundRelease[] {
  const found: FoundRelease[] = []
  for (const [components, tags] of versions) {
    for (const version of tags.flatMap((tag) => COMPONENT.exec(tag)?.[1] ?? [])) {
      const pattern = new RegExp(`^${version.replace(/[.+*?()[\]{}|\\^$]/g, '\\$&')}${ARCHITECTURES}$`)
      const near = tags.filter((tag) => pattern.test(tag)).map((tag) => ({ repository: components, tag, components }))
      const far = [...versions].flatMap(([repository, others]) =>
        repository !== components && /release/.test(repository)
          ? others.filter((tag) => pattern.test(tag)).map((tag) => ({ repository, tag, components }))
          : [],
      )
      found.push(...(near.length > 0 ? near : far))
    }
  }
  return found
}

/** Releases under their own names, as a sync or the mirror brings them: components have no tags there. */
function findKept(
  repositories: readonly FoundRepository[],
  versions: ReadonlyMap<RepositoryName, readonly string[]>,
): FoundRelease[] {
  return repositories
    .filter(({ source }) => source === RELEASE_SOURCES.image)
    .flatMap(({ repository }) => {
      const components = repository.replace(/ocp-release$/, 'ocp-v4.0-art-dev')
      return [...versions].flatMap(([name, tags]) =>
        name === repository
          ? tags.map((tag) => ({ repository: name, tag, components: components as typeof name }))
          : [],
      )
    })
}
