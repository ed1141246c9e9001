// What a configuration says of the mirror as a whole, and of who may do what with it.
import type { Room } from './bytes.ts'
import { parseRoom } from './bytes.ts'
import type { Config } from './schema.ts'
import type { UpstreamConfig } from './upstreams.ts'
import { settleUpstreams } from './upstreams.ts'

export interface MirrorSettings {
  /** Also `proxy.remoteurl`, the one whose path is ''. */
  readonly upstreams: readonly UpstreamConfig[]
  /** No connection outwards. */
  readonly offline: boolean
  /** How much may be kept of what was mirrored: the smaller one of a share of the disk and of an amount. */
  readonly cache: Room
  /** Whether `?ns=` names an upstream. Without a `mirror:` section it is ignored, as in distribution. */
  readonly knowsNs: boolean
}

/**
 * The mirror of a checked configuration; undefined when it has none, and then no connection outwards is ever opened.
 * `directory` is the one of the configuration file, `offline` the option of the command.
 */
export function settleMirror(
  config: Config,
  { directory, offline = false }: { readonly directory: string; readonly offline?: boolean },
): MirrorSettings | undefined {
  const { mirror, proxy } = config
  if (mirror === undefined && proxy?.remoteurl === undefined) return undefined
  const cache = parseRoom(mirror?.cache.maxBytes ?? '80%')
  if (cache === undefined) throw new Error('mirror.cache.maxBytes was not checked')
  return {
    upstreams: settleUpstreams(config, directory),
    offline: offline || mirror?.offline === true,
    cache,
    knowsNs: mirror !== undefined,
  }
}

/** Whether a client must show who it is: by a login or a certificate. */
export function needsLogin({ auth, http }: Pick<Config, 'auth' | 'http'>): boolean {
  return auth.htpasswd !== undefined || (http.tls?.clientcas.length ?? 0) > 0
}

/**
 * Whether clients may push and delete at all. A `proxy` without a login takes nothing, as in distribution: whoever
 * reaches it could else put an image in the place of an upstream's.
 */
export function isPushable(config: Config): boolean {
  const { mirror, proxy } = config
  return proxy?.remoteurl === undefined || needsLogin(config) || mirror?.anonymous === true
}
