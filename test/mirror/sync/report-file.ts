import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import t from 'tap'
import { isSyncId, listReports, readReport, removeReport, writeReport } from '../../../src/mirror/sync/report-file.ts'
import type { KeptReport } from '../../../src/mirror/sync/report.ts'
import { countResults } from '../../../src/mirror/sync/report.ts'
import { makeStore, recordSyncs } from '../../helpers/store.ts'

const report: KeptReport = {
  dryRun: false,
  id: 'daily.yml-0a1b2c3d',
  name: '/etc/daily.yml',
  startedAt: '2026-11-26T12:00:00.000Z',
  seconds: 1,
  outcome: 'done',
  images: [],
  pruned: [],
  counts: countResults([]),
  blobs: 0,
  bytes: 0,
  planned: { blobs: 0, bytes: 0 },
}

t.test('a report is read as it was written, for good, and is gone when it is taken away', async (t) => {
  const syncs = recordSyncs()
  const store = makeStore(t.testdir({}), syncs)
  await writeReport(store, report)
  t.ok(syncs.seen.length > 0)
  t.same(readReport(store, report.id), report)
  t.same(await listReports(store, 5), [report.id])
  await removeReport(store, report.id)
  t.equal(readReport(store, report.id), undefined)
  t.same(await listReports(store, 5), [])
})

t.test('what no run wrote is no report', async (t) => {
  const store = makeStore(t.testdir({}))
  const path = store.layout.syncReport('x')
  mkdirSync(dirname(path), { recursive: true })
  for (const text of ['', 'null', '[]', '{"id":"x"}', '{"id":"y","images":[]}', '{"id":"x","images":{}}']) {
    writeFileSync(path, text)
    t.equal(readReport(store, 'x'), undefined, text)
  }
})

t.test('an id leads nowhere but to its report', async (t) => {
  for (const id of ['daily.yml-0a1b2c3d', 'image', '_', 'a'.repeat(128)]) t.ok(isSyncId(id), id)
  for (const id of ['', '.', '..', '../x', 'a/b', '.hidden', 'a'.repeat(129), 'a\0']) {
    t.notOk(isSyncId(id), JSON.stringify(id))
    t.equal(readReport(makeStore(t.testdir({})), id), undefined)
  }
})
