// What the keeper of a data directory does beside answering: it moves proven suspects out of the way and
// drops uploads that nobody finished. Nothing here may end the process: an error is logged and tried again.
import type { BaseLogger } from 'pino'
import { quarantineSuspects } from '../storage/quarantine.ts'
import { purgeUploads } from '../storage/purge.ts'
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
  readonly clock: () => number
  readonly logger: Pick<BaseLogger, 'info' | 'warn' | 'error'>
}

const SUSPECTS_EVERY_MS = 60_000
// A server that is started again every night would never come to a purge that is due once a day.
const FIRST_PURGE_MS = 10 * 60_000
const PROBE_EVERY_MS = 5000

/** Begins the work; gives the function that ends it. */
export function maintain({ store, purging, clock, logger }: MaintainOptions): () => void {
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

  const timers = [
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
      const purged = await purgeUploads(store, clock() - purging.age, purging.dryrun)
      logger.info({ purged, dryrun: purging.dryrun }, 'purged unfinished uploads')
    }
    timers.push(...repeat(purging.interval, 'purging uploads', purge, FIRST_PURGE_MS))
  }
  return () => timers.forEach(clearInterval)
}
