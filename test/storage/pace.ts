import t from 'tap'
import { Pace } from '../../src/storage/pace.ts'

t.test('long reading lets others work after each millisecond, and loses nothing', async (t) => {
  let now = 0
  const pace = new Pace(() => now)
  let turns = 0
  let over = false
  const others = (): void => {
    turns += 1
    if (!over) setImmediate(others)
  }
  setImmediate(others)
  const read: number[] = []
  const pausedBefore: number[] = []
  for await (const item of pace.over(Array.from({ length: 100 }, (_, index) => index))) {
    if (turns > 0) pausedBefore.push(item)
    turns = 0
    read.push(item)
    now += 0.1
  }
  over = true
  t.same(
    read,
    Array.from({ length: 100 }, (_, index) => index),
  )
  t.equal(pausedBefore.length, 9)
})

t.test('a turn lets others work and never sleeps, however busy they are', async (t) => {
  let now = 0
  // By this clock each turn of the event loop takes ten milliseconds.
  const pace = new Pace(() => (now += 10))
  let turns = 0
  let over = false
  const others = (): void => {
    turns += 1
    if (!over) setImmediate(others)
  }
  setImmediate(others)
  const since = performance.now()
  for (let count = 0; count < 200; count += 1) await pace.turn()
  over = true
  t.ok(turns >= 199, `${turns} turns`)
  t.ok(performance.now() - since < 1000, 'sleeping would have taken a second')
})
