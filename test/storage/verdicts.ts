import { readFileSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { digestOf } from '../../src/oci/digest.ts'
import { DerivedLog } from '../../src/storage/derived-log.ts'
import type { FileFacts, Stamp } from '../../src/storage/stamp.ts'
import { statFile } from '../../src/storage/stamp.ts'
import { Verdicts } from '../../src/storage/verdicts.ts'
import { plantBlob, plantBytes } from '../helpers/plant.ts'
import { A, makeStore, pushBytes } from '../helpers/store.ts'

const ONE = digestOf(Buffer.from('one'))
const TWO = digestOf(Buffer.from('two'))
const facts = (stamp: string, changedAt = 0): FileFacts => ({ size: 3, stamp: stamp as Stamp, changedAt, writtenAt: 0 })
const FIRST = facts('1:3:1')
const SECOND = facts('1:3:2')

function open(root: string, clock = (): number => 1_000_000): Verdicts {
  return new Verdicts(new DerivedLog(join(root, 'verified'), root, () => true), clock)
}

t.test('a verdict holds for one state of the file', async (t) => {
  const verdicts = open(t.testdir({}))
  t.equal(verdicts.of(ONE, FIRST.stamp), 'unknown')
  verdicts.markWhole(ONE, FIRST, true)
  t.equal(verdicts.of(ONE, FIRST.stamp), 'whole')
  t.equal(verdicts.of(ONE, SECOND.stamp), 'unknown')
  t.equal(verdicts.of(TWO, FIRST.stamp), 'unknown')
  verdicts.markSuspect(ONE, '/x', SECOND)
  t.equal(verdicts.of(ONE, SECOND.stamp), 'suspect')
  t.equal(verdicts.of(ONE, FIRST.stamp), 'unknown', 'the file has moved on')
  verdicts.markWhole(ONE, FIRST, true)
  t.equal(verdicts.of(ONE, SECOND.stamp), 'unknown')
  t.same(verdicts.suspects(), [])
})

t.test('a suspect keeps the time of its first reading until its file changes', async (t) => {
  let now = 1_000_000
  const verdicts = open(t.testdir({}), () => now)
  verdicts.markSuspect(ONE, '/x', FIRST)
  now += 5000
  verdicts.markSuspect(ONE, '/x', FIRST)
  t.same(verdicts.suspects(), [{ digest: ONE, path: '/x', stamp: FIRST.stamp, since: 1_000_000 }])
  verdicts.markSuspect(ONE, '/x', SECOND)
  t.equal(verdicts.suspects()[0]?.since, 1_005_000)
  verdicts.forget(ONE)
  t.same(verdicts.suspects(), [])
})

t.test('what changed within the last tick of the clock is good for one answer only', async (t) => {
  const verdicts = open(t.testdir({}))
  verdicts.markWhole(ONE, facts('1:3:1', 999_960), false)
  t.equal(verdicts.of(ONE, FIRST.stamp), 'unknown')
  verdicts.markSuspect(ONE, '/x', facts('1:3:1', 999_960))
  t.equal(verdicts.of(ONE, FIRST.stamp), 'unknown')
  verdicts.markWhole(ONE, facts('1:3:1', 999_960), true)
  t.equal(verdicts.of(ONE, FIRST.stamp), 'whole', 'nobody else writes to what is ours')
})

t.test('whole stays whole over a restart; suspects are read again', async (t) => {
  const root = t.testdir({})
  const before = open(root)
  before.markWhole(ONE, FIRST, true)
  before.markWhole(ONE, SECOND, true)
  before.markSuspect(TWO, '/x', FIRST)
  const after = open(root)
  t.equal(after.of(ONE, SECOND.stamp), 'whole')
  t.equal(after.of(ONE, FIRST.stamp), 'unknown', 'the last line counts')
  t.equal(after.of(TWO, FIRST.stamp), 'unknown')
})

t.test('verdicts of another boot are not believed', async (t) => {
  const root = t.testdir({})
  open(root).markWhole(ONE, FIRST, true)
  const path = join(root, 'verified')
  writeFileSync(path, readFileSync(path, 'utf8').replace(/(?<=^tarn-cache 1 )\S+/, '0'.repeat(36)))
  t.equal(open(root).of(ONE, FIRST.stamp), 'unknown')
})

t.test('lines that are no verdict are passed over', async (t) => {
  const root = t.testdir({})
  open(root).markWhole(ONE, FIRST, true)
  const path = join(root, 'verified')
  writeFileSync(path, `${readFileSync(path, 'utf8')}garbage\n${TWO}\nsha256:zz 1:3:1\n`)
  const verdicts = open(root)
  t.equal(verdicts.of(ONE, FIRST.stamp), 'whole')
  t.equal(verdicts.of(TWO, FIRST.stamp), 'unknown')
})

t.test('the log does not grow with a blob that comes again and again', async (t) => {
  const root = t.testdir({})
  const verdicts = open(root)
  verdicts.markWhole(TWO, FIRST, true)
  for (let i = 0; i < 5000; i += 1) verdicts.markWhole(ONE, facts(`1:3:${i}`), true)
  const lines = readFileSync(join(root, 'verified'), 'utf8').split('\n').length
  t.ok(lines < 2000, `${lines} lines`)
  const after = open(root)
  t.equal(after.of(ONE, facts('1:3:4999').stamp), 'whole')
  t.equal(after.of(TWO, FIRST.stamp), 'whole')
})

t.test('a store that starts on a log full of old lines reads the last of each', async (t) => {
  const directory = t.testdir({})
  const first = makeStore(directory)
  for (let i = 0; i < 20; i += 1) {
    const digest = plantBytes(first, Buffer.from('one'))
    await first.blobs.ensureWhole(digest)
  }
  t.equal(makeStore(directory).blobs.state(ONE)?.verdict, 'whole')
})

t.test('a blob that was verified is not read again after a restart, one that changed is', async (t) => {
  const directory = t.testdir({})
  const before = makeStore(directory)
  const kept = await pushBytes(before, A, Buffer.from('kept'))
  const planted = plantBlob(before, A, Buffer.from('planted'))
  await before.blobs.ensureWhole(planted)
  const path = before.layout.blobData(kept)
  const after = makeStore(directory)
  t.same(
    [kept, planted].map((digest) => after.blobs.state(digest)?.verdict),
    ['whole', 'whole'],
  )
  writeFileSync(path, 'KEPT')
  utimesSync(path, 1000, 1000)
  t.equal(makeStore(directory).blobs.state(kept)?.verdict, 'unknown')
  t.ok(statFile(path))
})

t.test('a cache that cannot be written costs a reading and nothing else', async (t) => {
  const store = makeStore(t.testdir({ '.tarn': { cache: 'a file where the directory should be' } }))
  const digest = await pushBytes(store, A, Buffer.from('bytes'))
  t.equal(store.blobs.state(digest)?.verdict, 'whole')
  const again = makeStore(store.directory)
  t.equal(again.blobs.state(digest)?.verdict, 'unknown')
  t.equal((await again.blobs.ensureWhole(digest))?.size, 5)
})
