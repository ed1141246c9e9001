import { PassThrough } from 'node:stream'
import { Command } from 'commander'
import t from 'tap'
import { describeEnded, formatBar, formatTotal, watchSync } from '../../src/cli/sync-progress.ts'
import type { SyncedImage } from '../../src/mirror/sync/report.ts'

const ENDED = {
  from: 'up.test/app:v1',
  to: 'lab/app',
  tag: 'v1',
  result: 'copied',
  platforms: [],
  missingPlatforms: [],
  bytes: 1_200_000,
  seconds: 1,
} as unknown as SyncedImage

function watch(isTTY: boolean, columns = 80) {
  let now = 0
  const stderr = Object.assign(new PassThrough(), { isTTY, columns })
  const view = watchSync(new Command(), { stderr, clock: () => now })
  return { view, turn: (ms: number) => (now += ms), written: () => String(stderr.read() ?? '') }
}

t.test('in a log: a line for each image that ended, and one for all now and then', async (t) => {
  const { view, turn, written } = watch(false)
  const progress = { phase: 'fetch', done: 1, total: 4, bytes: 1_000_000, totalBytes: 4_000_000 } as const
  view.onEvent({ phase: 'read', done: 1, total: 4 })
  view.onEvent(progress)
  view.onEvent(progress)
  view.onEvent({ ended: ENDED })
  view.onEvent({ ended: { ...ENDED, result: 'here' } })
  turn(30_000)
  view.onEvent(progress)
  view.end()
  t.equal(
    written(),
    'phase: read\nphase: fetch\nlab/app:v1  copied  1.20 MB\nfetch  1 of 4 images  1.00 MB of 4.00 MB\n',
  )
})

t.test('who waits for an upstream is told for how long, and why', async (t) => {
  const waits = { host: 'up.test', until: '2026-01-02T03:04:05.678Z', why: 'up.test answers with status 503' }
  const line = 'up.test asks to wait until 2026-01-02T03:04:05Z: up.test answers with status 503\n'
  for (const isTTY of [false, true]) {
    const { view, written } = watch(isTTY)
    view.onEvent({ waits })
    t.equal(written(), line)
  }
})

t.test('on a terminal: bars in place, never wider than it, taken away at the end', async (t) => {
  const { view, turn, written } = watch(true, 60)
  const images = [{ image: 'lab/a-repository-with-a-very-long-name-indeed:v1', bytes: 50, totalBytes: 100, seconds: 1 }]
  view.onEvent({ phase: 'fetch', done: 0, total: 2, bytes: 0, totalBytes: 100_000, images })
  turn(4000)
  view.onEvent({ phase: 'fetch', done: 0, total: 2, bytes: 40_000, totalBytes: 100_000, images })
  const drawn = written()
  t.match(drawn, /\[#{10}-{10}\] {2}50%/)
  t.match(drawn, /10\.0 KB\/s {2}6 s/)
  t.ok(
    drawn
      .replaceAll('\u001b[J', '\n')
      .split('\n')
      .every((line) => line.length < 60),
  )
  view.onEvent({ ended: ENDED })
  t.equal(written(), '\r\u001b[2A\u001b[Jlab/app:v1  copied  1.20 MB\n')
  view.onEvent({ phase: 'fetch', done: 1, total: 2, images: [] })
  written()
  view.end()
  t.equal(written(), '\r\u001b[1A\u001b[J')
})

t.test('names cannot move the cursor', async (t) => {
  t.equal(describeEnded({ ...ENDED, bytes: 0, result: 'failed', why: 'no\u001b[2J' }), 'lab/app:v1  failed  no\\x1b[2J')
  t.match(formatBar({ image: 'a\u001b[1A', bytes: 0, totalBytes: 0, seconds: 0 }), /100%.*a\\x1b\[1A$/)
  t.equal(formatTotal({ phase: 'list', done: 0 }, undefined), 'list')
})
