import t from 'tap'
import { Mutex } from '../../src/storage/mutex.ts'

t.test('acts on one key run one after the other in the order in which they came', async (t) => {
  const mutex = new Mutex()
  const seen: string[] = []
  const act = (id: number) => async (): Promise<number> => {
    seen.push(`begin ${id}`)
    await new Promise((resolve) => setImmediate(resolve))
    seen.push(`end ${id}`)
    return id
  }
  t.same(await Promise.all([1, 2, 3].map((id) => mutex.run('key', act(id)))), [1, 2, 3])
  t.same(seen, ['begin 1', 'end 1', 'begin 2', 'end 2', 'begin 3', 'end 3'])
})

t.test('acts on different keys do not wait for each other', async (t) => {
  const mutex = new Mutex()
  const { promise, resolve } = Promise.withResolvers<void>()
  const first = mutex.run('a', () => promise)
  t.equal(await mutex.run('b', async () => 'done'), 'done', 'while the first still holds its key')
  resolve()
  await first
})

t.test('an act that fails gives its error to its caller and lets the next one in', async (t) => {
  const mutex = new Mutex()
  const failing = mutex.run('key', async () => {
    throw new Error('broken')
  })
  const next = mutex.run('key', async () => 'in')
  await t.rejects(failing, { message: 'broken' })
  t.equal(await next, 'in')
  t.equal(await mutex.run('key', async () => 'free again'), 'free again')
})

t.test('an act that throws before its first wait is no different', async (t) => {
  const mutex = new Mutex()
  await t.rejects(
    mutex.run('key', () => {
      throw new Error('at once')
    }),
    { message: 'at once' },
  )
  t.equal(await mutex.run('key', async () => 1), 1)
})
