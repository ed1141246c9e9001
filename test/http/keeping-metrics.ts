import t from 'tap'
import { CollectionTally } from '../../src/http/collection-tally.ts'
import { keepingFamilies } from '../../src/http/keeping-metrics.ts'
import { renderFamilies } from '../../src/http/metric-text.ts'
import { createMetrics } from '../../src/http/metrics.ts'

const REPORT = {
  startedAt: '2026-01-01T00:00:00.000Z',
  seconds: 1.5,
  dryRun: false,
  complete: true,
  repositories: { seen: 10, removed: 1 },
  manifests: { seen: 20, removed: 2 },
  blobs: { seen: 30, bytes: 3000, trashed: 3, trashedBytes: 300, deletedBytes: 50 },
  trash: { blobs: 4, bytes: 400 },
}

t.test('what is not known is left out, and so is what cannot be asked now', async (t) => {
  const room = (): never => {
    throw new Error('gone')
  }
  t.equal(renderFamilies(keepingFamilies({ room, lastCollection: () => undefined }, 0)), '')
})

t.test('counts and sizes are those that the last collection left; a dry run left all that it saw', async (t) => {
  const render = (dryRun: boolean) =>
    renderFamilies(keepingFamilies({ lastCollection: () => ({ ...REPORT, dryRun }) }, 0))
  const text = render(false)
  for (const line of [
    'tarn_storage_repositories 9',
    'tarn_storage_manifests 18',
    'tarn_storage_blobs 27',
    'tarn_storage_bytes 2700',
    'tarn_trash_blobs 4',
    'tarn_trash_bytes 400',
    'tarn_collection_last_seconds 1.5',
    'tarn_collection_last_timestamp_seconds 1767225600',
  ]) {
    t.match(text, `\n${line}\n`)
  }
  t.match(render(true), '\ntarn_storage_bytes 3000\n')
})

t.test('the pass over all blobs tells how far it is and how old the last one is', async (t) => {
  const scrub = { share: 0.25, lastPassEndedAt: 1000, checkedBytes: 5, found: 2 }
  const text = renderFamilies(keepingFamilies({ scrub: () => scrub }, 61_000))
  t.match(text, '\ntarn_scrub_progress_ratio 0.25\n')
  t.match(text, '\ntarn_scrub_pass_age_seconds 60\n')
  t.match(text, '# TYPE tarn_scrub_findings_total counter\ntarn_scrub_findings_total 2\n')
  const never = renderFamilies(keepingFamilies({ scrub: () => ({ ...scrub, lastPassEndedAt: undefined }) }, 61_000))
  t.notMatch(never, 'tarn_scrub_pass_age_seconds', 'no pass has ended yet')
})

t.test('a file system without a limit to its files has no numbers of them', async (t) => {
  const room = { free: 1, total: 2, freeInodes: Infinity, totalInodes: 0, state: 'stop' as const }
  const text = renderFamilies(keepingFamilies({ room: () => room }, 0))
  t.match(text, '\ntarn_room_state{state="ok"} 0\ntarn_room_state{state="warn"} 0\ntarn_room_state{state="stop"} 1\n')
  t.notMatch(text, 'inodes')
  t.match(
    renderFamilies(keepingFamilies({ room: () => ({ ...room, freeInodes: 3, totalInodes: 4 }) }, 0)),
    '\ntarn_room_free_inodes 3\n',
  )
})

t.test('the days of the certificate and the uploads are told', async (t) => {
  const numbers = {
    certificateLeft: () => 36 * 3_600_000,
    uploads: () => ({ sending: 1, waiting: 2 }),
    quarantined: () => 3,
  }
  const text = renderFamilies(keepingFamilies(numbers, 0))
  t.match(text, '\ntarn_certificate_days_left 1.5\n')
  t.match(text, '\ntarn_uploads{state="sending"} 1\ntarn_uploads{state="waiting"} 2\n')
  t.match(text, '\ntarn_quarantine_files 3\n')
})

t.test('collections are counted by how they ended; dry runs are not', async (t) => {
  const tally = new CollectionTally()
  t.equal(tally.last, undefined)
  tally.ended(REPORT)
  tally.ended({ ...REPORT, dryRun: true })
  tally.ended({ ...REPORT, complete: false })
  t.equal(tally.last, 'incomplete')
  tally.ended(undefined)
  t.equal(tally.last, 'failed')
  const text = renderFamilies(tally.families())
  for (const result of ['complete', 'incomplete', 'failed']) {
    t.match(text, `\ntarn_collections_total{result="${result}"} 1\n`)
  }
  t.match(text, '\ntarn_collection_freed_bytes_total 100\n')
})

t.test('numbers that are given one after the other are all told', async (t) => {
  const metrics = createMetrics()
  metrics.watchKeeping({ quarantined: () => 1 })
  metrics.watchKeeping({ certificateLeft: () => 0 })
  const { text } = await metrics.render()
  t.match(text, /^tarn_quarantine_files 1$/m)
  t.match(text, /^tarn_certificate_days_left 0$/m)
})

t.test('sizes of bodies are told where they were announced', async (t) => {
  const metrics = createMetrics()
  metrics.requests.answered('blob', 'GET', 200, 0.1, { received: 0, sent: 5000 })
  metrics.requests.answered('blob_upload_chunk', 'PATCH', 202, 0.1, { sent: 0 })
  const { text } = await metrics.render()
  t.match(text, /^registry_http_response_size_bytes_sum\{handler="blob",method="get"\} 5000$/m)
  t.match(text, /^registry_http_response_size_bytes_bucket\{handler="blob",method="get",le="1024"\} 0$/m)
  t.match(text, /^registry_http_response_size_bytes_bucket\{handler="blob",method="get",le="16384"\} 1$/m)
  t.match(text, /^registry_http_request_size_bytes_count\{handler="blob",method="get"\} 1$/m)
  t.notMatch(text, /registry_http_request_size_bytes_count\{handler="blob_upload_chunk"/)
})
