// Which names of the outside world stand for which repositories of this registry. Pure.
import { Problem } from '../../config/problem.ts'
import { readRegistryHost } from '../../config/registry-host.ts'
import { imageHostOf } from '../../config/well-known.ts'
import { isRepositoryName } from '../../oci/name.ts'
import type { RegistryName } from './registry-name.ts'

export interface MirrorPair {
  /** `host`, `host/namespace` or `host/namespace/repository`. */
  readonly source: string
  /** The same of this registry, with its name in front. */
  readonly mirror: string
  /** Whether tags mean the same in both: not where a release lies under tags of its own. */
  readonly tags: boolean
  /** Whether the installer needs it. */
  readonly release: boolean
}

/** How much one pair covers. */
export type Scope = 'repository' | 'namespace' | 'registry'
export const SCOPES: readonly Scope[] = ['repository', 'namespace', 'registry']

/** The repositories of OpenShift's own releases. */
export const RELEASE_SOURCES = {
  image: 'quay.io/openshift-release-dev/ocp-release',
  components: 'quay.io/openshift-release-dev/ocp-v4.0-art-dev',
} as const

export function isReleaseSource(source: string): boolean {
  return /\/(?:openshift-release-dev|openshift\/okd(?:-content)?|okd\/scos-[a-z]+|origin\/release)(?:\/|$)/.test(source)
}

/** Reads `quay.io/org/app=team/app`; what stands behind the `=` may have the registry's name in front. Throws a Problem. */
export function parseSourceOption(text: string, registry: RegistryName): MirrorPair {
  const equals = text.indexOf('=')
  const written = equals < 0 ? text : text.slice(0, equals)
  const parsed = parseSource(written)
  if (parsed === undefined) {
    throw new Problem(`not a source of images: ${text}`, {
      hint: 'as in --source quay.io/openshift-release-dev/ocp-release=ocp4/openshift4',
      exitCode: 2,
    })
  }
  const path = equals < 0 ? parsed : text.slice(equals + 1).replace(/\/+$/, '')
  const own = path.startsWith(`${registry.name}/`) ? path.slice(registry.name.length + 1) : path
  if (own !== '' && !isRepositoryName(own)) {
    throw new Problem(`not a repository of this registry: ${path}`, {
      hint: `as in --source ${parsed}=ocp4/openshift4`,
      exitCode: 2,
    })
  }
  return {
    source: parsed,
    mirror: own === '' ? registry.name : `${registry.name}/${own}`,
    tags: !isReleaseSource(parsed) || own.endsWith(parsed),
    release: isReleaseSource(parsed),
  }
}

/** `host`, or `host` and the path of a namespace or repository; undefined for anything else. */
function parseSource(text: string): string | undefined {
  const [written = '', ...parts] = text.replace(/\/+$/, '').split('/')
  const host = /[.:]|^localhost$/.test(written) ? readRegistryHost(written) : undefined
  if (host === undefined) return undefined
  const path = parts.join('/')
  if (path === '') return imageHostOf(host)
  return isRepositoryName(path) ? `${imageHostOf(host)}/${path}` : undefined
}

/** A repository that was found here and the name that it has outside. */
export interface FoundRepository {
  readonly source: string
  readonly repository: string
  readonly release: boolean
  readonly tags: boolean
}

/**
 * Pairs of what was found, as wide as `scope` says where source and repository end in the same parts; each once, and none
 * that another one says already. What was renamed on its way stays by itself.
 */
export function pairUp(found: readonly FoundRepository[], registry: RegistryName, scope: Scope): MirrorPair[] {
  const make = (each: FoundRepository, wide: Scope): MirrorPair => {
    const [source, repository] = widen(each.source, each.repository, wide)
    const mirror = repository === '' ? registry.name : `${registry.name}/${repository}`
    return { source, mirror, tags: each.tags, release: each.release }
  }
  let pairs = mergePairs(found.map((each) => make(each, scope)))
  // The longest source decides alone: beside what was renamed, what kept its path must be said once more.
  for (const each of found) {
    const own = make(each, 'repository')
    if (!locateImage(pairs, own.source).includes(own.mirror)) pairs = [...pairs, own]
  }
  return sortPairs(pairs)
}

/** The pairs in the order of their sources; of two that are one, both uses hold. */
export function mergePairs(pairs: readonly MirrorPair[]): MirrorPair[] {
  const merged = new Map<string, MirrorPair>()
  for (const pair of pairs) {
    const key = `${pair.source} ${pair.mirror}`
    const before = merged.get(key)
    merged.set(key, before === undefined ? pair : { ...pair, release: pair.release || before.release })
  }
  const all = [...merged.values()]
  return sortPairs(
    all.filter(
      (pair) => !all.some((wide) => wide.tags === pair.tags && covers(wide, pair) && !isShadowed(all, wide, pair)),
    ),
  )
}

/** Whether a source between the two leads elsewhere: then the wide one never speaks for the narrow one. */
function isShadowed(all: readonly MirrorPair[], wide: MirrorPair, narrow: MirrorPair): boolean {
  return all.some(
    (between) =>
      between !== narrow &&
      between.source.length > wide.source.length &&
      (narrow.source === between.source || narrow.source.startsWith(`${between.source}/`)) &&
      !covers(between, narrow),
  )
}

function sortPairs(pairs: readonly MirrorPair[]): MirrorPair[] {
  return pairs.toSorted((a, b) => compare(a.source, b.source) || compare(a.mirror, b.mirror))
}

function covers(wide: MirrorPair, narrow: MirrorPair): boolean {
  const rest = narrow.source.slice(wide.source.length)
  return narrow.source.startsWith(`${wide.source}/`) && narrow.mirror === `${wide.mirror}${rest}`
}

function widen(source: string, repository: string, scope: Scope): [string, string] {
  const [outside, inside] = [source.split('/'), repository.split('/')]
  const least = scope === 'registry' ? 1 : outside.length - 1
  // A namespace has a name: the whole registry is more than was asked for.
  if (scope === 'repository' || (scope === 'namespace' && least < 2)) return [source, repository]
  while (outside.length > least && inside.length > 0 && outside.at(-1) === inside.at(-1)) {
    outside.pop()
    inside.pop()
  }
  return [outside.join('/'), inside.join('/')]
}

/** The names that an image has here, best first: the longest source that begins its name, as clusters and podman choose. */
export function locateImage(pairs: readonly MirrorPair[], repository: string): string[] {
  const fits = pairs.filter(({ source }) => repository === source || repository.startsWith(`${source}/`))
  const longest = Math.max(0, ...fits.map(({ source }) => source.length))
  return fits
    .filter(({ source }) => source.length === longest)
    .map(({ source, mirror }) => `${mirror}${repository.slice(source.length)}`)
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}
