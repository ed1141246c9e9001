import t from 'tap'
import { orAborted, untilAborted } from '../../../src/storage/check/guard.ts'

const OVER = new Error('over')

t.test('what is waited for is given, or thrown', async (t) => {
  const { signal } = new AbortController()
  t.equal(await orAborted(Promise.resolve(1), signal), 1)
  await t.rejects(orAborted(Promise.reject(OVER), signal), OVER)
})

t.test('an abort ends the waiting for what never comes', async (t) => {
  const stop = new AbortController()
  const waiting = orAborted(new Promise(() => undefined), stop.signal)
  stop.abort(OVER)
  await t.rejects(waiting, OVER)
  await t.rejects(orAborted(new Promise(() => undefined), stop.signal), OVER)
})

t.test('a stream is passed on to its end', async (t) => {
  let isOver = false
  async function* source() {
    yield* [1, 2, 3]
    isOver = true
  }
  const got: number[] = []
  for await (const each of untilAborted(source(), new AbortController().signal)) got.push(each)
  t.same(got, [1, 2, 3])
  t.ok(isOver)
})

t.test('a stream that falls silent ends with the abort, and is told so', async (t) => {
  const stop = new AbortController()
  const { promise: silence, resolve: speak } = Promise.withResolvers<void>()
  const { promise: told, resolve: tell } = Promise.withResolvers<void>()
  async function* source() {
    try {
      yield 1
      stop.abort(OVER)
      await silence
      yield 2
    } finally {
      tell()
    }
  }
  const got: number[] = []
  const reading = async (): Promise<void> => {
    for await (const each of untilAborted(source(), stop.signal)) got.push(each)
  }
  await t.rejects(reading(), OVER)
  t.same(got, [1])
  speak()
  await told
})
