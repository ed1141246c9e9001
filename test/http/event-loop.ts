import { mock } from 'node:test'
import t from 'tap'
import { watchEventLoop } from '../../src/http/event-loop.ts'

t.test('a loop that turns is not stalled', async (t) => {
  const loop = watchEventLoop()
  t.teardown(() => loop.close())
  await new Promise((resolve) => setImmediate(resolve))
  t.equal(loop.isStalled(), false)
})

t.test('a loop that was held up is stalled for a while, and then no longer', async (t) => {
  mock.timers.enable({ apis: ['setInterval'] })
  t.teardown(() => mock.timers.reset())
  let now = 0
  const loop = watchEventLoop(() => now, { late: 60, told: 200, every: 10 })
  t.teardown(() => loop.close())
  now = 150
  t.equal(loop.isStalled(), true, 'before the timer came')
  mock.timers.tick(10)
  t.equal(loop.isStalled(), true, 'after it came')
  for (now = 160; now < 350; now += 10) {
    mock.timers.tick(10)
    t.equal(loop.isStalled(), true, `after ${now} ms`)
  }
  mock.timers.tick(10)
  t.equal(loop.isStalled(), false)
})

t.test('less than five seconds is no hold-up, more is', async (t) => {
  let now = 0
  const loop = watchEventLoop(() => now)
  t.teardown(() => loop.close())
  now = 5000
  t.equal(loop.isStalled(), false)
  now = 5600
  t.equal(loop.isStalled(), true)
})
