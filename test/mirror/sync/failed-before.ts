import t from 'tap'
import { failedIn, skipUnlessFailed } from '../../../src/mirror/sync/failed-before.ts'
import type { FoundImages } from '../../../src/mirror/sync/find-images.ts'
import type { SyncedImage } from '../../../src/mirror/sync/report.ts'

const found = (...names: readonly string[]): FoundImages =>
  ({ asks: names.map((from) => ({ image: { from } })), unread: [], places: [] }) as unknown as FoundImages
const namesOf = ({ asks }: FoundImages): string[] => asks.map(({ image }) => image.from)

t.test('only what failed is tried again', async (t) => {
  const images = [
    { from: 'a.test/x:1', result: 'copied' },
    { from: 'a.test/x:2', result: 'failed' },
    { from: 'a.test/x:3', result: 'kept' },
  ] as SyncedImage[]
  t.same([...failedIn({ images })], ['a.test/x:2'])
  const all = found('a.test/x:1', 'a.test/x:2', 'a.test/x:3', 'a.test/x:4')
  t.same(namesOf(skipUnlessFailed(all, failedIn({ images }))), ['a.test/x:2'])
  t.equal(skipUnlessFailed(all, undefined), all)
})

t.test('of a repository or a registry that could not be listed everything is tried', async (t) => {
  const all = found('a.test/x:1', 'a.test/y:1', 'b.test/z:1')
  t.same(namesOf(skipUnlessFailed(all, new Set(['a.test/x']))), ['a.test/x:1'])
  t.same(namesOf(skipUnlessFailed(all, new Set(['b.test']))), ['b.test/z:1'])
})
