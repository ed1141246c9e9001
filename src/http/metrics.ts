// What Prometheus reads: distribution's names where it has them. Labels are kinds of routes, methods and
// statuses, never names of repositories or users.
import { Registry, collectDefaultMetrics } from '@prometheus-io/client'
import { CollectionTally } from './collection-tally.ts'
import type { KeepingNumbers } from './keeping-metrics.ts'
import { keepingFamilies } from './keeping-metrics.ts'
import { gauge, renderFamilies } from './metric-text.ts'
import { RequestTally } from './request-tally.ts'

export interface Metrics {
  readonly requests: RequestTally
  readonly collections: CollectionTally
  /** Says how to find out whether this process keeps the data directory; asked at each rendering. */
  watchKeeper(keeps: () => boolean): void
  /** Says where the numbers of the data directory come from; what was given before stays. */
  watchKeeping(numbers: Partial<KeepingNumbers>): void
  /** The text format and its content type. */
  render(): Promise<{ readonly type: string; readonly text: string }>
}

/** Makes the metrics of one registry, in a Prometheus registry of their own. `clock` in milliseconds since 1970. */
export function createMetrics(clock: () => number = Date.now): Metrics {
  const register = new Registry()
  // Among them the delay of the event loop: nodejs_eventloop_lag_p99_seconds and its like.
  collectDefaultMetrics({ register })
  const requests = new RequestTally()
  const collections = new CollectionTally()
  let keeps: (() => boolean) | undefined
  let numbers: Partial<KeepingNumbers> = {}
  return {
    requests,
    collections,
    watchKeeper(ask) {
      keeps = ask
    },
    watchKeeping(more) {
      numbers = { ...numbers, ...more }
    },
    async render() {
      const own = renderFamilies([
        gauge('tarn_keeper', '1 when this process keeps the data directory, 0 when it only reads.', keeps?.() ? 1 : 0),
        ...keepingFamilies(numbers, clock()),
        ...collections.families(),
      ])
      return { type: register.contentType, text: `${await register.metrics()}${own}${requests.render()}` }
    },
  }
}
