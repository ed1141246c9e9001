import t from 'tap'
import { besideClients, inParallel } from '../../../src/mirror/sync/in-parallel.ts'

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

t.test('no more than so many run at a time, and results keep their order', async (t) => {
  let running = 0
  let most = 0
  const results = await inParallel([1, 2, 3, 4, 5, 6, 7], 3, async (item) => {
    running += 1
    most = Math.max(most, running)
    for (let turns = item % 3; turns >= 0; turns -= 1) await turn()
    running -= 1
    return item * 10
  })
  t.equal(most, 3)
  t.same(results, [10, 20, 30, 40, 50, 60, 70])
})

t.test('after a failure nothing more is begun, and what is under way ends first', async (t) => {
  const begun: number[] = []
  const ended: number[] = []
  const all = inParallel([1, 2, 3, 4], 2, async (item) => {
    begun.push(item)
    if (item === 1) throw new Error('one')
    await turn()
    ended.push(item)
  })
  await t.rejects(all, { message: 'one' })
  t.same(begun, [1, 2])
  t.same(ended, [2])
})

t.test('two of what an upstream allows are left for clients', (t) => {
  t.equal(besideClients({ concurrency: 8 }), 6)
  t.equal(besideClients({ concurrency: 1 }), 1)
  t.end()
})
