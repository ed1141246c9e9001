import t from 'tap'
import { syncFamilies } from '../../src/http/sync-metrics.ts'
import { makeSyncTally } from '../../src/mirror/sync/run-tally.ts'

t.test('a run that somebody or its window ended is no alarm, and does not end one', (t) => {
  const tally = makeSyncTally()
  tally.last.set('ended', { endedAt: 1000, outcome: 'stopped', isFailed: false })
  tally.last.set('failed-before', { endedAt: 1000, outcome: 'stopped', isFailed: true })
  tally.last.set('partly', { endedAt: 1000, outcome: 'partly', isFailed: true })
  tally.last.set('done', { endedAt: 1000, outcome: 'done', isFailed: false, goodAt: 1000 })
  const families = syncFamilies({ tally, running: 0, scheduled: [], problems: 0 })
  const failed = families.find(({ name }) => name === 'tarn_sync_last_run_failed')
  t.same(
    failed?.samples.map(({ labels, value }) => [labels, value]),
    [
      ['sync="ended"', 0],
      ['sync="failed-before"', 1],
      ['sync="partly"', 1],
      ['sync="done"', 0],
    ],
  )
  t.same(syncFamilies(undefined), [])
  t.end()
})
