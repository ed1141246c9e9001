import t from 'tap'
import { makeTurns } from '../../src/upstream/turns.ts'

t.test('no more run than the limit, and the others come in order', async (t) => {
  const turns = makeTurns(1)
  const first = await turns.take()
  const order: string[] = []
  const second = turns.take().then((release) => (order.push('second'), release))
  const third = turns.take().then((release) => (order.push('third'), release))
  t.equal(turns.waiting, 2)
  first()
  first()
  ;(await second)()
  ;(await third)()
  t.same(order, ['second', 'third'])
  t.equal(turns.running, 0)
})

t.test('one who leaves the queue holds up nobody', async (t) => {
  const turns = makeTurns(1)
  const release = await turns.take()
  const controller = new AbortController()
  const leaver = turns.take(controller.signal)
  const next = turns.take()
  controller.abort(new Error('left'))
  await t.rejects(leaver, { message: 'left' })
  release()
  ;(await next)()
  t.equal(turns.running, 0)
  await t.rejects(turns.take(controller.signal), { message: 'left' })
  t.equal(turns.running, 0)
})
