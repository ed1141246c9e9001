// Counts requests for Prometheus. Of our own, because it stands on the path of every request: looking up a
// histogram's labels cost 10 µs where a whole manifest costs 50. The text is made when somebody asks.

interface Tally {
  count: number
  /** Seconds. */
  sum: number
  /** Requests up to each bound. */
  readonly upTo: number[]
}

const BOUNDS = [0.001, 0.005, 0.025, 0.1, 0.5, 2.5, 10, 60]

export class RequestTally {
  readonly #requests = new Map<string, number>()
  readonly #durations = new Map<string, Tally>()
  #inFlight = 0

  started(): void {
    this.#inFlight += 1
  }

  /** Labels come from fixed sets (kinds of routes, methods of node:http), so that the maps stay small. */
  answered(handler: string, method: string, status: number, seconds: number): void {
    this.#inFlight -= 1
    const labels = `handler="${handler}",method="${method}"`
    const counted = `${labels},code="${status}"`
    this.#requests.set(counted, (this.#requests.get(counted) ?? 0) + 1)
    let tally = this.#durations.get(labels)
    if (tally === undefined) {
      tally = { count: 0, sum: 0, upTo: BOUNDS.map(() => 0) }
      this.#durations.set(labels, tally)
    }
    tally.count += 1
    tally.sum += seconds
    // The first bound that holds it; the sums over the bounds are made in the text.
    const index = BOUNDS.findIndex((bound) => seconds <= bound)
    if (index >= 0) tally.upTo[index] = (tally.upTo[index] ?? 0) + 1
  }

  /** The text exposition format, version 0.0.4, with distribution's names. */
  render(): string {
    const lines = [
      '# HELP registry_http_in_flight_requests Requests being answered now.',
      '# TYPE registry_http_in_flight_requests gauge',
      `registry_http_in_flight_requests ${this.#inFlight}`,
      '# HELP registry_http_requests_total Requests answered.',
      '# TYPE registry_http_requests_total counter',
      ...[...this.#requests].map(([labels, count]) => `registry_http_requests_total{${labels}} ${count}`),
      '# HELP registry_http_request_duration_seconds Seconds from the head of a request to the end of its answer.',
      '# TYPE registry_http_request_duration_seconds histogram',
      ...[...this.#durations].flatMap(([labels, tally]) => renderTally(labels, tally)),
    ]
    return `${lines.join('\n')}\n`
  }
}

function renderTally(labels: string, { count, sum, upTo }: Tally): string[] {
  const name = 'registry_http_request_duration_seconds'
  let below = 0
  const buckets = BOUNDS.map((bound, index) => {
    below += upTo[index] ?? 0
    return `${name}_bucket{${labels},le="${bound}"} ${below}`
  })
  return [
    ...buckets,
    `${name}_bucket{${labels},le="+Inf"} ${count}`,
    `${name}_sum{${labels}} ${sum}`,
    `${name}_count{${labels}} ${count}`,
  ]
}
