import t from 'tap'
import { formatSyncPlan } from '../../src/cli/sync-plan.ts'
import type { GoneTags } from '../../src/mirror/sync/gone.ts'
import { planImages } from '../../src/mirror/sync/plan.ts'
import { reportPlan } from '../../src/mirror/sync/plan-report.ts'
import { hereOf, imageOf, indexOf, meantOf, readOf } from '../helpers/sync-facts.ts'

const one = imageOf('one', { base: 1_000_000, one: 1 })
const index = indexOf([one, { platform: 'linux/amd64' }])

t.test(
  'a plan names what is to be done, counts what is here, and says what goes and whether there is room',
  async (t) => {
    const images = [
      meantOf('1', index, { platforms: ['linux/amd64', 'linux/arm64'], read: readOf(one) }),
      meantOf('2', one),
      { ...meantOf('3', one), why: 'up.example says 404\u001b[2J' },
    ]
    const plan = planImages(images, hereOf({ tags: { 'app:2': one }, manifests: [one], blobs: ['one'] }))
    const gone = [
      { to: 'app', tags: [{ tag: '0' }], share: 0.5, maxShare: 0.1, isHeld: true },
    ] as unknown as readonly GoneTags[]
    t.equal(
      formatSyncPlan({ ...reportPlan({ plan, gone, free: 0 }), needs: 5000 }),
      [
        'IMAGE             TO     STATE   FETCH  NOTE',
        'up.example/app:1  app:1  new            without linux/arm64',
        'up.example/app:3  app:3  failed         up.example says 404\\x1b[2J',
        'gone  app: 0  (held: 50% of its tags, and prune.maxShare is 10%)',
        '3 images: 1 new, 1 here, 1 failed',
        'nothing to fetch',
        'no room: 5.00 KB are needed, 0 B are free',
      ].join('\n'),
    )
  },
)

t.test('what is fetched is told by image and in all', async (t) => {
  const text = formatSyncPlan(reportPlan({ plan: planImages([meantOf('1', one)], hereOf()), gone: [], free: 1e9 }))
  t.equal(
    text,
    [
      'IMAGE             TO     STATE    FETCH  NOTE',
      'up.example/app:1  app:1  new    1.00 MB',
      '1 image: 1 new',
      'to fetch: 3 blobs, 1.00 MB',
    ].join('\n'),
  )
})
