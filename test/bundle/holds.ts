import { once } from 'node:events'
import t from 'tap'
import { Holds } from '../../src/bundle/holds.ts'

t.test('a hold ends once: by its user, or after the time in which nobody asked for it', async (t) => {
  let ids = 0
  const ended: string[] = []
  const holds = new Holds(() => `${(ids += 1)}`, 20)
  const first = holds.begin(() => void ended.push('first'))
  t.ok(holds.keep(first))
  t.ok(holds.end(first))
  t.notOk(holds.end(first))
  t.notOk(holds.keep(first))
  const over = new EventTarget()
  const waiting = once(over, 'end')
  const second = holds.begin(() => {
    ended.push('second')
    over.dispatchEvent(new Event('end'))
  })
  // Its timer keeps no process alive; the test must.
  const alive = setInterval(() => undefined, 1000)
  await waiting
  clearInterval(alive)
  t.notOk(holds.keep(second))
  t.same(ended, ['first', 'second'])
})
