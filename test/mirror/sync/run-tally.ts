import t from 'tap'
import type { SyncedImage, SyncReport } from '../../../src/mirror/sync/report.ts'
import { makeSyncTally, noteFailure, noteReport, recallReport } from '../../../src/mirror/sync/run-tally.ts'

const reportOf = (outcome: SyncReport['outcome'], more: Partial<SyncReport> = {}): SyncReport =>
  ({ id: 'a', startedAt: '2026-11-26T12:00:00.000Z', seconds: 60, outcome, images: [], bytes: 0, ...more }) as never
const END = Date.parse('2026-11-26T12:01:00.000Z')

t.test('runs, images and bytes are counted, and when one was last well', (t) => {
  const tally = makeSyncTally()
  const images = ['copied', 'failed', 'here'].map((result) => ({ result }) as SyncedImage)
  noteReport(tally, reportOf('done', { bytes: 5 }), 1)
  noteReport(tally, reportOf('partly', { bytes: 7, images }), 2)
  t.match(tally, {
    runs: { done: 1, partly: 1, failed: 0, stopped: 0 },
    images: { copied: 1, failed: 1, here: 1 },
    bytes: 12,
  })
  t.same(tally.last.get('a'), { endedAt: 2, outcome: 'partly', isFailed: true, goodAt: 1 })
  t.end()
})

t.test('a run that somebody ended says nothing of whether the sync is well', (t) => {
  const tally = makeSyncTally()
  noteReport(tally, reportOf('partly'), 1)
  noteReport(tally, reportOf('stopped'), 2)
  t.match(tally.last.get('a'), { outcome: 'stopped', isFailed: true })
  noteReport(tally, reportOf('done'), 3)
  noteFailure(tally, { id: 'a' }, true, 4)
  t.match(tally.last.get('a'), { outcome: 'stopped', isFailed: false, goodAt: 3 })
  noteFailure(tally, { id: 'a' }, false, 5)
  t.match(tally.last.get('a'), { outcome: 'failed', isFailed: true, goodAt: 3 })
  t.end()
})

t.test('how the run of an earlier life ended is known again, without being counted', (t) => {
  const tally = makeSyncTally()
  recallReport(tally, reportOf('done'))
  t.same(tally.last.get('a'), { endedAt: END, outcome: 'done', isFailed: false, goodAt: END })
  recallReport(tally, reportOf('failed'))
  t.match(tally.last.get('a'), { outcome: 'done' }, 'what this life knows stands')
  t.match(tally, { runs: { done: 0 }, bytes: 0 })
  recallReport(tally, reportOf('done', { id: 'b', startedAt: 'yesterday' }))
  t.notOk(tally.last.has('b'))
  t.end()
})

t.test('a run that was cut off counts as failed, until one succeeds', (t) => {
  const tally = makeSyncTally()
  recallReport(tally, { ...reportOf('done', { seconds: 0 }), outcome: 'cutOff' })
  t.match(tally.last.get('a'), { outcome: 'cutOff', isFailed: true })
  noteReport(tally, reportOf('done'), 9)
  t.match(tally.last.get('a'), { isFailed: false, goodAt: 9 })
  t.end()
})

t.test('a thousand syncs do not fill the memory: the oldest are forgotten', (t) => {
  const tally = makeSyncTally()
  for (let at = 0; at < 1000; at += 1) noteReport(tally, reportOf('done', { id: `s${at}` }), at)
  t.equal(tally.last.size, 200)
  t.ok(tally.last.has('s999'))
  t.end()
})
