// What the acts of the admin API are handed, over HTTP as in a command's own process.
import type { Trust } from '../../bundle/trust.ts'
import type { Holds } from '../../bundle/holds.ts'
import type { Releases } from '../../openshift/releases.ts'
import type { Syncing } from '../../mirror/sync/order.ts'
import type { SyncEvent } from '../../mirror/sync/report.ts'
import type { SyncRuns } from '../../mirror/sync/runs.ts'
import type { SyncSchedule } from '../../mirror/sync/schedule.ts'
import type { Finding } from '../../registry/check.ts'
import type { Progress } from '../../registry/collect.ts'
import type { Upkeep } from '../../registry/upkeep.ts'
import type { ByteSource } from '../../storage/byte-source.ts'
import type { KeeperFacts } from '../../storage/keeper.ts'
import type { RoomNumbers } from '../../storage/room.ts'
import type { MirrorReport } from './describe-mirror.ts'
import type { Jobs } from './jobs.ts'

/** What the registry says of itself at the moment. */
export interface Standing {
  /** The data directory: its path as this process sees it, and what tells it from another at that path. */
  readonly directory: { readonly path: string; readonly inode: number }
  /** Who keeps the directory; this process when `keeps`. */
  readonly keeper: KeeperFacts | undefined
  readonly keeps: boolean
  /** Why nothing can be changed now, as a sentence. */
  readonly readOnly: string | undefined
  /** Undefined when the file system does not say. */
  readonly room: RoomNumbers | undefined
}

/** The syncs of this process. */
export interface Syncs {
  readonly runs: SyncRuns
  /** Undefined where the configuration names no file, or forbids connections outwards. */
  readonly schedule: SyncSchedule | undefined
}

export interface ApiParts {
  readonly upkeep: Upkeep
  readonly standing: () => Standing
  /** `gc.grace` */
  readonly grace: number
  readonly jobs: Jobs
  /** What commands that write bundles have picked. */
  readonly holds: Holds
  /** Milliseconds since 1970. */
  readonly clock: () => number
  /** How the mirror is now; absent without a server, undefined where the configuration has none. */
  readonly mirror?: () => MirrorReport | undefined
  readonly sync: () => Syncing
  /** Whom the home trusts to sign bundles, now. */
  readonly trust: () => Trust
  readonly releases: () => Releases
  /** What this process syncs and when; absent without a server. */
  readonly syncs?: Syncs
}

/** What an act says while it runs. */
export type ActEvent = Progress | Finding | SyncEvent

/** The body of a request that brings an archive. */
export interface ArchiveBody {
  readonly bytes: ByteSource
  /** How many they are, where that is known. */
  readonly size: number | undefined
}

export interface Given<Body> {
  readonly parts: ApiParts
  readonly body: Body
  /** Only where the route takes one. */
  readonly archive?: ArchiveBody | undefined
  readonly emit: (event: ActEvent) => void
}
