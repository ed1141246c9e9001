import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import type { Test } from 'tap'
import type { SyncOrder, SyncWishes } from '../../../src/mirror/sync/order.ts'
import type { KeptReport, SyncOutcome, SyncReport } from '../../../src/mirror/sync/report.ts'
import { countResults } from '../../../src/mirror/sync/report.ts'
import { SyncRuns } from '../../../src/mirror/sync/runs.ts'
import { SyncSchedule } from '../../../src/mirror/sync/schedule.ts'
import { ScheduledFiles } from '../../../src/mirror/sync/scheduled-files.ts'

const MINUTE = 60_000
const HOUR = 60 * MINUTE

interface Begun {
  readonly order: SyncOrder
  /** Ends it. */
  end(outcome?: SyncOutcome, more?: Partial<SyncReport>): void
}

/** A schedule over one file, a clock that stands still, and runs that end when the test says so. */
function setScene(
  t: Test,
  text: string,
  start = new Date(2026, 0, 5, 12, 0).getTime(),
  lastReport: (id: string) => KeptReport | undefined = () => undefined,
) {
  const path = join(t.testdir({}), 's.yml')
  const write = (content: string): void => writeFileSync(path, content)
  write(text)
  const begun: Begun[] = []
  const log: string[] = []
  let now = start
  const run = (order: SyncOrder, { signal }: SyncWishes): Promise<SyncReport> =>
    new Promise((resolve) => {
      const end: Begun['end'] = (outcome = 'done', more = {}) => resolve({ ...reportOf(order, outcome), ...more })
      signal?.addEventListener('abort', () => end('stopped'))
      begun.push({ order, end })
    })
  const note =
    (level: string) =>
    (...words: unknown[]): void =>
      void log.push(
        `${level} ${words.map((word) => (typeof word === 'string' ? word : JSON.stringify(word))).join(' ')}`,
      )
  const logger = { info: note('info'), warn: note('warn'), error: note('error') }
  const clock = (): number => now
  const runs = new SyncRuns({
    clock,
    open: () => ({ run, plan: () => Promise.reject(new Error('no')), lastReport, lastReports: async () => [] }),
  })
  const files = new ScheduledFiles([path], (message) => logger.error(message))
  const schedule = new SyncSchedule({ files, runs, clock, random: () => 0.5, logger })
  return {
    path,
    write,
    begun,
    log,
    runs,
    schedule,
    /** Lets so much time pass, minute by minute. */
    pass: async (milliseconds: number): Promise<void> => {
      for (const until = now + milliseconds; now < until;) {
        now += MINUTE
        schedule.tick()
        await new Promise((resolve) => setImmediate(resolve))
      }
    },
    at: () => new Date(now),
  }
}

function reportOf({ id, name }: SyncOrder, outcome: SyncOutcome): SyncReport {
  const facts = { dryRun: false, id, name, startedAt: '', seconds: 1, outcome } as const
  return {
    ...facts,
    images: [],
    pruned: [],
    counts: countResults([]),
    blobs: 0,
    bytes: 0,
    planned: { blobs: 0, bytes: 0 },
  }
}

const DAILY = 'version: 1\nsync: [{from: quay.io/org/app, schedule: "0 14 * * *"}]\n'

t.test('a sync runs at its time, a little later, once, and again the next day', async (t) => {
  const { begun, schedule, pass } = setScene(t, DAILY)
  schedule.tick()
  const [first] = schedule.list()
  // Half of the two minutes by which it may be late.
  t.equal(first?.nextAt, new Date(2026, 0, 5, 14, 1).getTime())
  await pass(2 * HOUR)
  t.equal(begun.length, 0)
  await pass(MINUTE)
  t.equal(begun.length, 1)
  t.equal(schedule.list()[0]?.nextAt, new Date(2026, 0, 6, 14, 1).getTime())
  begun[0]?.end()
  await pass(23 * HOUR)
  t.equal(begun.length, 1)
  await pass(2 * HOUR)
  t.equal(begun.length, 2)
})

t.test('a sync that still runs when it is due again is left alone, and the log says so', async (t) => {
  const { begun, log, pass, runs } = setScene(t, DAILY.replace('0 14', '*/30 *'))
  await pass(2 * HOUR)
  t.equal(begun.length, 1)
  t.equal(runs.list().length, 1)
  t.match(runs.list()[0], { by: 'schedule' })
  t.match(log.join('\n'), /due and still runs/)
  begun[0]?.end()
  await pass(HOUR)
  t.ok(begun.length > 1)
})

