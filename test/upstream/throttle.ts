import t from 'tap'
import { makeThrottle } from '../../src/upstream/throttle.ts'

t.test('bytes cost their time, and small debts are collected', async (t) => {
  const waits: number[] = []
  let now = 0
  const wait = async (milliseconds: number): Promise<void> => {
    waits.push(milliseconds)
    now += milliseconds
  }
  const throttle = makeThrottle({ bytesPerSecond: 1000, clock: () => now, wait })
  await throttle.spend(10)
  t.same(waits, [])
  await throttle.spend(90)
  t.same(waits, [100])
  await throttle.spend(500)
  t.same(waits, [100, 500])
})

t.test('time that nobody used is not saved up', async (t) => {
  const waits: number[] = []
  let now = 0
  const throttle = makeThrottle({
    bytesPerSecond: 1000,
    clock: () => now,
    wait: async (milliseconds) => void waits.push(milliseconds),
  })
  await throttle.spend(100)
  now = 1_000_000
  await throttle.spend(100)
  t.same(waits, [100, 100])
})

t.test('0 is no limit', async (t) => {
  const throttle = makeThrottle({
    bytesPerSecond: 0,
    clock: () => 0,
    wait: async () => void t.fail('it waited'),
  })
  await throttle.spend(1e12)
  t.pass()
})
