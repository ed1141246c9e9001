import t from 'tap'
import { renderFamilies } from '../../src/http/metric-text.ts'
import { mirrorFamilies } from '../../src/http/mirror-metrics.ts'
import { makeTally } from '../../src/mirror/tally.ts'
import { CLOSED, OPEN, factsOf, upstreamOf } from '../helpers/mirror-facts.ts'

t.test('without a mirror there are no numbers of one', async (t) => {
  t.equal(renderFamilies(mirrorFamilies(undefined)), '')
})

t.test('what was counted is told as counters', async (t) => {
  const blobs = { hits: 5, misses: 2, fetched: 300, saved: 700 }
  const manifests = { hits: 1, misses: 3, fetched: 30, saved: 70 }
  const tally = { ...makeTally(), blobs, manifests, transfers: 3, failedTransfers: 1 }
  const text = renderFamilies(mirrorFamilies(factsOf({ tally })))
  for (const line of [
    '# TYPE registry_proxy_hits_total counter\nregistry_proxy_hits_total{type="blob"} 5',
    'registry_proxy_hits_total{type="manifest"} 1',
    'registry_proxy_requests_total{type="blob"} 7\nregistry_proxy_requests_total{type="manifest"} 4',
    'registry_proxy_misses_total{type="blob"} 2',
    'registry_proxy_pulled_bytes_total{type="manifest"} 30',
    'tarn_mirror_saved_bytes_total{type="blob"} 700',
    'tarn_mirror_transfers_total{result="complete"} 3\ntarn_mirror_transfers_total{result="failed"} 1',
    'tarn_mirror_transfers_in_flight 0',
    'tarn_mirror_offline 0',
  ]) {
    t.match(text, `\n${line}\n`.replace(/^\n#/, '#'))
  }
})

t.test(
  'each upstream tells how many of its addresses are left alone, and the fewest requests that are left',
  async (t) => {
    const upstreams = [
      upstreamOf('docker.io', [
        { ...CLOSED, rate: { remaining: 76 } },
        { ...OPEN, rate: { remaining: 4 } },
      ]),
      upstreamOf('quay.io', [CLOSED]),
    ]
    const text = renderFamilies(mirrorFamilies(factsOf({ upstreams })))
    t.match(text, '\ntarn_mirror_addresses{upstream="docker.io",path="docker.io"} 2\n')
    t.match(text, '\ntarn_mirror_addresses_open{upstream="docker.io",path="docker.io"} 1\n')
    t.match(text, '\ntarn_mirror_addresses_open{upstream="quay.io",path="quay.io"} 0\n')
    t.match(text, '\ntarn_mirror_rate_remaining{upstream="docker.io",path="docker.io"} 4\n')
    t.notMatch(text, 'tarn_mirror_rate_remaining{upstream="quay.io"')
  },
)
