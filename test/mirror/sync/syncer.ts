import t from 'tap'
import type { Test } from 'tap'
import { Problem } from '../../../src/config/problem.ts'
import { readArguments } from '../../../src/mirror/sync/arguments.ts'
import { orderFile, orderImage } from '../../../src/mirror/sync/order.ts'
import type { SyncReport } from '../../../src/mirror/sync/report.ts'
import { countResults } from '../../../src/mirror/sync/report.ts'
import { writeReport } from '../../../src/mirror/sync/report-file.ts'
import type { SyncerParts } from '../../../src/mirror/sync/syncer.ts'
import { Syncer } from '../../../src/mirror/sync/syncer.ts'
import { ManifestFetcher } from '../../../src/mirror/fetch-manifest.ts'
import { makeTally } from '../../../src/mirror/tally.ts'
import { openUpstream, send, sendJson, startFake } from '../../helpers/upstream.ts'
import { makeContext, makeStore } from '../../helpers/store.ts'

const order = (image: string) => orderImage(readArguments(image, undefined))

/** A syncer over a fresh directory that may not connect anywhere unless told. */
function setScene(t: Test, more: Partial<SyncerParts> = {}) {
  const store = makeStore(t.testdir({}))
  const nothing = async () => {
    throw new Error('nothing is removed here')
  }
  const parts: SyncerParts = {
    context: makeContext(store),
    remove: nothing,
    fetching: () => ({ signal: new AbortController().signal, manifests: {} }) as ReturnType<SyncerParts['fetching']>,
    configured: [],
    shared: [],
    open: () => {
      throw new Error('no client is opened here')
    },
    forbidden: () => undefined,
    lists: { datesOf: async () => new Map() },
    logger: { info: () => undefined, warn: () => undefined },
    clock: store.clock,
    elapsed: () => performance.now(),
    random: () => 0,
    ...more,
  }
  return { store, syncer: new Syncer(parts) }
}

function reportOf(name: string, images: SyncReport['images']): SyncReport {
  const facts = { dryRun: false, id: 'image', name, startedAt: '', seconds: 1, outcome: 'partly' } as const
  const numbers = { blobs: 0, bytes: 0, planned: { blobs: 0, bytes: 0 } }
  return { ...facts, images, pruned: [], counts: countResults(images), ...numbers }
}

t.test('what failed of one image is not taken for what failed of another', async (t) => {
  const { store, syncer } = setScene(t)
  await writeReport(store, reportOf('quay.io/a/b:1', []))
  await t.rejects(syncer.run(order('quay.io/a/b:2'), { missing: true }), {
    message: /no report of an earlier sync of quay\.io\/a\/b:2/,
    exitCode: 2,
  })
})

t.test('a run that ends before it has a plan leaves a report that says why', async (t) => {
  const { syncer } = setScene(t, {
    open: () => {
      throw new Error('broken')
    },
  })
  await t.rejects(syncer.run(order('quay.io/a/b:1'), {}), { message: 'broken' })
  t.match(syncer.lastReport('image'), { outcome: 'failed', fault: { message: 'broken' }, images: [] })
  await t.rejects(
    syncer.run(order('quay.io/a/b:1'), { missing: true }),
    { message: 'broken' },
    'and all is tried again',
  )
})

t.test('a run that is stopped while it reads ends as stopped', async (t) => {
  const stop = new AbortController()
  const { syncer } = setScene(t, {
    open: () => {
      stop.abort(new Error('enough'))
      throw new Error('the first question broke off')
    },
  })
  const report = await syncer.run(order('quay.io/a/b:1'), { signal: stop.signal })
  t.match(report, { outcome: 'stopped', images: [] })
  t.match(syncer.lastReport('image'), { outcome: 'stopped' })
})

t.test('a registry of which something must be mended fails its images and not the run', async (t) => {
  const { syncer } = setScene(t, {
    open: () => {
      throw new Problem('cannot read the credentials /x: ENOENT')
    },
  })
  const report = await syncer.run(order('quay.io/a/b:1'), {})
  t.match(report, { outcome: 'partly', images: [{ from: 'quay.io/a/b:1', result: 'failed', why: /credentials/ }] })
})

t.test('so many images are read at a time that clients who pull find a turn', async (t) => {
  const tags = Array.from({ length: 40 }, (_, index) => `v${index}`)
  let [underWay, most] = [0, 0]
  const fake = await startFake(t, ({ url }, response) => {
    if (url.includes('/tags/list')) return sendJson(response, { name: 'team/app', tags })
    underWay += 1
    most = Math.max(most, underWay)
    // Long enough for all who may ask at the same time to do so.
    const answer = (turns: number): void => {
      if (turns > 0) return void setImmediate(answer, turns - 1)
      underWay -= 1
      send(response, 404)
    }
    answer(200)
  })
  const signal = new AbortController().signal
  const { syncer } = setScene(t, {
    fetching: () => {
      const manifests = new ManifestFetcher({ tally: makeTally(), elapsed: () => 0, signal: () => signal })
      return { signal, manifests } as ReturnType<SyncerParts['fetching']>
    },
    open: () => openUpstream(t, [fake.origin], { concurrency: 100 }),
  })
  const text = 'version: 1\nsync: [{from: up.test/team/app, to: app}]\n'
  const report = await syncer.run(orderFile(text, '/s.yml', '/'), {})
  t.equal(report.counts.failed, 40)
  t.ok(most > 1)
  t.ok(most <= 6, `${most} at a time`)
})
