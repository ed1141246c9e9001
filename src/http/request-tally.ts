// Counts requests for Prometheus, by distribution's names. Of our own, because it stands on the path of every request.
import { Histogram } from './histogram.ts'

/** What travelled, in bytes; undefined where nobody said it before. */
export interface Sizes {
  readonly received?: number | undefined
  readonly sent?: number | undefined
}

const SECONDS = [0.001, 0.005, 0.025, 0.1, 0.5, 2.5, 10, 60]
const BYTES = [1024, 16_384, 262_144, 4_194_304, 67_108_864, 1_073_741_824]

export class RequestTally {
  readonly #requests = new Map<string, number>()
  readonly #durations = new Histogram(
    'registry_http_request_duration_seconds',
    'Seconds from the head of a request to the end of its answer.',
    SECONDS,
  )
  readonly #received = new Histogram(
    'registry_http_request_size_bytes',
    'Bytes of the bodies of requests that announced them.',
    BYTES,
  )
  readonly #sent = new Histogram('registry_http_response_size_bytes', 'Bytes of the bodies of whole answers.', BYTES)
  #inFlight = 0

  started(): void {
    this.#inFlight += 1
  }

  /**
   * Labels come from fixed sets (kinds of routes, methods of node:http), so that the maps stay small. Methods are told in
   * lower case, as Go's promhttp does and every dashboard for registry:2 asks for them.
   */
  answered(handler: string, method: string, status: number, seconds: number, { received, sent }: Sizes = {}): void {
    this.#inFlight -= 1
    const labels = `handler="${handler}",method="${method.toLowerCase()}"`
    const counted = `${labels},code="${status}"`
    this.#requests.set(counted, (this.#requests.get(counted) ?? 0) + 1)
    this.#durations.observe(labels, seconds)
    if (received !== undefined) this.#received.observe(labels, received)
    if (sent !== undefined) this.#sent.observe(labels, sent)
  }

  /** The text exposition format, version 0.0.4. */
  render(): string {
    const lines = [
      '# HELP registry_http_in_flight_requests Requests being answered now.',
      '# TYPE registry_http_in_flight_requests gauge',
      `registry_http_in_flight_requests ${this.#inFlight}`,
      '# HELP registry_http_requests_total Requests answered.',
      '# TYPE registry_http_requests_total counter',
      ...[...this.#requests].map(([labels, count]) => `registry_http_requests_total{${labels}} ${count}`),
      ...this.#durations.render(),
      ...this.#received.render(),
      ...this.#sent.render(),
    ]
    return `${lines.join('\n')}\n`
  }
}