t.test('outside its window a sync waits, at the end of it it stops, and at the next one it goes on', async (t) => {
  const text = 'version: 1\nsync: [{from: quay.io/org/app, schedule: "0 14 * * *", window: "22:00-06:00"}]\n'
  const { begun, log, schedule, pass, runs } = setScene(t, text)
  await pass(3 * HOUR)
  t.equal(begun.length, 0)
  t.match(schedule.list(), [{ isWaiting: true }])
  await pass(7 * HOUR)
  t.equal(begun.length, 1, 'at ten in the evening')
  await pass(9 * HOUR)
  t.same(runs.list(), [], 'ended at six')
  t.match(log.join('\n'), /window of a sync has closed/)
  t.notMatch(log.join('\n'), /error/, 'which is no failure')
  await pass(16 * HOUR)
  t.equal(begun.length, 2, 'and it goes on the next evening')
})

t.test('a run that somebody began outside the window is not ended by it', async (t) => {
  const text = 'version: 1\nsync: [{from: quay.io/org/app, schedule: "0 14 * * *", window: "22:00-06:00"}]\n'
  const { begun, schedule, pass, runs } = setScene(t, text)
  const end = schedule.start()
  const [scheduled] = schedule.list()
  const order = schedule.find(scheduled?.id ?? '')
  if (order === undefined) throw new Error('not scheduled')
  const run = runs.run(order, {})
  await pass(HOUR)
  t.match(runs.list(), [{ by: 'request', isEnding: false }])
  end()
  t.match(runs.list(), [{ by: 'request', isEnding: false }], 'nor by the end of the schedule')
  begun[0]?.end()
  t.equal((await run).outcome, 'done')
})

t.test('a run that fails is an error in the log, with what failed', async (t) => {
  const { begun, log, pass, runs } = setScene(t, DAILY)
  await pass(3 * HOUR)
  const image = { from: 'quay.io/org/app:1', to: 'org/app', tag: '1', result: 'failed', why: 'no such tag' }
  begun[0]?.end('partly', {
    images: [image] as unknown as SyncReport['images'],
    counts: countResults([{ result: 'failed' } as never]),
  })
  await pass(MINUTE)
  t.match(log.join('\n'), /error .*org\/app:1: no such tag.* a scheduled sync failed/)
  t.match(runs.tally, { runs: { partly: 1 }, images: { failed: 1 } })
  const [last] = runs.tally.last.values()
  t.match(last, { outcome: 'partly', goodAt: undefined })
})

t.test('entries of other times are a sync of their own, and those without one are left out', async (t) => {
  const text = [
    'version: 1',
    'defaults: {schedule: "0 14 * * *"}',
    'sync:',
    '  - {from: quay.io/org/a}',
    '  - {from: quay.io/org/b, schedule: "0 15 * * *"}',
    '  - {from: quay.io/org/c, schedule: "off"}',
    '  - {from: quay.io/org/d}',
    '',
  ].join('\n')
  const { begun, schedule, pass } = setScene(t, text)
  t.match(schedule.list(), [{ entries: 2 }, { entries: 1 }])
  const ids = schedule.list().map(({ id }) => id)
  t.equal(new Set(ids).size, 2)
  await pass(4 * HOUR)
  t.same(
    begun.map(({ order }) => order.entries.map(({ source }) => source.repository)),
    [['org/a', 'org/d'], ['org/b']],
  )
})

t.test('a file that changes counts at once; one that breaks leaves what was read before and is told', async (t) => {
  const { begun, log, schedule, pass, write } = setScene(t, DAILY)
  schedule.tick()
  write(DAILY.replace('0 14', '0 13'))
  await pass(2 * HOUR)
  t.equal(begun.length, 1, 'at one')
  begun[0]?.end()
  write('version: 1\nsync: [{frm: quay.io/org/app}]\n')
  await pass(24 * HOUR)
  t.equal(begun.length, 2)
  t.match(schedule.problems(), [{ problem: /frm/ }])
  t.equal(log.filter((line) => line.includes('is not synced')).length, 1, 'once, not every minute')
  write(DAILY)
  await pass(MINUTE)
  t.same(schedule.problems(), [])
})

t.test('the end of the schedule ends what it began', async (t) => {
  const { begun, pass, runs, schedule } = setScene(t, DAILY)
  const end = schedule.start()
  await pass(3 * HOUR)
  t.equal(begun.length, 1)
  end()
  await schedule.settled()
  t.same(runs.list(), [])
})

