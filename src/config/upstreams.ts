// The upstreams of a configuration, each with everything that its client needs: words expanded, defaults filled in,
// paths absolute. Pure: nothing is read or looked up. What is wrong was said by check-mirror.ts before.
import { resolve } from 'node:path'
import { parseBytes } from './bytes.ts'
import { compilePattern } from './pattern.ts'
import type { Config } from './schema.ts'
import type { UpstreamEntry } from './schema-mirror.ts'
import { FRESH } from './schema-mirror.ts'
import { imageHostOf, knownOf, WELL_KNOWN } from './well-known.ts'

export interface UpstreamConfig {
  /** As image names spell it; containerd's `ns`. */
  readonly host: string
  /** Where its repositories live here; '' for `proxy.remoteurl`. */
  readonly path: string
  /** Tried in order; never empty. */
  readonly url: readonly string[]
  /** Paths are absolute. `password` comes from `proxy.password` only. */
  readonly credentials: {
    readonly authFile?: string
    readonly username?: string
    readonly passwordFile?: string
    readonly password?: string
  }
  /** Absolute path. */
  readonly ca?: string
  readonly insecure: boolean
  readonly origins: readonly string[]
  /** Globs over the upstream's own names of repositories; empty is all. */
  readonly allow: readonly string[]
  readonly deny: readonly string[]
  readonly platforms: 'requested' | 'all' | readonly string[]
  readonly referrers: boolean
  /** Milliseconds; the first match decides, and one always matches. */
  readonly fresh: readonly FreshnessClass[]
  readonly concurrency: number
  /** Bytes a second, 0 = unlimited. */
  readonly bandwidth: number
}

export interface FreshnessClass {
  /** Anchored. */
  readonly tags: RegExp
  readonly for: number
}

/** An item of `mirror.upstreams` that is no word, with its index; the word alone has none. */
export function listEntries(mirror: Config['mirror']): { readonly entry: UpstreamEntry; readonly index: number }[] {
  const items = mirror === undefined || typeof mirror.upstreams === 'string' ? [] : mirror.upstreams
  return items.flatMap((entry, index) => (typeof entry === 'string' ? [] : [{ entry, index }]))
}

/** Where the repositories of an upstream live when nothing else is said. */
export function pathOf({ host, path }: Pick<UpstreamEntry, 'host' | 'path'>): string {
  return path ?? host.replaceAll(':', '_')
}

/**
 * All upstreams of a checked configuration; of two with one host, `proxy.remoteurl` comes first and the one that clients
 * mean by `ns` last. Relative paths of files are relative to `directory`, the one of the configuration file.
 */
export function settleUpstreams(config: Config, directory: string): readonly UpstreamConfig[] {
  const { mirror, proxy } = config
  const entries = listEntries(mirror).map(({ entry }) => settleEntry(entry, directory))
  const preset = hasPreset(mirror) ? WELL_KNOWN.map(({ host }) => settleEntry({ host }, directory)) : []
  // What somebody wrote wins over the preset.
  const more = preset.filter(({ host, path }) => entries.every((entry) => entry.host !== host && entry.path !== path))
  return [...settleProxy(proxy), ...entries, ...more]
}

/** A registry of which nothing is configured. */
export function usualUpstream(host: string): UpstreamConfig {
  return settleEntry({ host }, '/')
}

function hasPreset(mirror: Config['mirror']): boolean {
  return mirror !== undefined && (mirror.upstreams === 'well-known' || mirror.upstreams.includes('well-known'))
}

function settleEntry(entry: Pick<UpstreamEntry, 'host'> & Partial<UpstreamEntry>, directory: string): UpstreamConfig {
  const { host, url = [], credentials = {}, ca, insecure = false, origins = [], allow = [], deny = [] } = entry
  const { platforms = 'requested', referrers = true, fresh = FRESH, concurrency = 8, bandwidth = '0' } = entry
  const known = knownOf(host)
  const usual = known.url ?? [`https://${host}`]
  const { authFile, username, passwordFile } = credentials
  return {
    host,
    path: pathOf(entry),
    url: url.length > 0 ? url : usual,
    credentials: {
      ...(authFile !== undefined && { authFile: resolve(directory, authFile) }),
      ...(username !== undefined && { username }),
      ...(passwordFile !== undefined && { passwordFile: resolve(directory, passwordFile) }),
    },
    ...(ca !== undefined && { ca: resolve(directory, ca) }),
    insecure,
    // Who writes another address has its own token server there.
    origins: [...(url.every((each) => usual.includes(each)) ? (known.origins ?? []) : []), ...origins],
    allow,
    deny,
    platforms,
    referrers,
    fresh: compileFresh(fresh),
    concurrency,
    bandwidth: parseBytes(bandwidth) ?? 0,
  }
}

/** distribution's pull-through cache: an upstream for the names that begin with no other's path. */
function settleProxy(proxy: Config['proxy']): UpstreamConfig[] {
  if (proxy?.remoteurl === undefined) return []
  const { remoteurl, username, password, ttl = 0 } = proxy
  const { host, protocol } = new URL(remoteurl)
  // distribution's ttl says when content is dropped, which never happens here. Who made it short wants to see what is
  // new soon; one of days must not keep an old tag in use for days.
  const soonest = ttl > 0 ? ttl : Number.POSITIVE_INFINITY
  const fresh = FRESH.map(({ tags, for: time }) => ({ tags, for: Math.min(time, soonest) }))
  const entry = { host: imageHostOf(host), url: [remoteurl], insecure: protocol === 'http:', fresh }
  const settled = settleEntry(entry, '/')
  return [
    { ...settled, path: '', ...(username !== undefined && { credentials: { username, password: password ?? '' } }) },
  ]
}

function compileFresh(classes: UpstreamEntry['fresh']): FreshnessClass[] {
  // A tag that no class names has the time of the last default.
  return [...classes, ...FRESH.slice(-1)].map(({ tags, for: time }) => {
    const pattern = compilePattern(tags)
    if (pattern === undefined) throw new Error(`fresh: ${tags} is no pattern`)
    return { tags: new RegExp(`^(?:${pattern.source})$`, pattern.flags), for: time }
  })
}
