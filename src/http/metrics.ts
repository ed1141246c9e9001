// What Prometheus reads: distribution's names where it has them. Labels are kinds of routes, methods and
// statuses, never names of repositories or users.
import { Counter, Gauge, Histogram, Registry, collectDefaultMetrics } from '@prometheus-io/client'

export interface Metrics {
  started(): void
  answered(handler: string, method: string, status: number, seconds: number): void
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
  const inFlight = new Gauge({
    name: 'registry_http_in_flight_requests',
    help: 'Requests being answered now.',
    registers,
  })
  const requests = new Counter({
    name: 'registry_http_requests_total',
    help: 'Requests answered.',
    labelNames: ['handler', 'method', 'code'],
    registers,
  })
  const seconds = new Histogram({
    name: 'registry_http_request_duration_seconds',
    help: 'Seconds from the head of a request to the end of its answer.',
    labelNames: ['handler', 'method'],
    buckets: [0.001, 0.005, 0.025, 0.1, 0.5, 2.5, 10, 60],
    registers,
  })
  const keeper = new Gauge({
    name: 'tarn_keeper',
    help: '1 when this process keeps the data directory, 0 when it only reads.',
    registers,
  })
  let keeps: (() => boolean) | undefined
  return {
    watchKeeper(ask) {
      keeps = ask
    },
    started: () => inFlight.inc(),
    answered(handler, method, status, duration) {
      inFlight.dec()
      requests.inc({ handler, method, code: String(status) })
      seconds.observe({ handler, method }, duration)
    },
    async render() {
      keeper.set(keeps?.() ? 1 : 0)
      return { type: register.contentType, text: await register.metrics() }
    },
  }
}
