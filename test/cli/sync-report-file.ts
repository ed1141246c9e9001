import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import type { Test } from 'tap'
import { readFailed, writeReports } from '../../src/cli/sync-report-file.ts'
import { orderFile } from '../../src/mirror/sync/order.ts'

const report = (name: string, from = 'up.test/app:bad') => ({
  dryRun: false,
  id: `${name}-1`,
  name,
  outcome: 'partly',
  images: [{ from, result: 'failed' }],
})
const plan = (name: string) => ({ dryRun: true, id: `${name}-1`, name, images: [] })

function setScene(t: Test) {
  const path = join(t.testdir({}), 'r.json')
  const notes: string[] = []
  const write = (reports: Parameters<typeof writeReports>[1], isWhole = true): Promise<void> =>
    writeReports(path, reports, { isWhole, note: (text) => notes.push(text) })
  return { path, notes, write, read: (): unknown => JSON.parse(readFileSync(path, 'utf8')) }
}

t.test('a plan is never written over a report', async (t) => {
  const { notes, write, read } = setScene(t)
  await write([plan('a.yml')])
  t.same(read(), plan('a.yml'))
  await write([plan('b.yml')])
  t.same(read(), plan('b.yml'))
  await write([report('a.yml')])
  await write([plan('a.yml')])
  t.same(read(), report('a.yml'))
  t.match(notes, [/r\.json has the report of a sync and stays as it is/])
})

t.test('where not all was done, other syncs keep the report that they had', async (t) => {
  const { write, read } = setScene(t)
  await write([report('a.yml'), report('b.yml')])
  await write([report('a.yml', 'up.test/app:other')], false)
  t.same(read(), [report('a.yml', 'up.test/app:other'), report('b.yml')])
  await write([], false)
  t.equal((read() as unknown[]).length, 2)
  await write([report('c.yml')])
  t.same(read(), report('c.yml'))
})

t.test('what failed is found by the name of the sync', async (t) => {
  const { path, write } = setScene(t)
  const order = orderFile('version: 1\nsync: [{from: up.test/app}]\n', '/a.yml', '/')
  await write([report('b.yml', 'up.test/b:1'), report(order.name, 'up.test/app:bad')])
  t.same([...readFailed(path, order)], ['up.test/app:bad'])
  await write([report('b.yml')])
  t.throws(() => readFailed(path, order), { message: /r\.json has no report of a sync of/, exitCode: 2 })
  writeFileSync(path, 'no JSON')
  t.throws(() => readFailed(path, order), { message: /is no report of a sync/, exitCode: 2 })
})
