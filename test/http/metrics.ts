import t from 'tap'
import { createMetrics } from '../../src/http/metrics.ts'

t.test('requests are counted by route, method and status, and timed', async (t) => {
  const metrics = createMetrics()
  metrics.requests.started()
  metrics.requests.started()
  metrics.requests.answered('manifest', 'GET', 200, 0.003)
  const { type, text } = await metrics.render()
  t.match(type, /^text\/plain/)
  t.match(text, 'registry_http_in_flight_requests 1\n')
  t.match(text, 'registry_http_requests_total{handler="manifest",method="get",code="200"} 1\n')
  t.match(text, /registry_http_request_duration_seconds_bucket\{.*le="0.001".*\} 0\n/)
  t.match(text, /registry_http_request_duration_seconds_bucket\{.*le="0.005".*\} 1\n/)
  t.match(text, /registry_http_request_duration_seconds_bucket\{.*le="60".*\} 1\n/)
  t.match(text, /registry_http_request_duration_seconds_bucket\{.*le="\+Inf".*\} 1\n/)
  t.match(text, /registry_http_request_duration_seconds_sum\{.*\} 0.003\n/)
  t.match(text, /registry_http_request_duration_seconds_count\{.*\} 1\n/)
})

t.test('whether this process keeps the directory is asked at each rendering', async (t) => {
  const metrics = createMetrics()
  t.match((await metrics.render()).text, 'tarn_keeper 0\n')
  let keeps = true
  metrics.watchKeeper(() => keeps)
  t.match((await metrics.render()).text, 'tarn_keeper 1\n')
  keeps = false
  t.match((await metrics.render()).text, 'tarn_keeper 0\n')
})

t.test('two registries in one process count for themselves', async (t) => {
  const [one, two] = [createMetrics(), createMetrics()]
  one.requests.started()
  t.match((await two.render()).text, 'registry_http_in_flight_requests 0\n')
})
