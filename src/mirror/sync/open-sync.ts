// From the configuration to what carries out syncs: it shares the mirror's upstreams and transfers where there is a mirror,
// and has its own where there is none: a sync is an explicit wish to connect outwards.
import { resolve } from 'node:path'
import { settleMirror } from '../../config/mirror.ts'
import type { Config } from '../../config/schema.ts'
import type { Upkeep } from '../../registry/upkeep.ts'
import { Fetching } from '../fetching.ts'
import { openOutward } from '../open-outward.ts'
import type { Outward } from '../outward.ts'
import { FORSAKEN_MS } from '../tidy.ts'
import { FillRecords } from '../fill-records.ts'
import type { Mirror } from '../mirror.ts'
import type { OpenMirrorParts } from '../open-mirror.ts'
import { openClient } from '../open-mirror.ts'
import { Dates } from './dates.ts'
import type { Syncing } from './order.ts'
import type { PatienceLimits } from './patience.ts'
import { Syncer } from './syncer.ts'

export interface OpenSyncParts extends Omit<OpenMirrorParts, 'upkeep'> {
  readonly upkeep: Pick<Upkeep, 'context' | 'collector' | 'remove'>
  /** The mirror of the same process, where the configuration has one. */
  readonly mirror?: Mirror | undefined
  /** Makes sure that what is marked as mirrored here is known again by the next life. */
  readonly ensureHome: () => void
  readonly patience?: Partial<PatienceLimits> | undefined
}

export interface SyncOpened {
  /** Opens no connection itself. */
  open(): Syncing
  /** What it fetches with, for whatever else fetches because somebody says so. */
  readonly outward: Outward
  /** Breaks off what is under way; what came stays for the next run. */
  close(): Promise<void>
}

// Bytes of what says when an image was made.
const LARGEST_CONFIG = 8 * 1024 * 1024

export function openSync(config: Config, parts: OpenSyncParts): SyncOpened {
  const { upkeep, mirror, clock, logger, home = '.', offline = false, random, ensureHome, upstream, patience } = parts
  const { context } = upkeep
  const elapsed = (): number => performance.now()
  let own: Fetching | undefined
  const openOwn = (): Fetching => {
    ensureHome()
    const fetching = new Fetching({
      context,
      logger,
      elapsed,
      onNoRoom: () => undefined,
      ...(upstream?.patience && { patience: upstream.patience }),
    })
    void sweep(fetching)
    return fetching
  }
  // Where there is a mirror it does this itself.
  const sweep = async (fetching: Fetching): Promise<void> => {
    if (context.rules.readOnly() !== undefined) return
    await new FillRecords(context.store.layout)
      .sweep(clock(), FORSAKEN_MS, (digest) => fetching.transfers.find(digest) !== undefined)
      .catch(() => undefined)
  }
  const dates = new Dates({
    local: (digest) => context.store.blobs.readSmall(digest, digest, LARGEST_CONFIG).catch(() => undefined),
  })
  let syncer: Syncer | undefined
  const fetching = (): Fetching => mirror?.fetching ?? (own ??= openOwn())
  return {
    outward: openOutward(config, { ...parts, shared: mirror?.upstreams ?? [], fetching }),
    open() {
      const isOffline = offline || config.mirror?.offline === true
      syncer ??= new Syncer({
        context,
        remove: upkeep.remove,
        fetching,
        configured: settleMirror(config, { directory: resolve(home) })?.upstreams ?? [],
        shared: mirror?.upstreams ?? [],
        open: (each) => openClient(each, parts),
        forbidden: () => (isOffline ? 'this registry is offline, by its configuration or its command' : undefined),
        lists: {
          datesOf: ({ upstream: { client }, repository }, tags, signal) =>
            dates.of({ client, repository, signal }, tags),
        },
        logger,
        onEnded: async () => own && sweep(own),
        clock,
        elapsed,
        random: () => random(1).readUInt8() / 255,
        patience,
      })
      return syncer
    },
    async close() {
      own?.leave()
      await own?.close()
    },
  }
}
