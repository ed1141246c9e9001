import t from 'tap'
import { orderFile } from '../../../src/mirror/sync/order.ts'
import { runPlan } from '../../../src/mirror/sync/run.ts'
import { pushLayers } from '../../helpers/mirror.ts'
import { setRunScene } from '../../helpers/sync-run.ts'
import type { ImageAsk } from '../../../src/mirror/sync/read-image.ts'
import { dropDoubles } from '../../../src/mirror/sync/read-plan.ts'

function askFor(from: string, more: Partial<ImageAsk> = {}, platforms: 'all' | string[] = 'all'): ImageAsk {
  return { image: { from, to: 'app', tag: '1', platforms }, referrers: true, ...more } as unknown as ImageAsk
}

t.test('two entries that mean one image and the same of it are one', (t) => {
  const [first, second] = [
    askFor('a.test/app:1', {}, ['linux/amd64', 'linux/arm64']),
    askFor('a.test/app:1', {}, ['linux/arm64', 'linux/amd64']),
  ]
  t.same(dropDoubles([first, second]), { asks: [first], doubles: [] })
  t.end()
})

t.test('what a second entry wants otherwise of one image is not dropped without a word', (t) => {
  const first = askFor('a.test/app:1')
  for (const other of [
    askFor('a.test/app:1', {}, ['linux/amd64']),
    askFor('a.test/app:1', { referrers: false }),
    askFor('a.test/app:1', { signing: { onlySigned: true, policy: '/p.json' } }),
    askFor('b.test/app:1'),
  ]) {
    t.match(dropDoubles([first, other]), { asks: [first], doubles: [{ from: other.image.from, why: /another entry/ }] })
  }
  t.end()
})

t.test('where entries that run at other times bring images, nothing is pruned', async (t) => {
  const { client, read, readBeside, parts } = await setRunScene(t)
  for (const tag of ['v1', 'v2']) await pushLayers(client, 'team/app', [Buffer.from(tag)], { reference: tag })
  const { plan, work } = await read('{from: up.test/team/app, to: lab/app}')
  const owner = orderFile('version: 1\nsync: [{from: up.test/a/b}]\n', '/s.yml', '/').id
  await runPlan(plan, work, { ...parts, owner })
  const fewer = '{from: up.test/team/app, to: lab/app, tags: {allow: [v2]}, prune: {maxShare: "100%"}}'
  t.equal((await read(fewer)).gone.length, 1)
  t.same((await readBeside(fewer, '{from: up.test/team/other, to: lab/app}')).gone, [])
  t.equal((await readBeside(fewer, '{from: up.test/team/other, to: lab/other}')).gone.length, 1)
})
