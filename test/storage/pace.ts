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
