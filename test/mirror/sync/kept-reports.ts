import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import t from 'tap'
import type { Test } from 'tap'
import { KeptReports } from '../../../src/mirror/sync/kept-reports.ts'
import type { KeptReport, SyncReport } from '../../../src/mirror/sync/report.ts'
import { countResults } from '../../../src/mirror/sync/report.ts'
import { breakSyncs, makeContext, makeStore } from '../../helpers/store.ts'

const report = (more: Partial<SyncReport> = {}): SyncReport => ({
  dryRun: false,
  id: 's.yml-1',
  name: '/s.yml',
  startedAt: '2026-11-26T12:00:00.000Z',
  seconds: 1,
  outcome: 'partly',
  images: [],
  pruned: [],
  counts: countResults([]),
  blobs: 0,
  bytes: 0,
  planned: { blobs: 0, bytes: 0 },
  ...more,
})

const NEW = { startedAt: '2026-11-27T12:00:00.000Z', outcome: 'done' } as const

function setScene(
  t: Test,
  more: { readonly readOnly?: () => string | undefined; readonly isFull?: () => boolean } = {},
) {
  const warned: unknown[] = []
  const sync = breakSyncs('link file', 'ENOSPC', more.isFull ?? (() => false))
  const store = makeStore(t.testdir({}), sync)
  const context = makeContext(store, more.readOnly && { readOnly: more.readOnly })
  const logger = { warn: (facts: unknown) => void warned.push(facts) }
  /** As a process that begins now sees them. */
  const open = (): KeptReports => new KeptReports({ context, logger })
  return { store, open, warned }
}

t.test('while a run goes on its report says so, and afterwards how it ended', async (t) => {
  const { store, open } = setScene(t)
  const reports = open()
  await reports.keep(report())
  const end = await reports.begin(report(NEW))
  t.match(reports.last('s.yml-1'), { outcome: 'running', startedAt: NEW.startedAt })
  t.match(JSON.parse(readFileSync(store.layout.syncReport('s.yml-1'), 'utf8')), { outcome: 'running' })
  await reports.keep(report(NEW))
  end()
  t.same(reports.last('s.yml-1'), report(NEW))
})

t.test('the report of a run that was killed is not that of the run before: it says that it was cut off', async (t) => {
  const { open } = setScene(t)
  const life = open()
  await life.keep(report())
  await life.begin(report({ ...NEW, images: [] }))
  t.match(open().last('s.yml-1'), { outcome: 'cutOff', startedAt: NEW.startedAt, images: [] })
})

t.test('who does not keep the directory cannot know that a run is over', async (t) => {
  let why: string | undefined
  const { open } = setScene(t, { readOnly: () => why })
  await open().begin(report())
  why = 'another process keeps it'
  t.match(open().last('s.yml-1'), { outcome: 'running' })
})

t.test('of single images, which share a report, only that which runs counts as running', async (t) => {
  const { open } = setScene(t)
  const reports = open()
  const end = await reports.begin(report({ id: 'image', name: 'a.test/x:1' }))
  await reports.begin(report({ id: 'image', name: 'a.test/x:2' }))
  end()
  t.match(reports.last('image'), { name: 'a.test/x:2', outcome: 'running' })
})

t.test('a full disk leaves no report rather than that of another run', async (t) => {
  let isFull = false
  const { open, warned } = setScene(t, { isFull: () => isFull })
  const reports = open()
  await reports.keep(report())
  isFull = true
  await reports.begin(report(NEW))
  t.equal(reports.last('s.yml-1'), undefined)
  await t.resolves(reports.keep(report(NEW)))
  t.equal(warned.length, 2)
})

t.test('the last reports are listed with the newest first, and nothing else that lies there', async (t) => {
  const { store, open } = setScene(t)
  const reports = open()
  t.same(await reports.list(5), [])
  for (const id of ['one', 'two', 'three']) {
    await reports.keep(report({ id }))
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
  const other = store.layout.syncReport('other')
  mkdirSync(dirname(other), { recursive: true })
  writeFileSync(other, 'no report')
  const idsOf = (found: readonly KeptReport[]): string[] => found.map(({ id }) => id)
  t.same(idsOf(await reports.list(9)), ['three', 'two', 'one'])
  t.same(idsOf(await reports.list(3)), ['three', 'two'])
})
