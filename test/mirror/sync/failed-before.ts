import t from 'tap'
import type { ImageSource } from '../../../src/config/image-source.ts'
import { parseImageSource } from '../../../src/config/image-source.ts'
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
  t.same([...failedIn({ images, outcome: 'partly' }, [])], ['a.test/x:2'])
  const all = found('a.test/x:1', 'a.test/x:2', 'a.test/x:3', 'a.test/x:4')
  t.same(namesOf(skipUnlessFailed(all, failedIn({ images, outcome: 'partly' }, []))), ['a.test/x:2'])
  t.equal(skipUnlessFailed(all, undefined), all)
})

t.test('of a repository or a registry that could not be listed everything is tried', async (t) => {
  const all = found('a.test/x:1', 'a.test/y:1', 'b.test/z:1')
  t.same(namesOf(skipUnlessFailed(all, new Set(['a.test/x']))), ['a.test/x:1'])
  t.same(namesOf(skipUnlessFailed(all, new Set(['b.test']))), ['b.test/z:1'])
})

t.test('what cannot be listed now is told when something in it failed before', async (t) => {
  const unread = ['a.test', 'a.test/x', 'a.test/y', 'a.test/x/z', 'b.test'].map((from) => ({ from, why: 'down' }))
  const all = { asks: [], unread, places: [] } as unknown as FoundImages
  const told = (...only: readonly string[]): string[] =>
    skipUnlessFailed(all, new Set(only)).unread.map(({ from }) => from)
  t.same(told('a.test/x:2'), ['a.test', 'a.test/x'])
  t.same(told('a.test/x@sha256:00'), ['a.test', 'a.test/x'])
  t.same(told('a.test/xy:1'), ['a.test'])
  t.same(told('a.test:5000/x:1'), ['a.test'], 'too much is told rather than too little')
})

t.test('after a run that ended before it knew its images all is tried', async (t) => {
  const entries = ['a.test/x', 'b.test', 'c.test/z:1'].map((text) => ({
    source: parseImageSource(text) as ImageSource,
  }))
  const only = failedIn({ images: [], outcome: 'failed' }, entries)
  const all = found('a.test/x:1', 'b.test/y:2', 'c.test/z:1')
  t.same(namesOf(skipUnlessFailed(all, only)), ['a.test/x:1', 'b.test/y:2', 'c.test/z:1'])
  t.same([...failedIn({ images: [], outcome: 'done' }, entries)], [])
  t.same(failedIn({ images: [], outcome: 'cutOff' }, entries), only, 'and after one that a kill ended')
})
