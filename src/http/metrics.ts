// What Prometheus reads: distribution's names where it has them. Labels are kinds of routes, methods and
// statuses, never names of repositories or users.
import { Gauge, Registry, collectDefaultMetrics } from '@prometheus-io/client'
import { RequestTally } from './request-tally.ts'

export interface Metrics {
  readonly requests: RequestTally
  /** Says how to find out whether this process keeps the data directory; asked at each rendering. */
  watchKeeper(keeps: () => boolean): void
  /** The text format and its content type. */
  render(): Promise<{ readonly type: string; readonly text: string }>
}

/** Makes the metrics of one registry, in a Prometheus registry of their own. */
export function createMetrics(): Metrics {
  const registers = [new Registry()]
  const [register] = registers as [Registry]
  collectDefaultMetrics({ register })
  const keeper = new Gauge({
    name: 'tarn_keeper',
    help: '1 when this process keeps the data directory, 0 when it only reads.',
    registers,
  })
  const requests = new RequestTally()
  let keeps: (() => boolean) | undefined
  return {
    requests,
    watchKeeper(ask) {
      keeps = ask
    },
    async render() {
      keeper.set(keeps?.() ? 1 : 0)
      return { type: register.contentType, text: `${await register.metrics()}${requests.render()}` }
    },
  }
}
