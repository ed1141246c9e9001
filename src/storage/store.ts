// The data directory put together: what the use cases in registry/ are handed.
import { Blobs } from './blobs.ts'
import { DerivedLog } from './derived-log.ts'
import type { Sync } from './sync.ts'
import { Durable } from './durable.ts'
import type { Layout } from './layout.ts'
import type { LeaseTable } from './leases.ts'
import { Leases } from './leases.ts'
import { childOf, createLayout } from './layout.ts'
import { LinkPromises } from './link-promises.ts'
import { LinkReader } from './link.ts'
import { Links } from './links.ts'
import { Manifests } from './manifests.ts'
import { Mirrored } from './mirrored.ts'
import { Mutex } from './mutex.ts'
import { Pins } from './pins.ts'
import { Pulls } from './pulls.ts'
import { Referrers } from './referrers.ts'
import type { UploadLimits } from './open-uploads.ts'
import { Repositories } from './repositories.ts'
import type { RoomMarks } from './room.ts'
import { Room } from './room.ts'
import { Tags } from './tags.ts'
import { Uploads } from './uploads.ts'
import type { Suspect } from './verdicts.ts'
import { Verdicts } from './verdicts.ts'

export interface Store {
  readonly layout: Layout
  readonly durable: Durable
  readonly blobs: Blobs
  readonly links: Links
  readonly manifests: Manifests
  readonly mirrored: Mirrored
  readonly pins: Pins
  readonly pulls: Pulls
  readonly referrers: Referrers
  readonly repositories: Repositories
  readonly room: Room
  readonly tags: Tags
  readonly uploads: Uploads
  readonly verdicts: Verdicts
  /** What was promised, which collection leaves alone. */
  readonly leases: LeaseTable
  /** Exclusion of changes to one repository's manifests and tags; the key is its name. */
  readonly changes: Mutex
}

export interface StoreOptions {
  /** Absolute path of the data directory. */
  readonly directory: string
  /** Whether this process keeps the directory now; while it does not, nothing is written, not even caches. */
  readonly keeps: () => boolean
  readonly clock: () => number
  readonly newId: () => string
  readonly sync?: Sync | undefined
  /** Milliseconds for which "it exists" is good; a day unless told. */
  readonly lease?: number | undefined
  /** How many uploads may wait for their bytes; any number unless told. */
  readonly uploads?: UploadLimits | undefined
  /** How much must stay free; without it only what does not fit is refused. */
  readonly room?: RoomMarks | undefined
  /** Tells this home from others, whose marks count for nothing; "-" unless told. */
  readonly home?: string | (() => string) | undefined
  /** Told of every blob whose bytes turn out wrong, once. */
  readonly onSuspect?: ((suspect: Suspect) => void) | undefined
  /** What stands in the place of the leases: for tests that show what happens without them. */
  readonly leases?: LeaseTable | undefined
  /** False keeps what is in the trash there even when it is asked for: for tests as well. */
  readonly restores?: boolean | undefined
}

const DAY_MS = 86_400_000

/** Opens the data directory, which exists. Throws what the file system says when it cannot be read. */
export function openStore(options: StoreOptions): Store {
  const { directory, keeps, clock, newId, sync, lease = DAY_MS, restores = true } = options
  const layout = createLayout(directory)
  const log = (name: string): DerivedLog => new DerivedLog(childOf(layout.cache, name), directory, keeps)
  const durable = new Durable(directory, layout.tmp, sync)
  const verdicts = new Verdicts(log('verified'), clock, options.onSuspect)
  const leases = options.leases ?? new Leases(lease)
  const blobs = new Blobs({ layout, durable, verdicts, leases, mayRestore: () => restores && keeps() })
  const changes = new Mutex()
  const reader = new LinkReader(clock)
  const promises = new LinkPromises(leases.duration, keeps, clock)
  const { home = '-' } = options
  const mirrored = new Mirrored({ layout, durable, clock, home: typeof home === 'string' ? () => home : home, keeps })
  const manifests = new Manifests({ layout, durable, reader, promises, blobs, mirrored })
  return {
    layout,
    durable,
    blobs,
    links: new Links(layout, durable, reader, promises),
    manifests,
    mirrored,
    pins: new Pins({ layout, durable, leases, changes }),
    pulls: new Pulls({ path: layout.pulls, clock, writable: keeps }),
    referrers: new Referrers(manifests, log('subjects')),
    repositories: new Repositories(layout, durable),
    tags: new Tags({ layout, durable, reader, mirrored }),
    room: new Room(directory, options.room),
    uploads: new Uploads(layout, clock, newId, options.uploads),
    verdicts,
    leases,
    changes,
  }
}
