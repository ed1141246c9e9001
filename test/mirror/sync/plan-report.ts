import t from 'tap'
import { planImages } from '../../../src/mirror/sync/plan.ts'
import { reportPlan } from '../../../src/mirror/sync/plan-report.ts'
import { hereOf, imageOf, meantOf } from '../../helpers/sync-facts.ts'

const one = imageOf('one', { base: 1000, one: 1 })
const two = imageOf('two', { base: 1000, two: 2 })
const plan = planImages([meantOf('1', one), meantOf('2', two)], hereOf({ blobs: ['two'] }))

t.test('a report has numbers in the place of steps', async (t) => {
  const report = reportPlan({ plan, gone: [], free: 10_000 })
  t.match(report, { counts: { new: 2, moved: 0, failed: 0 }, blobs: 4, bytes: 1021, fits: true })
  t.same(report.images[1]?.blobs, { fetch: 1, shared: 1, link: 1 })
  t.equal(report.images[1]?.manifests, 1)
  t.notOk('steps' in (report.images[0] ?? {}))
})

t.test('manifests need room as well', async (t) => {
  const needs = 1021 + one.size + two.size
  t.equal(reportPlan({ plan, gone: [], free: needs }).fits, true)
  t.match(reportPlan({ plan, gone: [], free: needs - 1 }), { fits: false, needs })
})

t.test('what is here already fits on a disk that is fuller than it should be', async (t) => {
  const nothing = planImages([], hereOf({}))
  t.match(reportPlan({ plan: nothing, gone: [], free: -5 }), { fits: true, needs: 0 })
  t.match(reportPlan({ plan, gone: [], free: -5 }), { fits: false })
})
