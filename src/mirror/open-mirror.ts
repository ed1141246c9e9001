// From the configuration to the mirror: clients of upstreams, the names that lead to them, and all that is between.
import { resolve } from 'node:path'
import type { BaseLogger } from 'pino'
import { settleMirror } from '../config/mirror.ts'
import type { Config } from '../config/schema.ts'
import type { UpstreamConfig } from '../config/upstreams.ts'
import type { Upkeep } from '../registry/upkeep.ts'
import { readAuthorities } from '../upstream/authorities.ts'
import type { UpstreamOptions } from '../upstream/client.ts'
import { UpstreamClient } from '../upstream/client.ts'
import { openCredentials } from '../upstream/credentials.ts'
import { Mirror } from './mirror.ts'
import type { MirrorParts } from './mirror.ts'
import type { Router } from './route.ts'
import { makeRouter } from './route.ts'
import { Upstream } from './upstream.ts'

export interface OpenMirrorParts extends Pick<MirrorParts, 'keeps' | 'clock'> {
  readonly upkeep: Pick<Upkeep, 'context' | 'collector'>
  readonly logger: Pick<BaseLogger, 'info' | 'warn' | 'debug'>
  /** Random bytes. */
  readonly random: (size: number) => Buffer
  /** Where relative paths of the configuration begin; the working directory unless told. */
  readonly home?: string | undefined
  /** No connection outwards, whatever the configuration says. */
  readonly offline?: boolean | undefined
  /** What stands in the place of the real thing, for tests. */
  readonly upstream?: (Pick<MirrorParts, 'patience'> & { readonly client?: Partial<UpstreamOptions> }) | undefined
}

/**
 * The mirror that the configuration describes; undefined when it has none. Reads the files that it names and opens no
 * connection. Throws a Problem for what a person must mend.
 */
export function openMirror(config: Config, parts: OpenMirrorParts): { mirror: Mirror; router: Router } | undefined {
  const { upkeep, home = '.', offline = false, upstream } = parts
  const settings = settleMirror(config, { directory: resolve(home), offline })
  if (settings === undefined) return undefined
  const { context } = upkeep
  const upstreams = settings.upstreams.map((each) => new Upstream(each, openClient(each, parts)))
  const { host } = config.http
  const router = makeRouter({
    upstreams,
    knowsNs: settings.knowsNs,
    own: host === undefined ? undefined : URL.parse(host)?.host,
    exists: (name) => context.store.repositories.exists(name),
  })
  const mirror = new Mirror({
    ...parts,
    ...(upstream?.patience && { patience: upstream.patience }),
    context,
    upstreams,
    router,
    offline: settings.offline,
    bound: settings.cache,
  })
  return { mirror, router }
}

/** A client of this upstream; opens no connection. Throws a Problem for files that cannot be read. */
export function openClient(
  config: UpstreamConfig,
  { clock, random, logger, upstream }: Pick<OpenMirrorParts, 'clock' | 'random' | 'logger' | 'upstream'>,
): UpstreamClient {
  const { host, url, credentials, ca, insecure, origins, concurrency, bandwidth } = config
  const warn = (message: string): void => logger.warn(message)
  return new UpstreamClient({
    host,
    urls: url,
    insecure,
    origins,
    concurrency,
    bandwidth,
    clock,
    credentials: openCredentials(credentials, { clock, random, warn }),
    ...(ca !== undefined && { ca: readAuthorities(ca) }),
    ...upstream?.client,
  })
}
