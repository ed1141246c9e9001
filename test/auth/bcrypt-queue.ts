import { hashSync } from 'bcryptjs'
import t from 'tap'
import { Worker } from 'node:worker_threads'
import { countWorkers, createBcryptQueue } from '../../src/auth/bcrypt-queue.ts'

const HASH = hashSync('secret', 4)

t.test('checks in a worker thread and tells right from wrong', async (t) => {
  const queue = createBcryptQueue({ limit: 8, workers: 1 })
  t.teardown(() => queue.close())
  t.equal(await queue.check('secret', HASH, 'a'), true)
  t.equal(await queue.check('Secret', HASH, 'a'), false)
  t.equal(await queue.check('', HASH, 'a'), false)
})

t.test('takes what htpasswd -B of Apache makes', async (t) => {
  const queue = createBcryptQueue({ limit: 8, workers: 1 })
  t.teardown(() => queue.close())
  const apache = '$2y$05$LTYmKvxyYqEkzW2y4BeF1OrqKjfw4Epk.brrAKOYiGkW720.J.4QS'
  t.equal(await queue.check('david', apache, 'a'), true)
  t.equal(await queue.check('David', apache, 'a'), false)
})

t.test('the event loop goes on turning while a slow hash is checked', async (t) => {
  const queue = createBcryptQueue({ limit: 8, workers: 1 })
  t.teardown(() => queue.close())
  const slow = HASH.replace('$04$', '$09$')
  let turns = 0
  let running = true
  const turn = (): void => {
    turns += 1
    if (running) setTimeout(turn, 1)
  }
  turn()
  await queue.check('secret', slow, 'a')
  running = false
  t.ok(turns > 5, `${turns} turns`)
})

t.test('a full queue answers 429 with Retry-After at once, and has room again when its checks are done', async (t) => {
  const queue = createBcryptQueue({ limit: 4, workers: 1 })
  t.teardown(() => queue.close())
  const held = ['a', 'b', 'c', 'd'].map((source) => queue.check('secret', HASH, source))
  await t.rejects(queue.check('secret', HASH, 'e'), {
    code: 'TOOMANYREQUESTS',
    status: 429,
    headers: { 'Retry-After': '1' },
  })
  t.same(await Promise.all(held), [true, true, true, true])
  t.equal(await queue.check('secret', HASH, 'e'), true)
})

t.test('one source gets no more than half of the queue', async (t) => {
  const queue = createBcryptQueue({ limit: 4, workers: 1 })
  t.teardown(() => queue.close())
  const held = [queue.check('x', HASH, 'flood'), queue.check('y', HASH, 'flood')]
  await t.rejects(queue.check('z', HASH, 'flood'), { code: 'TOOMANYREQUESTS' })
  t.equal(await queue.check('secret', HASH, 'other'), true)
  t.same(await Promise.all(held), [false, false])
  t.equal(await queue.check('secret', HASH, 'flood'), true)
})

t.test('a thread that dies fails its own check cleanly; the others run in a new thread', async (t) => {
  let started = 0
  const queue = createBcryptQueue({
    limit: 8,
    workers: 1,
    startWorker: () => {
      started += 1
      if (started > 1) return new Worker(new URL('../../src/auth/bcrypt-worker.ts', import.meta.url))
      return new Worker(
        'require("node:worker_threads").parentPort.once("message", () => { throw new Error("dies") })',
        {
          eval: true,
          stderr: true,
        },
      )
    },
  })
  t.teardown(() => queue.close())
  const [first, second] = await Promise.allSettled([queue.check('secret', HASH, 'a'), queue.check('secret', HASH, 'b')])
  t.match(first, { status: 'rejected', reason: { code: 'UNAVAILABLE', status: 503 } })
  t.match(second, { status: 'fulfilled', value: true })
  t.equal(started, 2)
})

t.test('no thread is started before the first check', async (t) => {
  let started = 0
  const queue = createBcryptQueue({
    limit: 8,
    workers: 1,
    startWorker: () => {
      started += 1
      return new Worker(new URL('../../src/auth/bcrypt-worker.ts', import.meta.url))
    },
  })
  t.equal(started, 0)
  await Promise.all([queue.check('secret', HASH, 'a'), queue.check('secret', HASH, 'b')])
  t.equal(started, 1)
  await queue.close()
})

t.test('closing fails what waits and what comes later', async (t) => {
  const queue = createBcryptQueue({ limit: 8, workers: 1 })
  const checks = Promise.allSettled([
    queue.check('secret', HASH.replace('$04$', '$12$'), 'a'),
    queue.check('x', HASH, 'b'),
  ])
  await queue.close()
  for (const result of await checks) t.match(result, { status: 'rejected', reason: { code: 'UNAVAILABLE' } })
  await t.rejects(queue.check('secret', HASH, 'a'), { code: 'UNAVAILABLE' })
})

t.test('a small machine gives one thread, a large one four', async (t) => {
  t.same([1, 2, 3, 4, 8, 64].map(countWorkers), [1, 1, 1, 2, 4, 4])
})
