import t from 'tap'
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
