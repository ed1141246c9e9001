import t from 'tap'
import { watchEventLoop } from '../../src/http/event-loop.ts'

/** Holds the event loop up. */
function block(milliseconds: number): void {
  const end = performance.now() + milliseconds
  while (performance.now() < end);
}

t.test('a loop that turns is not stalled', async (t) => {
  const loop = watchEventLoop()
  t.teardown(() => loop.close())
  await new Promise((resolve) => setImmediate(resolve))
  t.equal(loop.isStalled(), false)
})

t.test('a loop that was held up is stalled for a while, and then no longer', async (t) => {
  const loop = watchEventLoop(() => performance.now(), { late: 60, told: 200, every: 10 })
  t.teardown(() => loop.close())
  block(150)
  t.equal(loop.isStalled(), true, 'before the timer came')
  await new Promise((resolve) => setTimeout(resolve, 20))
  t.equal(loop.isStalled(), true, 'after it came')
  while (loop.isStalled()) await new Promise((resolve) => setTimeout(resolve, 10))
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
