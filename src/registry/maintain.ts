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

/** Begins the work; gives the function that ends it. */
export function maintain({ store, purging, clock, logger }: MaintainOptions): () => void {
  const repeat = (every: number, what: string, act: () => Promise<void>): NodeJS.Timeout => {
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
    return setInterval(() => void run(), every).unref()
  }

  const timers = [
    repeat(SUSPECTS_EVERY_MS, 'looking after suspect blobs', async () => {
      for (const { digest } of await quarantineSuspects({ ...store, clock })) {
        logger.warn(
          { digest },
          'blob was not what its digest says: moved to .tarn/quarantine; push it again to heal it',
        )
      }
    }),
  ]
  if (purging.enabled) {
    timers.push(
      repeat(purging.interval, 'purging uploads', async () => {
        const purged = await purgeUploads(store.layout, store.repositories, clock() - purging.age, purging.dryrun)
        logger.info({ purged, dryrun: purging.dryrun }, 'purged unfinished uploads')
      }),
    )
  }
  return () => timers.forEach(clearInterval)
}
