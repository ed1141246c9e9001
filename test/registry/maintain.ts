import { existsSync } from 'node:fs'
import { mock } from 'node:test'
import type { Test } from 'tap'
import t from 'tap'
import { digestOf } from '../../src/oci/digest.ts'
import type { Purging } from '../../src/registry/maintain.ts'
import { maintain } from '../../src/registry/maintain.ts'
import { plantBytes } from '../helpers/plant.ts'
import type { TestStore } from '../helpers/store.ts'
import { A, makeStore } from '../helpers/store.ts'

const HOUR = 3_600_000
const DIGEST = digestOf(Buffer.from('right'))

/** A log whose next line can be waited for. */
function listen() {
  const lines: { level: string; fields: object; text: string }[] = []
  let heard = Promise.withResolvers<void>()
  const at =
    (level: string) =>
    (fields: object, text = ''): void => {
      lines.push({ level, fields, text })
      heard.resolve()
      heard = Promise.withResolvers<void>()
    }
  return { lines, next: () => heard.promise, logger: { info: at('info'), warn: at('warn'), error: at('error') } }
}

/** Begins the work on timers that `pass` moves on. */
function begin(t: Test, store: TestStore, purging: Partial<Purging> = {}, more: { readonly idle?: number } = {}) {
  const heard = listen()
  mock.timers.enable({ apis: ['setInterval'] })
  t.teardown(() => mock.timers.reset())
  const all = { enabled: true, age: HOUR, interval: HOUR, dryrun: false, ...purging }
  const end = maintain({ store, purging: all, ...more, clock: store.clock, logger: heard.logger as never })
  t.teardown(end)
  const pass = async (milliseconds: number): Promise<void> => {
    const heardOf = heard.next()
    mock.timers.tick(milliseconds)
    await heardOf
  }
  return { ...heard, pass, end }
}

t.test('uploads that nobody finished are purged at the interval', async (t) => {
  const store = makeStore(t.testdir({}))
  await store.repositories.ensure(A)
  const key = await store.uploads.begin(A, undefined, 'sha256')
  store.turn(2 * HOUR)
  const { pass, lines } = begin(t, store)
  await pass(HOUR)
  t.notOk(existsSync(store.layout.upload(A, key.id)))
  t.match(lines[0], { level: 'info', fields: { purged: 1, dryrun: false } })
})

t.test('a dry run only says what it would do', async (t) => {
  const store = makeStore(t.testdir({}))
  await store.repositories.ensure(A)
  const key = await store.uploads.begin(A, undefined, 'sha256')
  store.turn(2 * HOUR)
  const { pass, lines } = begin(t, store, { dryrun: true })
  await pass(HOUR)
  t.ok(existsSync(store.layout.upload(A, key.id)))
  t.match(lines[0], { fields: { purged: 1, dryrun: true } })
})

t.test('a failure is logged, the next round tries again, and nothing runs after the end', async (t) => {
  const store = makeStore(t.testdir({}))
  let broken = true
  const clock = (): number => {
    if (broken) throw new Error('injected')
    return store.clock()
  }
  const { pass, lines, end } = begin(t, { ...store, clock })
  await pass(HOUR)
  t.match(lines[0], { level: 'error', text: 'purging uploads failed' })
  broken = false
  await pass(HOUR)
  t.match(lines[1], { level: 'info', fields: { purged: 0 } })
  end()
  mock.timers.tick(10 * HOUR)
  await new Promise((resolve) => setImmediate(resolve))
  t.equal(lines.length, 2)
})

t.test('suspects are looked after every minute, and their move is told', async (t) => {
  const store = makeStore(t.testdir({}))
  plantBytes(store, Buffer.from('wrong'), DIGEST)
  await store.blobs.ensureWhole(DIGEST)
  store.turn(HOUR)
  const { pass, lines } = begin(t, store, { enabled: false })
  await pass(60_000)
  t.match(lines[0], { level: 'warn', fields: { digest: DIGEST }, text: /quarantine/ })
  t.notOk(existsSync(store.layout.blobData(DIGEST)))
})

t.test('an upload to which nothing came is dropped within a minute, without waiting for the interval', async (t) => {
  const store = makeStore(t.testdir({}))
  const key = await store.uploads.begin(A, undefined, 'sha256')
  store.turn(2 * HOUR)
  const { pass, lines } = begin(t, store, { age: 100 * HOUR, interval: 100 * HOUR }, { idle: HOUR })
  await pass(60_000)
  t.notOk(existsSync(store.layout.upload(A, key.id)))
  t.match(lines[0], { level: 'info', fields: { purged: 1 } })
})

t.test('where purging is off, or only tried, no idle upload is dropped', async (t) => {
  for (const purging of [{ enabled: false }, { dryrun: true, interval: HOUR }]) {
    const store = makeStore(t.testdir({}))
    const key = await store.uploads.begin(A, undefined, 'sha256')
    store.turn(2 * HOUR)
    const { end } = begin(t, store, purging, { idle: 1000 })
    mock.timers.tick(120_000)
    await new Promise((resolve) => setImmediate(resolve))
    t.ok(existsSync(store.layout.upload(A, key.id)))
    end()
    mock.timers.reset()
  }
})

t.test('uploads of an earlier life are purged too', async (t) => {
  const directory = t.testdir({})
  const before = makeStore(directory)
  const key = await before.uploads.begin(A, 'ann', 'sha256')
  const store = makeStore(directory)
  store.turn(2 * HOUR)
  const { pass } = begin(t, store)
  while (store.uploads.open.count().waiting === 0) await new Promise((resolve) => setImmediate(resolve))
  await pass(HOUR)
  t.notOk(existsSync(store.layout.upload(A, key.id)))
})

t.test('a disk that fills up is said once', async (t) => {
  const store = makeStore(t.testdir({}), undefined, { room: { warn: '100%', stop: '100%' } })
  const { pass, lines } = begin(t, store, { enabled: false })
  await pass(5000)
  mock.timers.tick(20_000)
  await new Promise((resolve) => setImmediate(resolve))
  t.equal(lines.length, 1)
  t.match(lines[0], { level: 'warn', text: 'no room: new uploads are refused', fields: { free: Number } })
})
