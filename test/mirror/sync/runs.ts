import t from 'tap'
import { readArguments } from '../../../src/mirror/sync/arguments.ts'
import type { SyncWishes } from '../../../src/mirror/sync/order.ts'
import { orderImage } from '../../../src/mirror/sync/order.ts'
import type { SyncReport } from '../../../src/mirror/sync/report.ts'
import { countResults } from '../../../src/mirror/sync/report.ts'
import { SyncRuns } from '../../../src/mirror/sync/runs.ts'

const order = (image: string) => orderImage(readArguments(image, undefined))

function setScene() {
  const wishes: SyncWishes[] = []
  const ends: ((outcome: SyncReport['outcome'] | Error) => void)[] = []
  const runs = new SyncRuns({
    clock: () => 1_000_000,
    open: () => ({
      plan: () => Promise.reject(new Error('no')),
      lastReport: () => undefined,
      lastReports: async () => [],
      run: ({ id, name }, wish) => {
        wishes.push(wish)
        return new Promise((resolve, reject) => {
          wish.signal?.addEventListener('abort', () => end('stopped'))
          const end = (outcome: SyncReport['outcome'] | Error): void => {
            if (outcome instanceof Error) return reject(outcome)
            const facts = { dryRun: false, id, name, startedAt: '', seconds: 1, outcome } as const
            const more = { blobs: 1, bytes: 7, planned: { blobs: 1, bytes: 7 } }
            resolve({ ...facts, images: [], pruned: [], counts: countResults([]), ...more })
          }
          ends.push(end)
        })
      },
    }),
  })
  return { runs, wishes, ends }
}

t.test('what runs is listed with its progress until it ends, and then it is counted', async (t) => {
  const { runs, wishes, ends } = setScene()
  const seen: unknown[] = []
  const run = runs.run(order('quay.io/a/b:1'), { onEvent: (event) => seen.push(event) })
  t.match(runs.list(), [{ name: 'quay.io/a/b:1', by: 'request', isEnding: false, ended: 0, startedAt: /^1970/ }])
  wishes[0]?.onEvent?.({ phase: 'fetch', done: 1, total: 2 })
  wishes[0]?.onEvent?.({ ended: { result: 'failed' } as never })
  t.match(runs.list(), [{ progress: { phase: 'fetch', done: 1, total: 2 }, ended: 1, failed: 1 }])
  t.equal(seen.length, 2, 'who began it is told as well')
  ends[0]?.('done')
  await run
  t.same(runs.list(), [])
  t.match(runs.tally, { runs: { done: 1 }, bytes: 7 })
  t.match(runs.tally.last.get('image'), { outcome: 'done', endedAt: 1_000_000, goodAt: 1_000_000 })
})

t.test('the same sync does not run twice at a time; another image does', async (t) => {
  const { runs, ends } = setScene()
  const first = runs.run(order('quay.io/a/b:1'), {})
  await t.rejects(runs.run(order('quay.io/a/b:1'), {}), { message: /under way/, hint: /--stop/ })
  const second = runs.run(order('quay.io/a/b:2'), {})
  t.equal(runs.list().length, 2)
  for (const end of ends) end('done')
  await Promise.all([first, second])
})

t.test('a run that is stopped ends as such, and one that throws counts as failed', async (t) => {
  const { runs, ends } = setScene()
  const stopped = runs.run(order('quay.io/a/b:1'), {})
  t.same(runs.stop('another'), [])
  t.same(runs.stop(), ['image'])
  t.equal((await stopped).outcome, 'stopped')
  const thrown = runs.run(order('quay.io/a/b:1'), {})
  ends[1]?.(new Error('offline'))
  await t.rejects(thrown, { message: 'offline' })
  t.match(runs.tally.runs, { stopped: 1, failed: 1, done: 0 })
})
