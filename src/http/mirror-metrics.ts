// What Prometheus is told of the mirror. The label of an upstream is its host from the configuration, so there are as many
// series as somebody configured.
import type { TallyNumbers } from '../mirror/tally.ts'
import type { MetricFamily, MetricSample } from './metric-text.ts'
import { gauge } from './metric-text.ts'
import type { MirrorFacts, UpstreamFacts } from './mirror-facts.ts'
import { isOpen } from './mirror-facts.ts'

/** All numbers of the mirror; none without one. */
export function mirrorFamilies(facts: MirrorFacts | undefined): MetricFamily[] {
  if (facts === undefined) return []
  const { offline, transfers, fills, tally, upstreams } = facts
  return [
    gauge('tarn_mirror_offline', '1 while the configuration forbids connections outwards.', offline ? 1 : 0),
    // The names of registry:3. Its pushed bytes are left out: of a blob under way each client gets them by itself.
    byType('registry_proxy_requests_total', 'Manifests and blobs of upstreams that were asked for.', tally, (of) => {
      return of.hits + of.misses
    }),
    byType('registry_proxy_hits_total', 'Those that were answered from here.', tally, ({ hits }) => hits),
    byType('registry_proxy_misses_total', 'Those for which an upstream was asked.', tally, ({ misses }) => misses),
    byType('registry_proxy_pulled_bytes_total', 'Bytes that came from upstreams.', tally, ({ fetched }) => fetched),
    byType('tarn_mirror_saved_bytes_total', 'Bytes answered without an upstream.', tally, ({ saved }) => saved),
    counter('tarn_mirror_revalidations_total', 'Tags that were asked for again.', tally.revalidated),
    counter('tarn_mirror_moved_tags_total', 'Those that had moved.', tally.moved),
    results('tarn_mirror_transfers_total', 'Blobs of which the transfer ended, by how.', {
      complete: tally.transfers,
      failed: tally.failedTransfers,
    }),
    results('tarn_mirror_images_total', 'Images that were completed, and those that were given up.', {
      complete: tally.filled,
      abandoned: tally.abandoned,
    }),
    gauge('tarn_mirror_transfers_in_flight', 'Blobs that are being fetched.', transfers.length),
    gauge('tarn_mirror_fills_pending', 'Images that are being completed.', fills.length),
    ofUpstreams('tarn_mirror_addresses', 'Configured addresses of an upstream.', upstreams, ({ client }) => [
      client.state.length,
    ]),
    ofUpstreams(
      'tarn_mirror_addresses_open',
      'Addresses of an upstream that do not answer and are left alone for a while.',
      upstreams,
      ({ client }) => [client.state.filter(isOpen).length],
    ),
    ofUpstreams(
      'tarn_mirror_rate_remaining',
      'Requests that an upstream said are left, the fewest of its addresses.',
      upstreams,
      ({ client }) => client.state.flatMap(({ rate }) => (rate === undefined ? [] : [rate.remaining])),
    ),
  ]
}

function counter(name: string, help: string, value: number): MetricFamily {
  return { ...gauge(name, help, value), type: 'counter' }
}

function byType(
  name: string,
  help: string,
  { blobs, manifests }: TallyNumbers,
  numberOf: (traffic: TallyNumbers['blobs']) => number,
): MetricFamily {
  const samples = Object.entries({ blob: blobs, manifest: manifests }).map(([type, traffic]) => {
    return { labels: `type="${type}"`, value: numberOf(traffic) }
  })
  return { name, help, type: 'counter', samples }
}

function results(name: string, help: string, values: Readonly<Record<string, number>>): MetricFamily {
  const samples = Object.entries(values).map(([result, value]) => ({ labels: `result="${result}"`, value }))
  return { name, help, type: 'counter', samples }
}

function ofUpstreams(
  name: string,
  help: string,
  upstreams: readonly UpstreamFacts[],
  numbersOf: (upstream: UpstreamFacts) => readonly number[],
): MetricFamily {
  const samples: MetricSample[] = upstreams.map((upstream) => {
    const { host, path } = upstream.config
    const numbers = numbersOf(upstream)
    // One host may be there twice: with a path, and as the proxy for names without one.
    const labels = `upstream="${host}",path="${path}"`
    return { labels, value: numbers.length === 0 ? undefined : Math.min(...numbers) }
  })
  return { name, help, type: 'gauge', samples }
}
