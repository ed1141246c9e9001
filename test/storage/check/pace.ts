import t from 'tap'
import { Pace } from '../../../src/storage/check/pace.ts'

/** A clock that only sleeping, and `pass`, move on. */
function makeClock() {
  const clock = { now: 0, slept: 0 }
  const sleep = (milliseconds: number): void => {
    clock.now += milliseconds
    clock.slept += milliseconds
  }
  return { clock, pace: (rate: number) => new Pace(rate, () => clock.now, sleep) }
}

t.test('reading takes as long as its bytes are worth', async (t) => {
  const { clock, pace } = makeClock()
  const paced = pace(1_000_000)
  for (let piece = 0; piece < 100; piece += 1) paced.take(100_000)
  t.equal(Math.round(clock.slept), 10_000)
})

t.test('tiny pieces are slept for together', async (t) => {
  const { clock, pace } = makeClock()
  const paced = pace(1_000_000)
  for (let piece = 0; piece < 4; piece += 1) paced.take(1000)
  t.equal(clock.slept, 0)
  paced.take(1000)
  t.equal(Math.round(clock.slept), 5)
})

t.test('what was not read in a pause is not made up for', async (t) => {
  const { clock, pace } = makeClock()
  const paced = pace(1_000_000)
  clock.now += 60_000
  paced.take(1_000_000)
  t.equal(Math.round(clock.slept), 800)
})

t.test('without a limit nothing sleeps', async (t) => {
  const { clock, pace } = makeClock()
  pace(Infinity).take(1e12)
  t.equal(clock.slept, 0)
})
