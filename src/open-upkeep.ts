// Makes the parts that keep a data directory in order and hands them to each other: the same for a server (app.ts) and for
// a command that works without one.
import { randomBytes, randomUUID } from 'node:crypto'
import { resolve } from 'node:path'
import pino from 'pino'
import { readHomeId } from './config/home-id.ts'
import { Problem, describeUnwritable } from './config/problem.ts'
import type { Config } from './config/schema.ts'
import { openSync } from './mirror/sync/open-sync.ts'
import type { SyncOpened } from './mirror/sync/open-sync.ts'
import { readSigners, signersPath } from './bundle/trust.ts'
import { openReleases } from './openshift/open-releases.ts'
import type { Releases } from './openshift/releases.ts'
import type { CheckReport } from './registry/check.ts'
import { Closures } from './registry/closures.ts'
import type { CollectReport } from './registry/collect.ts'
import { KeptElsewhere } from './registry/kept-elsewhere.ts'
import { makeRules } from './registry/rules.ts'
import type { Upkeep } from './registry/upkeep.ts'
import { createUpkeep } from './registry/upkeep.ts'
import type { BlobSource } from './storage/check/source.ts'
import { readKeeper, takeKeeperLock } from './storage/keeper.ts'
import { createLayout } from './storage/layout.ts'
import type { LeaseTable } from './storage/leases.ts'
import { openDirectory } from './storage/open-directory.ts'
import { openStore } from './storage/store.ts'
import type { Sync } from './storage/sync.ts'
import type { Suspect } from './storage/verdicts.ts'

export interface OpenOptions {
  /** Absolute path of the data directory. */
  readonly directory: string
  readonly keeps: () => boolean
  readonly whyReadOnly: () => string | undefined
  /** Milliseconds since 1970. */
  readonly clock: () => number
  /** Whether clients are being served, whose leases collection must respect. */
  readonly serving: boolean
  /** The directory of the configuration file. */
  readonly home?: string | undefined
  readonly onCollected?: (report: CollectReport | undefined) => void
  readonly onChecked?: (report: CheckReport) => void
  readonly onSuspect?: (suspect: Suspect) => void
  readonly sources?: readonly BlobSource[]
  /** What stands in the place of the real thing, for tests. */
  readonly sync?: Sync | undefined
  readonly leases?: LeaseTable | undefined
  readonly restores?: boolean | undefined
}

export interface OpenedParts {
  readonly upkeep: Upkeep
  /** To be called before something is mirrored, where no mirror is configured: marks must outlive the configuration. */
  readonly ensureHome: () => void
}

/** The data directory with everything that keeps it in order. */
export function openParts(config: Config, options: OpenOptions): OpenedParts {
  const { directory, keeps, clock, sync, leases, restores, onSuspect } = options
  const { gc, limits } = config
  const isMirror = config.mirror !== undefined || config.proxy?.remoteurl !== undefined
  let home = readHomeId(options.home, directory, isMirror)
  const store = openStore({
    directory,
    keeps,
    clock,
    newId: randomUUID,
    sync,
    home: () => home,
    lease: gc.lease,
    leases,
    restores,
    onSuspect,
    uploads: limits.uploads,
    room: limits.room,
  })
  const rules = makeRules(config, options.whyReadOnly)
  const upkeep = createUpkeep({ ...options, context: { store, closures: new Closures(store, clock), rules }, config })
  return { upkeep, ensureHome: () => void (home = readHomeId(options.home, directory, true)) }
}

export interface OpenedUpkeep {
  readonly upkeep: Upkeep
  /** Opens no connection until it is used. */
  readonly sync: SyncOpened
  readonly releases: Releases
  close(): Promise<void>
}

/**
 * Opens the data directory of `config` for a command that works on it without a server: takes its lock until `close`.
 * Throws KeptElsewhere while another process has it, and a Problem when it cannot be written.
 */
export async function openUpkeep(
  config: Config,
  { clock = Date.now, home }: { readonly clock?: () => number; readonly home?: string | undefined } = {},
): Promise<OpenedUpkeep> {
  const directory = resolve(config.storage.filesystem.rootdirectory)
  const layout = createLayout(directory)
  const state = openDirectory(layout)
  if (state.kind === 'forbidden') throw describeUnwritable(state.path)
  const keeper = takeKeeperLock(layout, clock)
  if ('refused' in keeper) {
    if (keeper.busy) throw new KeptElsewhere(directory, readKeeper(layout)?.pid)
    throw new Problem(`the data directory ${directory} cannot be written: ${keeper.refused}`, {
      hint: 'free some space on its disk, or see why it is read-only',
    })
  }
  const keeps = (): boolean => keeper.holds()
  const whyReadOnly = (): string | undefined => (keeps() ? undefined : 'the lock of the data directory was lost')
  const { upkeep, ensureHome } = openParts(config, { directory, home, keeps, whyReadOnly, clock, serving: false })
  const { store } = upkeep.context
  // What came of blobs is there for the next who want them.
  store.durable.dropUnfinished(layout.incoming, layout.mirror)
  const logger = pino({ level: 'silent' })
  const sync = openSync(config, { upkeep, ensureHome, keeps, clock, logger, random: randomBytes, home })
  const signers = () => readSigners(signersPath(config, home))
  return {
    upkeep,
    sync,
    releases: openReleases({
      context: upkeep.context,
      outward: sync.outward,
      signers,
      clock,
      logger,
      random: randomBytes,
    }),
    async close() {
      await sync.close()
      await upkeep.close()
      store.pulls.flush()
      keeper.release()
    },
  }
}
