// Which upstream a repository of this registry stands for. A request names it by its path here (`quay.io/org/app`) or by
// containerd's `?ns=quay.io` and the upstream's own name; both mean one repository. Pure.
import type { RepositoryName } from '../oci/name.ts'
import { isRepositoryName } from '../oci/name.ts'
import type { Upstream } from './upstream.ts'

/** A repository here and what it stands for. */
export interface Located {
  readonly name: RepositoryName
  readonly upstream: Upstream
  /** As the upstream spells it. */
  readonly repository: RepositoryName
}

export interface Router {
  /**
   * The name that is meant here by `name` of a request, and by its `ns` where it has one; `host` is the registry that the
   * client speaks to, as it says. What is no name is given back as it is: its parser comes next.
   */
  readonly resolve: (name: string, ns: string | undefined, host: string | undefined) => string
  /** What the repository stands for; undefined when it is nobody's mirror or the upstream's rules leave it out. */
  readonly locate: (name: RepositoryName) => Located | undefined
}

export interface RouterOptions {
  readonly upstreams: readonly Upstream[]
  /** Whether `ns` counts: registry:2, whose configuration has no mirror, does not know it. */
  readonly knowsNs: boolean
  /** The name of this registry, where one is configured. */
  readonly own: string | undefined
  /** Whether a repository is here under exactly this name. */
  readonly exists: (name: RepositoryName) => boolean
}

const HUB = 'docker.io'
// What clients and people call it as well.
const HUB_NAMES = new Set([HUB, 'index.docker.io', 'registry-1.docker.io', 'registry.hub.docker.com'])

export function makeRouter({ upstreams, knowsNs, own, exists }: RouterOptions): Router {
  const byHost = new Map(upstreams.map((upstream) => [upstream.config.host, upstream]))
  // The longest path first: one may lie below another.
  const byPath = upstreams.toSorted((a, b) => b.config.path.length - a.config.path.length)

  const find = (name: string): { upstream: Upstream; rest: string } | undefined => {
    for (const upstream of byPath) {
      const { path } = upstream.config
      if (path === '') return { upstream, rest: name }
      if (name.startsWith(`${path}/`)) return { upstream, rest: name.slice(path.length + 1) }
    }
    return undefined
  }

  // Docker Hub's own images have one word for a name and lie under `library/`. Without a path, as registry:2's proxy has
  // none, a name of one word is more likely to be one of this registry's own.
  const complete = (name: string): string => {
    const found = find(name)
    if (found === undefined || found.rest.includes('/') || found.upstream.config.path === '') return name
    if (!HUB_NAMES.has(found.upstream.config.host)) return name
    if (!isRepositoryName(name) || exists(name)) return name
    return join(found.upstream, `library/${found.rest}`)
  }

  // A mirror's rewrite that leads to a repository of this registry's own begins with its name, since `ns` comes along
  // (k3s and RKE2): a path of another registry never does. Pushes have no `ns`.
  const ownPath = (name: string, host: string): string | undefined => {
    const begin = `${host.replace(/:\d+$/, '').toLowerCase()}/`
    return begin !== '/' && name.startsWith(begin) ? name.slice(begin.length) : undefined
  }

  return {
    resolve(name, ns, host) {
      const here = ns === undefined ? undefined : (ownPath(name, host ?? '') ?? ownPath(name, own ?? ''))
      if (here !== undefined) return complete(here)
      if (!knowsNs || ns === undefined || ns === own || ns === host) return complete(name)
      const meant = HUB_NAMES.has(ns) ? HUB : ns
      const upstream = byHost.get(ns) ?? byHost.get(meant)
      // Of a registry that is nobody's upstream here only what lies under its name is meant: never another's image.
      if (upstream === undefined) return complete(`${meant.replaceAll(':', '_')}/${name}`)
      // containerd's override_path: the path is there already.
      return complete(name.startsWith(`${upstream.config.path}/`) ? name : join(upstream, name))
    },
    locate(name) {
      const found = find(name)
      if (found === undefined || !isRepositoryName(found.rest) || !found.upstream.allows(found.rest)) return undefined
      return { name, upstream: found.upstream, repository: found.rest }
    },
  }
}

function join({ config: { path } }: Upstream, name: string): string {
  return path === '' ? name : `${path}/${name}`
}
