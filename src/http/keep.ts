// What the keeper of a data directory does while it keeps it: it tidies, takes up what an earlier life left, goes by its
// schedule, and listens for commands.
import type { FastifyBaseLogger } from 'fastify'
import type { Config } from '../config/schema.ts'
import type { Mirror } from '../mirror/mirror.ts'
import type { SyncSchedule } from '../mirror/sync/schedule.ts'
import { maintain } from '../registry/maintain.ts'
import { scheduleUpkeep } from '../registry/schedule.ts'
import type { ApiParts } from './api/given.ts'
import type { Surroundings } from './call.ts'
import { dropForsaken } from '../storage/incoming.ts'
import { startLocalSocket } from './local-socket.ts'
import type { SocketPlaces } from './socket-path.ts'

export interface KeepParts {
  readonly config: Config
  readonly api: ApiParts
  readonly mirror: Mirror | undefined
  /** What /v2 of the local socket is answered with. */
  readonly v2: Surroundings
  readonly schedule: Pick<SyncSchedule, 'start'> | undefined
  /** Absolute path of the data directory. */
  readonly directory: string
  /** Where the local socket may be; without it there is none. */
  readonly places: SocketPlaces | undefined
  /** Called with the path of the socket when commands can reach this process. */
  readonly onListening: (path: string) => void
  readonly logger: FastifyBaseLogger
  readonly clock: () => number
}

/** Begins; gives the function that ends it, to be called before the lock is freed. */
export function keepDirectory(parts: KeepParts): () => void {
  const { config, api, mirror, v2, schedule, directory, places, onListening, logger, clock } = parts
  const { upkeep } = api
  const { store } = upkeep.context
  dropForsaken(store.layout, clock())
  // What came of blobs of a mirror or a sync is there for the next who want them.
  store.durable.dropUnfinished(store.layout.incoming, store.layout.mirror)
  mirror?.resume().catch((error: unknown) => logger.error({ err: error }, 'images were not taken up again'))
  const purging = config.storage.maintenance.uploadpurging
  const ends = [
    maintain({ store, purging, idle: config.limits.uploads.idle, clock, logger }),
    scheduleUpkeep({ upkeep, config, logger }),
    ...(schedule === undefined ? [] : [schedule.start()]),
  ]
  if (places !== undefined) {
    const socket = startLocalSocket({ directory, api, v2, logger, places, onListening })
    // It leaves its place at once; the connections that it has may take a moment.
    ends.push(() => void socket.close())
  }
  if (mirror !== undefined) ends.push(() => mirror.leave())
  return () => ends.forEach((end) => end())
}
