import { existsSync, mkdirSync, readFileSync, renameSync, statSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import fc from 'fast-check'
import t from 'tap'
import { parseDigest } from '../../src/oci/digest.ts'
import { parseTag } from '../../src/oci/reference.ts'
import { formatMarks } from '../../src/storage/mirrored-file.ts'
import { readMarks } from '../../src/storage/mirrored.ts'
import { hashOf } from '../helpers/digest.ts'
import { A, B, breakSyncs, makeStore, recordSyncs } from '../helpers/store.ts'

const [ONE, TWO] = [parseDigest(hashOf('one')), parseDigest(hashOf('two'))]
const [LATEST, OLD] = [parseTag('latest'), parseTag('old')]
const HOME = { home: 'a'.repeat(32) }
const MARK = { digest: ONE, upstream: 'quay.io', checkedAt: 1 }

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

t.test('marks of another home are gone from the file when somebody pushes, and looking changes nothing', async (t) => {
  const directory = t.testdir({})
  const { mirrored, layout } = makeStore(directory, undefined, HOME)
  await mirrored.markTag(A, LATEST, ONE, 'quay.io')
  const other = makeStore(directory, undefined, { home: 'b'.repeat(32) }).mirrored
  t.equal(other.tag(A, LATEST), undefined)
  await other.flush()
  t.ok(existsSync(layout.mirrored(A)))
  await other.clear(A, [LATEST], [])
  t.notOk(existsSync(layout.mirrored(A)))
  const carriedBack = makeStore(directory, undefined, HOME).mirrored
  t.equal(carriedBack.tag(A, LATEST), undefined, 'what was pushed there is not taken for what was mirrored here')
})

t.test('a file that a tar puts there under the running server takes marks away and adds none', async (t) => {
  const directory = t.testdir({})
  const { mirrored, layout } = makeStore(directory, undefined, HOME)
  const path = layout.mirrored(A)
  await mirrored.markTag(A, LATEST, ONE, 'quay.io')
  await mirrored.markTag(A, OLD, ONE, 'quay.io')
  await mirrored.markManifest(A, ONE, 'quay.io')
  const past = readFileSync(path)
  await mirrored.clear(A, [LATEST], [])
  await mirrored.markManifest(A, TWO, 'quay.io')
  writeFileSync(`${path}.new`, past)
  renameSync(`${path}.new`, path)
  t.equal(mirrored.tag(A, LATEST), undefined, 'somebody pushed it since')
  t.equal(mirrored.manifest(A, TWO), undefined, 'the file does not say it')
  t.equal(mirrored.tag(A, OLD)?.digest, ONE)
  t.ok(mirrored.manifest(A, ONE))
  await mirrored.clear(A, [LATEST], [])
  t.equal(makeStore(directory, undefined, HOME).mirrored.tag(A, LATEST), undefined, 'nor in the next life')
  writeFileSync(path, 'tarn-mirrored 1 \n')
  t.equal(mirrored.manifest(A, ONE), undefined)
  const none = layout.mirrored(B)
  t.equal(mirrored.tag(B, LATEST), undefined)
  mkdirSync(dirname(none), { recursive: true })
  writeFileSync(none, formatMarks(HOME.home, B, { tags: new Map([[LATEST, MARK]]), manifests: new Map() }))
  t.equal(mirrored.tag(B, LATEST), undefined, 'it had none')
})

t.test('who does not keep the directory reads what the keeper writes, and takes it up as it is', async (t) => {
  const directory = t.testdir({})
  const keeper = makeStore(directory, undefined, HOME).mirrored
  let keeps = false
  const other = makeStore(directory, undefined, { ...HOME, keeps: () => keeps }).mirrored
  t.equal(other.tag(A, LATEST), undefined)
  await keeper.markTag(A, LATEST, ONE, 'quay.io')
  t.equal(other.tag(A, LATEST)?.digest, ONE)
  await keeper.markTag(A, OLD, ONE, 'quay.io')
  keeps = true
  t.equal(other.tag(A, OLD)?.digest, ONE)
})

t.test('a file counts for the home and the repository that it was made for, and as a whole', async (t) => {
  const { mirrored, layout } = makeStore(t.testdir({}), undefined, HOME)
  await mirrored.markTag(A, LATEST, ONE, 'quay.io')
  const text = readFileSync(layout.mirrored(A), 'utf8')
  t.notOk(text.includes(HOME.home), 'what only the home knows is not told')
  const read = (bytes: string | Buffer, name = A): unknown => {
    mkdirSync(dirname(layout.mirrored(name)), { recursive: true })
    writeFileSync(layout.mirrored(name), bytes)
    return readMarks(layout, name, HOME.home).tags.get(LATEST)?.digest
  }
  t.equal(read(text), ONE)
  t.equal(read(text, B), undefined)
  for (const strange of [
    text.replace(ONE, TWO),
    text.replace('latest', 'old'),
    `${text}tag old ${ONE} quay.io 1\n`,
    text.slice(0, -1),
    text.slice(text.indexOf('\n') + 1),
    text.replace('tarn-mirrored 1', 'tarn-mirrored 2'),
    'tarn-mirrored 1',
    '',
    Buffer.alloc(100),
  ]) {
    t.equal(read(strange), undefined)
  }
})

t.test('what is forgotten is no mark any more, and a push that comes before it is written writes it', async (t) => {
  const directory = t.testdir({})
  let full = false
  const { mirrored } = makeStore(
    directory,
    breakSyncs('link file', 'ENOSPC', () => full),
    HOME,
  )
  const known = (): unknown[] => [...makeStore(directory, undefined, HOME).mirrored.marks(A).tags.keys()]
  await mirrored.markTag(A, LATEST, ONE, 'quay.io')
  await mirrored.markTag(A, OLD, ONE, 'quay.io')
  full = true
  mirrored.forget(A, [LATEST], [ONE])
  await mirrored.flush()
  t.equal(mirrored.tag(A, LATEST), undefined)
  t.same(known(), [LATEST, OLD], 'the disk took nothing')
  await t.rejects(mirrored.clear(A, [LATEST], []), { code: 'ENOSPC' })
  full = false
  await mirrored.clear(A, [LATEST], [])
  t.same(known(), [OLD])
  mirrored.forget(A, [OLD], [])
  await mirrored.flush()
  t.same(known(), [])
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

t.test('changes that are asked for in one go are one write', async (t) => {
  const syncs = recordSyncs()
  const { mirrored } = makeStore(t.testdir({}), syncs, HOME)
  const tags = Array.from({ length: 50 }, (_, index) => parseTag(`t${index}`))
  await Promise.all(tags.map((tag) => mirrored.markTag(A, tag, ONE, 'quay.io')))
  t.equal(syncs.seen.filter((site) => site === 'link file').length, 1)
})

t.test('property: whatever fails or crashes, a mark that was taken away for good never comes back', async (t) => {
  const one = fc.record({ tag: fc.constantFrom(LATEST, OLD), digest: fc.constantFrom(ONE, TWO) })
  const act = fc.constantFrom('mark', 'clear', 'forget', 'check', 'flush', 'crash', 'keep', 'put', 'break', 'mend')
  const root = t.testdir({})
  let run = 0
  await fc.assert(
    fc.asyncProperty(fc.array(fc.tuple(act, one), { maxLength: 40 }), async (steps) => {
      const directory = join(root, `${run++}`)
      mkdirSync(directory)
      let broken = false
      const syncs = breakSyncs('link file', 'ENOSPC', () => broken)
      let { mirrored, layout } = makeStore(directory, syncs, HOME)
      const path = layout.mirrored(A)
      let past: Buffer | undefined
      /** What may be known of each tag. */
      const allowed = new Map<string, Set<unknown>>([LATEST, OLD].map((tag) => [tag, new Set([undefined])]))
      const attempt = async (tag: string, digest: unknown, write: () => Promise<void>): Promise<void> => {
        allowed.get(tag)?.add(digest)
        await write().then(
          () => allowed.set(tag, new Set([digest])),
          () => undefined,
        )
      }
      for (const [what, { tag, digest }] of steps) {
        if (what === 'mark') await attempt(tag, digest, () => mirrored.markTag(A, tag, digest, 'quay.io'))
        else if (what === 'clear') await attempt(tag, undefined, () => mirrored.clear(A, [tag], []))
        else if (what === 'forget') mirrored.forget(A, [tag], [])
        else if (what === 'check') mirrored.noteChecked(A, tag, 42)
        else if (what === 'flush') await mirrored.flush()
        else if (what === 'crash') mirrored = makeStore(directory, syncs, HOME).mirrored
        else if (what === 'keep') past = existsSync(path) ? readFileSync(path) : undefined
        else if (what === 'break' || what === 'mend') broken = what === 'break'
        else if (past !== undefined) {
          mkdirSync(dirname(path), { recursive: true })
          writeFileSync(`${path}.new`, past)
          renameSync(`${path}.new`, path)
          for (const known of allowed.values()) known.add(undefined)
          for (const each of [LATEST, OLD]) {
            if (!allowed.get(each)?.has(mirrored.tag(A, each)?.digest)) return false
          }
          // Somebody pushes something else before the process can end.
          await mirrored.clear(A, [parseTag('other')], []).catch(() => undefined)
          if (broken) return true
        }
        if (what === 'forget') allowed.get(tag)?.add(undefined)
        for (const each of [LATEST, OLD]) if (!allowed.get(each)?.has(mirrored.tag(A, each)?.digest)) return false
      }
      return true
    }),
    { numRuns: 150 },
  )
})

t.test('what a sync means is marked as that after a restart, and a tag stays so when it moves', async (t) => {
  const directory = t.testdir({})
  const { mirrored } = makeStore(directory, undefined, HOME)
  await mirrored.markManifest(A, ONE, 'quay.io')
  await mirrored.markTag(A, LATEST, ONE, 'quay.io')
  await mirrored.markTag(A, OLD, ONE, 'quay.io')
  await mirrored.markSynced(A, [LATEST], [ONE])
  await mirrored.markTag(A, LATEST, TWO, 'quay.io')
  const again = makeStore(directory, undefined, HOME).mirrored
  t.match(again.manifest(A, ONE), { upstream: 'quay.io', synced: true })
  t.match(again.tag(A, LATEST), { digest: TWO, synced: true })
  t.equal(again.tag(A, OLD)?.synced, undefined)
})

t.test('what was pushed is never marked as synced, and a push takes the mark away', async (t) => {
  const { mirrored } = makeStore(t.testdir({}), undefined, HOME)
  await mirrored.markSynced(A, [LATEST], [ONE])
  t.equal(mirrored.tag(A, LATEST), undefined)
  t.equal(mirrored.manifest(A, ONE), undefined)
  await mirrored.markTag(A, LATEST, ONE, 'quay.io')
  await mirrored.markSynced(A, [LATEST], [])
  await mirrored.clear(A, [LATEST], [])
  t.equal(mirrored.tag(A, LATEST), undefined)
})

t.test('marking what is marked already writes nothing', async (t) => {
  const { mirrored, layout } = makeStore(t.testdir({}), undefined, HOME)
  await mirrored.markTag(A, LATEST, ONE, 'quay.io')
  await mirrored.markSynced(A, [LATEST], [])
  const before = statSync(layout.mirrored(A)).ino
  await mirrored.markSynced(A, [LATEST, OLD], [TWO])
  t.equal(statSync(layout.mirrored(A)).ino, before)
})

t.test('of a tag that syncs mean it is known which, until they leave it', async (t) => {
  const directory = t.testdir({})
  const { mirrored } = makeStore(directory, undefined, HOME)
  const byOf = (): unknown => makeStore(directory, undefined, HOME).mirrored.tag(A, LATEST)?.by
  await mirrored.markTag(A, LATEST, ONE, 'quay.io')
  await mirrored.markSynced(A, [LATEST], [], 'b.yml-1')
  await mirrored.markSynced(A, [LATEST], [], 'a.yml-1')
  await mirrored.markTag(A, LATEST, TWO, 'quay.io')
  t.same(byOf(), ['a.yml-1', 'b.yml-1'])
  await mirrored.leaveSynced(A, [LATEST, OLD], 'b.yml-1')
  t.same(byOf(), ['a.yml-1'])
  t.match(mirrored.tag(A, LATEST), { digest: TWO, synced: true })
})