t.test(
  'how the last run of an earlier life ended is known from the beginning, and a stop says nothing of it',
  async (t) => {
    const startedAt = '2026-01-04T14:00:00.000Z'
    const { begun, pass, runs } = setScene(t, DAILY, undefined, (id) => ({
      ...reportOf({ id, name: 's.yml' } as SyncOrder, 'partly'),
      startedAt,
      seconds: 60,
    }))
    await pass(MINUTE)
    t.match(
      [...runs.tally.last.values()],
      [{ outcome: 'partly', isFailed: true, endedAt: Date.parse(startedAt) + MINUTE }],
    )
    t.match(runs.tally.runs, { partly: 0 }, 'it was counted then')
    await pass(3 * HOUR)
    runs.stop()
    await pass(MINUTE)
    t.match([...runs.tally.last.values()], [{ outcome: 'stopped', isFailed: true }])
    await pass(24 * HOUR)
    begun[1]?.end()
    await pass(MINUTE)
    t.match([...runs.tally.last.values()], [{ outcome: 'done', isFailed: false }])
    await pass(24 * HOUR)
    runs.stop()
    await pass(MINUTE)
    t.match([...runs.tally.last.values()], [{ outcome: 'stopped', isFailed: false }])
  },
)

/** What the directory remembers of a run of an earlier life. */
const lastRun =
  (startedAt: Date, more: Partial<KeptReport> = {}) =>
  (id: string): KeptReport => ({
    ...reportOf({ id, name: 's.yml' } as SyncOrder, 'done'),
    startedAt: startedAt.toISOString(),
    ...more,
  })

t.test('times that were missed while nothing served are made up once, soon after the start', async (t) => {
  // Noon of the fifth: those of the third and the fourth were missed.
  const { begun, log, schedule, pass } = setScene(t, DAILY, undefined, lastRun(new Date(2026, 0, 2, 14, 0)))
  schedule.tick()
  const [first] = schedule.list()
  t.equal(first?.missedAt, new Date(2026, 0, 3, 14, 0).getTime())
  t.equal(first?.nextAt, new Date(2026, 0, 5, 12, 1).getTime(), 'later by half of what it may be late')
  t.match(log.join('\n'), /info .*missed its time while nothing served: it is made up/)
  await pass(2 * MINUTE)
  t.equal(begun.length, 1)
  t.match(schedule.list(), [{ missedAt: undefined, nextAt: new Date(2026, 0, 5, 14, 1).getTime() }])
  begun[0]?.end()
  await pass(HOUR)
  t.equal(begun.length, 1, 'once')
  await pass(2 * HOUR)
  t.equal(begun.length, 2, 'and then at its time')
})

t.test('what is made up waits for its window', async (t) => {
  const text = 'version: 1\nsync: [{from: quay.io/org/app, schedule: "0 23 * * *", window: "22:00-06:00"}]\n'
  const { begun, schedule, pass } = setScene(t, text, undefined, lastRun(new Date(2026, 0, 3, 23, 0)))
  await pass(9 * HOUR)
  t.equal(begun.length, 0)
  t.match(schedule.list(), [{ isWaiting: true }])
  await pass(HOUR)
  t.equal(begun.length, 1, 'at ten in the evening')
})

const NOT_MISSED: [name: string, text: string, last: (id: string) => KeptReport | undefined][] = [
  ['what ran at its last time', DAILY, lastRun(new Date(2026, 0, 4, 14, 1))],
  ['what never ran', DAILY, () => undefined],
  [
    'what is not to be made up',
    DAILY.replace('schedule', 'catchUp: false, schedule'),
    lastRun(new Date(2026, 0, 2, 14, 0)),
  ],
  [
    'what a person stopped after its last time',
    DAILY,
    lastRun(new Date(2026, 0, 4, 14, 1), { outcome: 'stopped', stoppedBy: 'request' }),
  ],
  ['what ran in a future that the clock does not know', DAILY, lastRun(new Date(2026, 5, 1))],
]
for (const [name, text, last] of NOT_MISSED) {
  t.test(`nothing is made up of ${name}`, async (t) => {
    const { begun, schedule, pass } = setScene(t, text, undefined, last)
    await pass(HOUR)
    t.equal(begun.length, 0)
    t.match(schedule.list(), [{ missedAt: undefined }])
  })
}

const BROKEN_OFF: Record<string, Partial<KeptReport>> = {
  'the end of the registry': { outcome: 'stopped', stoppedBy: 'shutdown' },
  'its window': { outcome: 'stopped', stoppedBy: 'window' },
  'a kill': { outcome: 'cutOff' },
}
for (const [by, more] of Object.entries(BROKEN_OFF)) {
  t.test(`a run that ${by} broke off goes on in the next life`, async (t) => {
    const { begun, pass } = setScene(t, DAILY, undefined, lastRun(new Date(2026, 0, 5, 11, 0), more))
    await pass(2 * MINUTE)
    t.equal(begun.length, 1)
  })
}
