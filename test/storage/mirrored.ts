import { mkdirSync, readFileSync, renameSync, statSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import t from 'tap'
import { parseDigest } from '../../src/oci/digest.ts'
import { parseTag } from '../../src/oci/reference.ts'
import { hashOf } from '../helpers/digest.ts'
import { A, B, breakSyncs, makeStore, recordSyncs } from '../helpers/store.ts'

const [ONE, TWO] = [parseDigest(hashOf('one')), parseDigest(hashOf('two'))]
const [LATEST, OLD] = [parseTag('latest'), parseTag('old')]
const HOME = { home: 'a'.repeat(32) }

t.test('a mark is there for the same home after a restart, with its upstream and time', async (t) => {
  const directory = t.testdir({})
  const { mirrored, clock } = makeStore(directory, undefined, HOME)
  await mirrored.markManifest(A, ONE, 'quay.io')
  await mirrored.markTag(A, LATEST, ONE, 'quay.io')
  const again = makeStore(directory, undefined, HOME).mirrored
  t.equal(again.manifest(A, ONE)?.upstream, 'quay.io')
  t.match(again.tag(A, LATEST), { digest: ONE, upstream: 'quay.io' })
  t.ok(Math.abs((again.tag(A, LATEST)?.checkedAt ?? 0) - clock()) < 10_000)
  t.equal(again.tag(B, LATEST), undefined)
})

t.test('the marks of another home count for nothing', async (t) => {
  const directory = t.testdir({})
  await makeStore(directory, undefined, HOME).mirrored.markTag(A, LATEST, ONE, 'quay.io')
  t.equal(makeStore(directory, undefined, { home: 'b'.repeat(32) }).mirrored.tag(A, LATEST), undefined)
})

t.test('a file that a tar puts there under the running server is read, and a foreign one protects', async (t) => {
  const { mirrored, layout } = makeStore(t.testdir({}), undefined, HOME)
  await mirrored.markTag(A, LATEST, ONE, 'quay.io')
  const path = layout.mirrored(A)
  const text = readFileSync(path, 'utf8')
  writeFileSync(`${path}.new`, text.replace('a'.repeat(32), 'c'.repeat(32)))
  renameSync(`${path}.new`, path)
  t.equal(mirrored.tag(A, LATEST), undefined)
})

t.test('lines that are none, a torn end and a file that is no such file say nothing', async (t) => {
  const directory = t.testdir({})
  const { layout } = makeStore(directory, undefined, HOME)
  mkdirSync(dirname(layout.mirrored(A)), { recursive: true })
  const header = `tarn-mirrored 1 ${HOME.home}`
  const lines = [
    'tag ../x y z',
    `tag latest ${ONE} quay.io x`,
    'nonsense',
    `manifest ${TWO} quay.io 1`,
    `tag old ${ONE}`,
  ]
  writeFileSync(layout.mirrored(A), [header, ...lines].join('\n'))
  const { mirrored } = makeStore(directory, undefined, HOME)
  t.equal(mirrored.tag(A, LATEST), undefined)
  t.equal(mirrored.tag(A, OLD), undefined)
  t.equal(mirrored.manifest(A, TWO)?.at, 1)
  writeFileSync(layout.mirrored(A), Buffer.alloc(100))
  t.equal(mirrored.manifest(A, TWO), undefined)
})

t.test('a mark is for good before it is there, and where the disk refuses it there is none', async (t) => {
  const syncs = recordSyncs()
  const { mirrored } = makeStore(t.testdir({}), syncs, HOME)
  await mirrored.markTag(A, LATEST, ONE, 'quay.io')
  t.ok(syncs.seen.includes('link file'))
  let broken = true
  const store = makeStore(
    join(t.testdir({ x: {} }), 'x'),
    breakSyncs('link file', 'EIO', () => broken),
    HOME,
  )
  await t.rejects(store.mirrored.markTag(A, LATEST, ONE, 'quay.io'))
  t.equal(store.mirrored.tag(A, LATEST), undefined)
  broken = false
  await store.mirrored.markTag(A, LATEST, ONE, 'quay.io')
  t.equal(store.mirrored.tag(A, LATEST)?.digest, ONE)
})

t.test('what is cleared is gone for good, and clearing what is not there writes nothing', async (t) => {
  const directory = t.testdir({})
  const syncs = recordSyncs()
  const { mirrored } = makeStore(directory, syncs, HOME)
  await mirrored.clear(A, [LATEST], [ONE])
  t.same(syncs.seen, [])
  await mirrored.markManifest(A, ONE, 'quay.io')
  await mirrored.markTag(A, LATEST, ONE, 'quay.io')
  await mirrored.markTag(A, OLD, TWO, 'quay.io')
  await mirrored.clear(A, [LATEST], [ONE])
  const again = makeStore(directory, undefined, HOME).mirrored
  t.equal(again.tag(A, LATEST), undefined)
  t.equal(again.manifest(A, ONE), undefined)
  t.equal(again.tag(A, OLD)?.digest, TWO)
})

t.test('when a tag was asked for again is known at once, and after a flush for the next life too', async (t) => {
  const directory = t.testdir({})
  const { mirrored, layout } = makeStore(directory, undefined, HOME)
  await mirrored.markTag(A, LATEST, ONE, 'quay.io')
  const { ino } = statSync(layout.mirrored(A))
  mirrored.noteChecked(A, LATEST, 42)
  t.equal(mirrored.tag(A, LATEST)?.checkedAt, 42)
  t.equal(statSync(layout.mirrored(A)).ino, ino)
  await mirrored.flush()
  t.equal(makeStore(directory, undefined, HOME).mirrored.tag(A, LATEST)?.checkedAt, 42)
})

t.test('the repositories that have marks are found, one below another too', async (t) => {
  const { mirrored } = makeStore(t.testdir({}), undefined, HOME)
  for (const name of [A, B, 'team/a/below' as typeof A]) await mirrored.markManifest(name, ONE, 'quay.io')
  t.same([...mirrored.names()].toSorted(), ['team/a', 'team/a/below', 'team/b'])
})

t.test('changes at the same time are all kept', async (t) => {
  const { mirrored } = makeStore(t.testdir({}), undefined, HOME)
  const tags = Array.from({ length: 20 }, (_, index) => parseTag(`t${index}`))
  await Promise.all(tags.map((tag) => mirrored.markTag(A, tag, ONE, 'quay.io')))
  t.equal(mirrored.marks(A).tags.size, 20)
})
