import t from 'tap'
import { runHeld } from '../../../src/storage/collect/run-held.ts'
import { Mutex } from '../../../src/storage/mutex.ts'
import { Pace } from '../../../src/storage/pace.ts'

t.test('who waits for the mutex comes in when a step is used up, and the steps go on', async (t) => {
  const mutex = new Mutex()
  let now = 0
  let done = 0
  function* work(): Generator<void, string> {
    for (; done < 200; done += 1) {
      now += 0.01
      yield
    }
    return 'the end'
  }
  const cameIn: number[] = []
  const running = runHeld(mutex, 'key', work(), new Pace(() => now))
  const waiting = [1, 2].map(() => mutex.run('key', async () => cameIn.push(done)))
  t.equal(await running, 'the end')
  await Promise.all(waiting)
  t.equal(done, 200)
  t.equal(cameIn.length, 2)
  t.ok((cameIn[0] ?? 0) >= 20 && (cameIn[1] ?? 200) <= 30, cameIn.join())
})

t.test('what a step throws is thrown, and lets the mutex go', async (t) => {
  const mutex = new Mutex()
  function* fail(): Generator<void, void> {
    yield
    throw new Error('no')
  }
  await t.rejects(runHeld(mutex, 'key', fail(), new Pace()), { message: 'no' })
  t.equal(await mutex.run('key', async () => 1), 1)
})
