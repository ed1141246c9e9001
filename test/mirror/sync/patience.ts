import t from 'tap'
import { Patience } from '../../../src/mirror/sync/patience.ts'
import { UpstreamError, describeBreak } from '../../../src/upstream/upstream-error.ts'

function make(limits = {}) {
  let now = 0
  const pauses: number[] = []
  const told: string[] = []
  const stop = new AbortController()
  const patience = new Patience({
    elapsed: () => now,
    signal: stop.signal,
    random: () => 0,
    limits: { silence: 10_000, asked: 100_000, ...limits },
    onWait: (host, milliseconds, { message }) => told.push(`${host} ${milliseconds} ${message}`),
    wait: async (milliseconds) => {
      pauses.push(milliseconds)
      now += milliseconds
    },
  })
  return { patience, pauses, told, stop, turn: (milliseconds: number) => (now += milliseconds) }
}

const away = (): UpstreamError => new UpstreamError('unreachable', 'nobody there')
const failing = (times: number, error: () => Error) => {
  let left = times
  return async (): Promise<string> => {
    left -= 1
    if (left >= 0) throw error()
    return 'done'
  }
}

t.test('what passes is tried again, with longer and longer pauses', async (t) => {
  const { patience, pauses } = make()
  t.equal(await patience.run('up', failing(3, away)), 'done')
  t.same(pauses, [500, 1000, 2000])
})

t.test('an upstream that does not answer is given up, and then no other waits for it', async (t) => {
  const { patience, pauses } = make()
  await t.rejects(patience.run('up', failing(99, away)), UpstreamError)
  t.ok(pauses.reduce((sum, each) => sum + each, 0) <= 10_000)
  pauses.length = 0
  await t.rejects(patience.run('up', failing(99, away)), UpstreamError)
  t.same(pauses, [])
  t.equal(await patience.run('other', failing(1, away)), 'done', 'what one upstream does says nothing of another')
})

t.test('one that answers again is waited for again', async (t) => {
  const { patience, pauses } = make()
  await t.rejects(patience.run('up', failing(99, away)))
  t.equal(await patience.run('up', failing(0, away)), 'done')
  pauses.length = 0
  t.equal(await patience.run('up', failing(1, away)), 'done')
  t.same(pauses, [500])
})

t.test('one that asks to wait is waited for as long as it says', async (t) => {
  const { patience, pauses } = make()
  const limited = (): UpstreamError => new UpstreamError('limited', 'not now', { status: 429, retryAfter: 40_000 })
  t.equal(await patience.run('up', failing(2, limited)), 'done')
  t.same(pauses, [40_000, 40_000])
  await t.rejects(patience.run('up', failing(3, limited)), UpstreamError, 'though not for ever')
})

t.test('what is not going to be different is thrown at once', async (t) => {
  const { patience, pauses } = make()
  for (const error of [
    new UpstreamError('notFound', 'no such thing', { status: 404 }),
    new UpstreamError('failed', 'no', { status: 400 }),
    new UpstreamError('invalid', 'wrong bytes'),
    new Error('the disk'),
  ]) {
    await t.rejects(
      patience.run(
        'up',
        failing(1, () => error),
      ),
      error,
    )
  }
  t.same(pauses, [])
  t.equal(
    await patience.run(
      'up',
      failing(1, () => new UpstreamError('failed', 'broken', { status: 500 })),
    ),
    'done',
  )
})

t.test('a stop ends it with the reason of who stopped', async (t) => {
  const { patience, stop } = make()
  const reason = new Error('enough')
  await t.rejects(
    patience.run('up', async () => {
      stop.abort(reason)
      throw away()
    }),
    reason,
  )
})

t.test(
  'an upstream that counts as offline for longer than it is waited for is tried once more before it is given up',
  async (t) => {
    const { patience, pauses } = make()
    const offline = (): UpstreamError => new UpstreamError('unreachable', 'taken for offline', { retryAfter: 300_000 })
    t.equal(await patience.run('up', failing(1, offline)), 'done')
    t.same(pauses, [10_000])
    const again = make()
    await t.rejects(again.patience.run('up', failing(2, offline)), { message: 'taken for offline' })
    t.same(again.pauses, [10_000])
  },
)

t.test('a certificate that nobody trusts is told at once, by all that wait for that upstream', async (t) => {
  const { patience, pauses } = make()
  for (const code of ['DEPTH_ZERO_SELF_SIGNED_CERT', 'ERR_SSL_WRONG_VERSION_NUMBER', 'UNABLE_TO_GET_ISSUER_CERT']) {
    const error = (): UpstreamError => describeBreak(Object.assign(new Error('TLS'), { code }), 'up')
    await t.rejects(patience.run('up', failing(9, error)), { message: `cannot reach up: ${code}` })
  }
  await t.rejects(patience.run('up', failing(9, away)), { message: 'nobody there' })
  t.same(pauses, [])
  t.equal(await patience.run('other', failing(1, away)), 'done', 'others are waited for')
})

t.test('a server in maintenance that names a time is waited for, and meanwhile nobody gives it up', async (t) => {
  const { patience, pauses } = make()
  const busy = (): UpstreamError => new UpstreamError('failed', 'busy', { status: 503, retryAfter: 40_000 })
  t.equal(await patience.run('up', failing(2, busy)), 'done')
  t.same(pauses, [40_000, 40_000])
  const offline = (): UpstreamError => new UpstreamError('unreachable', 'taken for offline', { retryAfter: 1000 })
  const both = [busy(), ...Array.from({ length: 3 }, offline)]
  t.equal(
    await patience.run(
      'up',
      failing(4, () => both.shift() ?? away()),
    ),
    'done',
  )
})

const busyFor = (retryAfter: number) => (): UpstreamError =>
  new UpstreamError('failed', 'status 503', { status: 503, retryAfter })

t.test('one that is broken for good and says "soon" each time is given up for all, long before a quota', async (t) => {
  const { patience, pauses } = make({ asked: 12 * 3_600_000 })
  const total = (): number => pauses.reduce((sum, each) => sum + each, 0)
  await t.rejects(patience.run('up', failing(1e6, busyFor(5000))), { message: 'status 503' })
  t.ok(total() > 500_000 && total() <= 600_000, `${total()} ms`)
  pauses.length = 0
  for (let thing = 0; thing < 100; thing += 1) await t.rejects(patience.run('up', failing(1e6, busyFor(5000))))
  t.same(pauses, [], 'no other thing waits for it again')
  t.equal(await patience.run('other', failing(1, busyFor(5000))), 'done')
  // Something else comes from it: its word still counts for no more than an error without one.
  await patience.run('up', failing(0, away))
  pauses.length = 0
  await t.rejects(patience.run('up', failing(1e6, busyFor(5000))))
  t.ok(total() <= 10_000)
})

t.test('one that asks to wait for no time at all asks for nothing', async (t) => {
  const { patience, pauses } = make()
  await t.rejects(patience.run('up', failing(1e6, busyFor(0))), UpstreamError)
  t.ok(pauses.reduce((sum, each) => sum + each, 0) <= 10_000)
})

t.test('who is waited for is told, once a minute', async (t) => {
  const { patience, told } = make()
  await patience.run('up', failing(10, busyFor(10_000)))
  t.same(told, ['up 10000 status 503', 'up 10000 status 503'])
  const limited = (): UpstreamError => new UpstreamError('limited', 'quota', { status: 429, retryAfter: 40_000 })
  await patience.run('other', failing(1, limited))
  t.equal(told.at(-1), 'other 40000 quota')
})
