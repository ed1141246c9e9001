// From the configuration to what an act needs that fetches because a person says so.
import { resolve } from 'node:path'
import { settleMirror } from '../config/mirror.ts'
import type { Config } from '../config/schema.ts'
import type { Fetching } from './fetching.ts'
import type { OpenMirrorParts } from './open-mirror.ts'
import { openClient } from './open-mirror.ts'
import type { Outward } from './outward.ts'
import { SyncUpstreams } from './sync/upstreams.ts'
import type { Upstream } from './upstream.ts'

export interface OpenOutwardParts extends Pick<
  OpenMirrorParts,
  'clock' | 'random' | 'logger' | 'home' | 'offline' | 'upstream'
> {
  /** Those that the mirror of this process opened. */
  readonly shared: readonly Upstream[]
  /** Undefined where there is no data directory. */
  readonly fetching: (() => Fetching) | undefined
}

/** Opens no connection. */
export function openOutward(config: Config, parts: OpenOutwardParts): Outward {
  const { home = '.', offline = false, shared, fetching } = parts
  return {
    fetching,
    forbidden: () =>
      offline || config.mirror?.offline === true
        ? 'this registry is offline, by its configuration or its command'
        : undefined,
    openUpstreams: (registries, limits = {}) =>
      new SyncUpstreams(
        { registries, limits },
        {
          configured: settleMirror(config, { directory: resolve(home) })?.upstreams ?? [],
          shared,
          open: (each) => openClient(each, parts),
        },
      ),
  }
}
