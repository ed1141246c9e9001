import { mkdirSync } from 'node:fs'
import t from 'tap'
import { parseRepositoryName } from '../../src/oci/name.ts'
import { parseTag } from '../../src/oci/reference.ts'
import { digestOf } from '../../src/oci/digest.ts'
import { listRepositories, listTags, takePage } from '../../src/registry/list.ts'
import { plantFile } from '../helpers/plant.ts'
import { A, B, makeContext, makeStore } from '../helpers/store.ts'

async function* count(to: number, seen: number[] = []): AsyncGenerator<number> {
  for (let i = 1; i <= to; i += 1) {
    seen.push(i)
    yield i
  }
}

t.test('a page says whether there is more, and reads no further than it must', async (t) => {
  t.same(await takePage(count(3), 3), { items: [1, 2, 3], more: false })
  t.same(await takePage(count(4), 3), { items: [1, 2, 3], more: true })
  t.same(await takePage(count(0), 3), { items: [], more: false })
  t.same(await takePage(count(5), 0), { items: [], more: false })
  const seen: number[] = []
  await takePage(count(1000, seen), 3)
  t.same(seen, [1, 2, 3, 4])
})

t.test('the tags of a repository that is not here are NAME_UNKNOWN, of an empty one none', async (t) => {
  const context = makeContext(makeStore(t.testdir({})))
  t.throws(() => listTags(context, A, ''), { code: 'NAME_UNKNOWN', detail: { name: A } })
  mkdirSync(context.store.layout.layers(A), { recursive: true })
  t.same(await takePage(listTags(context, A, ''), 10), { items: [], more: false })
})

t.test('what a tar brings between two questions is in the second answer', async (t) => {
  const context = makeContext(makeStore(t.testdir({})))
  const { layout } = context.store
  const digest = digestOf(Buffer.from('x'))
  plantFile(layout.tagLink(A, parseTag('b')), digest)
  plantFile(layout.layerLink(A, digest), digest)
  t.same((await takePage(listTags(context, A, ''), 10)).items, ['b'])
  plantFile(layout.tagLink(A, parseTag('a')), digest)
  t.same((await takePage(listTags(context, A, ''), 10)).items, ['a', 'b'])
  t.same((await takePage(listRepositories(context, ''), 10)).items, [A])
  mkdirSync(layout.layers(B), { recursive: true })
  mkdirSync(layout.revisions(parseRepositoryName('a')), { recursive: true })
  t.same((await takePage(listRepositories(context, ''), 10)).items, ['a', A, B])
  t.same((await takePage(listRepositories(context, A), 10)).items, [B])
})
