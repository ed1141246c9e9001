// What the keeper of a data directory does beside answering: it moves proven suspects out of the way, drops uploads
// that nobody finished, and says when the disk fills up. Nothing here may end the process: an error is logged and tried again.
import type { BaseLogger } from 'pino'
import { quarantineSuspects } from '../storage/quarantine.ts'
import { findUploads, purgeUploads } from '../storage/purge.ts'
import type { RoomState } from '../storage/room.ts'
import type { Store } from '../storage/store.ts'

export interface Purging {
  readonly enabled: boolean
  /** Milliseconds. */
  readonly age: number
  readonly interval: number
  readonly dryrun: boolean
}

export interface MaintainOptions {
  readonly store: Store
  readonly purging: Purging
  /** Milliseconds after which an upload to which nothing came is dropped; for ever unless told. */
  readonly idle?: number | undefined
  readonly clock: () => number
  readonly logger: Pick<BaseLogger, 'info' | 'warn' | 'error'>
}

const SUSPECTS_EVERY_MS = 60_000
// A server that is started again every night would never come to a purge that is due once a day.
const FIRST_PURGE_MS = 10 * 60_000
const PROBE_EVERY_MS = 5000
const ROOM_EVERY_MS = 5000
const IDLE_EVERY_MS = 60_000

/** Begins the work; gives the function that ends it. */
export function maintain({ store, purging, idle = Infinity, clock, logger }: MaintainOptions): () => void {
  const repeat = (every: number, what: string, act: () => Promise<void>, first = every): NodeJS.Timeout[] => {
    let running = false
    const run = async (): Promise<void> => {
      if (running) return
      running = true
      try {
        await act()
      } catch (error) {
        logger.error({ err: error }, `${what} failed`)
      } finally {
        running = false
      }
    }
    const timers = [setInterval(() => void run(), every).unref()]
    if (first < every) timers.push(setTimeout(() => void run(), first).unref())
    return timers
  }

  let said: RoomState = 'ok'
  const sayRoom = async (): Promise<void> => {
    const { state, ...numbers } = store.room.read()
    if (state === said) return
    said = state
    if (state === 'ok') logger.info(numbers, 'there is room on the disk again')
    else logger.warn(numbers, state === 'warn' ? 'the disk is filling up' : 'no room: new uploads are refused')
  }

  // One walk and no more: from then on the table knows.
  findUploads(store, clock).catch((error: unknown) => logger.error({ err: error }, 'looking for uploads failed'))

  const timers = [
    ...repeat(ROOM_EVERY_MS, 'looking at the room on the disk', sayRoom),
    // Without this a registry that nobody asks to write, because it says that it is not ready, would stay so.
    ...repeat(PROBE_EVERY_MS, 'probing the disk', () => store.durable.requireSyncs()),
    ...repeat(SUSPECTS_EVERY_MS, 'looking after suspect blobs', async () => {
      for (const { digest } of await quarantineSuspects({ ...store, clock })) {
        logger.warn(
          { digest },
          'blob was not what its digest says: moved to .tarn/quarantine; push it again to heal it',
        )
      }
    }),
  ]
  if (purging.enabled) {
    const purge = async (): Promise<void> => {
      const due = { begunBefore: clock() - purging.age, idleBefore: clock() - idle }
      const purged = await purgeUploads(store, due, purging.dryrun)
      logger.info({ purged, dryrun: purging.dryrun }, 'purged unfinished uploads')
    }
    timers.push(...repeat(purging.interval, 'purging uploads', purge, FIRST_PURGE_MS))
    const purgeIdle = async (): Promise<void> => {
      const purged = await purgeUploads(store, { begunBefore: -Infinity, idleBefore: clock() - idle }, false)
      if (purged > 0) logger.info({ purged }, 'dropped uploads to which nothing came')
    }
    if (!purging.dryrun && idle < Infinity) {
      timers.push(...repeat(Math.min(idle, IDLE_EVERY_MS), 'dropping idle uploads', purgeIdle))
    }
  }
  return () => timers.forEach(clearInterval)
}
