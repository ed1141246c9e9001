import { readFileSync } from 'node:fs'
import t from 'tap'
import { makeRests } from '../../src/storage/low-priority.ts'
import { runWorker } from '../../src/storage/worker.ts'

// proc(5): the 19th field of stat; the second one, in brackets, may hold spaces.
function niceOf(stat: string): number {
  return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[16])
}

t.test('a thread lowers its own priority and nobody else’s', async (t) => {
  const before = niceOf(readFileSync('/proc/thread-self/stat', 'latin1'))
  let inside = ''
  const from = new URL('../helpers/threads/', import.meta.url).href + 'x.ts'
  await runWorker<string>({ from, file: 'low-priority', data: undefined, onMessage: (stat) => void (inside = stat) })
  t.equal(niceOf(inside), Math.min(19, before + 10), 'whatever this process was given')
  t.equal(niceOf(readFileSync('/proc/thread-self/stat', 'latin1')), before)
})

t.test('long reading sleeps for three times as long as it works', async (t) => {
  let now = 0
  const rest = makeRests(() => now)
  const sleeps: number[] = []
  for (let step = 0; step < 10; step += 1) {
    const before = process.hrtime.bigint()
    now += 0.1
    rest()
    if (process.hrtime.bigint() - before >= 750_000n) sleeps.push(step)
  }
  t.ok(
    [2, 5, 8].every((step) => sleeps.includes(step)),
    `it slept at ${sleeps.join(', ')}`,
  )
})
