import t from 'tap'
import { Pace } from '../../src/storage/pace.ts'

t.test('long reading lets others work after each quarter of a millisecond, and loses nothing', async (t) => {
  let now = 0
  const pace = new Pace(
    () => now,
    () => 0,
  )
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
  t.equal(pausedBefore.length, 33)
})

t.test('where others are at work it sleeps between the steps, elsewhere it does not', async (t) => {
  for (const others of [1, 0]) {
    let [now, active] = [0, 0]
    const pace = new Pace(
      () => now,
      () => (active += others),
    )
    let turns = 0
    let over = false
    const turn = (): void => {
      turns += 1
      if (!over) setImmediate(turn)
    }
    setImmediate(turn)
    const since = performance.now()
    now += 100
    for (let count = 0; count < 20; count += 1) {
      now += 1
      await pace.rest()
    }
    const slept = performance.now() - since
    over = true
    if (others > 0) t.ok(slept >= 20, `${slept} ms`)
    // While one sleeps the event loop turns many times; how long it takes says nothing on a busy machine.
    else t.ok(turns <= 22, `${turns} turns`)
  }
})

t.test('what is done in a moment is done at once, whoever is at work', async (t) => {
  let [now, active] = [0, 0]
  const pace = new Pace(
    () => now,
    () => (active += 1),
  )
  for (let count = 0; count < 90; count += 1) {
    now += 1
    await pace.rest()
    now += 0.1
    t.notOk(pace.isDue)
  }
  now += 10
  await pace.rest()
  now += 0.1
  t.ok(pace.isDue, 'from then on others come first')
})

t.test('where others are at work its steps are single acts, but not for ever', async (t) => {
  let [now, active] = [0, 0]
  const pace = new Pace(
    () => now,
    () => (active += 1),
  )
  now += 100.1
  await pace.rest()
  now += 0.1
  t.ok(pace.isDue)
  now += 100_000
  await pace.rest()
  now += 0.1
  t.notOk(pace.isDue)
})
