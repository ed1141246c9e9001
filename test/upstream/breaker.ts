import t from 'tap'
import { Breaker } from '../../src/upstream/breaker.ts'
import type { BreakerOptions } from '../../src/upstream/breaker.ts'

function start(options: Partial<BreakerOptions> = {}) {
  const time = { now: 1_000_000 }
  const breaker = new Breaker({ clock: () => time.now, threshold: 2, first: 1000, longest: 3000, ...options })
  const fail = () => breaker.admit()?.fail()
  return { time, breaker, fail }
}

t.test('it stays closed below its threshold, and a success counts from the beginning', async (t) => {
  const { breaker, fail } = start()
  fail()
  breaker.admit()?.succeed()
  fail()
  t.equal(breaker.state.state, 'closed')
  fail()
  t.equal(breaker.state.state, 'open')
  t.equal(breaker.wait, 1000)
  t.equal(breaker.admit(), undefined)
})

t.test('after the delay one request passes, and the others wait for what it finds', async (t) => {
  const { time, breaker, fail } = start()
  fail()
  fail()
  time.now += 1000
  const probe = breaker.admit()
  t.ok(probe)
  t.equal(breaker.state.state, 'probing')
  t.equal(breaker.admit(), undefined)
  t.ok(breaker.wait > 0)
  probe?.succeed()
  t.ok(breaker.admit())
})

t.test('who asks for it by name may try it before its time, one at a time', async (t) => {
  const { breaker, fail } = start()
  fail()
  fail()
  t.equal(breaker.admit(), undefined)
  breaker.hasten()
  const probe = breaker.admit()
  t.ok(probe)
  t.equal(breaker.admit(), undefined)
  breaker.hasten()
  t.equal(breaker.admit(), undefined)
  probe?.fail()
  t.equal(breaker.wait, 2000)
})

t.test('the delay grows with each new try that fails, up to the longest', async (t) => {
  const { time, breaker, fail } = start()
  fail()
  fail()
  for (const delay of [2000, 3000, 3000]) {
    time.now += breaker.wait
    fail()
    t.equal(breaker.wait, delay)
  }
})

t.test('a new try that is given up lets the next one pass', async (t) => {
  const { time, breaker, fail } = start()
  fail()
  fail()
  time.now += 1000
  breaker.admit()?.drop()
  t.ok(breaker.admit())
})

t.test('requests that fail late do not make the delay grow', async (t) => {
  const { breaker } = start()
  const passes = [1, 2, 3, 4, 5].map(() => breaker.admit())
  for (const pass of passes) pass?.fail()
  t.equal(breaker.wait, 1000)
})

t.test('a pass counts once', async (t) => {
  const { breaker } = start()
  const pass = breaker.admit()
  pass?.fail()
  pass?.fail()
  pass?.succeed()
  t.equal(breaker.state.failures, 1)
})

t.test('a clock that was set back does not keep it open', async (t) => {
  const { time, breaker, fail } = start()
  fail()
  fail()
  time.now -= 10_000_000
  t.ok(breaker.admit())
})
