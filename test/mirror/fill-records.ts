import { mkdirSync, readdirSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { FillRecords } from '../../src/mirror/fill-records.ts'
import { digestOf } from '../../src/oci/digest.ts'
import { readManifest } from '../../src/oci/manifest.ts'
import { parseTag } from '../../src/oci/reference.ts'
import { A, makeStore } from '../helpers/store.ts'

const NOW = 1_800_000_000_000
const DAY = 86_400_000
const bytes = Buffer.from(JSON.stringify({ schemaVersion: 2, layers: [] }))
const stored = { digest: digestOf(bytes), bytes, manifest: readManifest(bytes) }
const record = { name: A, stored, tags: [parseTag('one')], since: NOW - 1000, checkedAt: NOW - 2000 }

t.test('what one life wrote the next one takes', async (t) => {
  const { layout } = makeStore(t.testdir({}))
  await new FillRecords(layout).write(record)
  const [taken] = await new FillRecords(layout).take(NOW)
  t.match(taken, { name: A, tags: ['one'], since: NOW - 1000, stored: { digest: stored.digest } })
  t.ok(bytes.equals(taken?.stored.bytes ?? Buffer.alloc(0)))
})

t.test('an image has one record, which goes when it is removed', async (t) => {
  const { layout } = makeStore(t.testdir({}))
  const records = new FillRecords(layout)
  await records.write(record)
  await records.write({ ...record, tags: [parseTag('one'), parseTag('two')] })
  t.equal(readdirSync(layout.mirrorFills).length, 1)
  await records.remove(record)
  await records.remove(record)
  t.same(readdirSync(layout.mirrorFills), [])
})

t.test('what is older than a day, torn or not what its digest says is removed and not taken', async (t) => {
  const { layout } = makeStore(t.testdir({}))
  const records = new FillRecords(layout)
  await records.write({ ...record, since: NOW - DAY })
  const other = { name: A, digest: stored.digest, tags: [], since: NOW, bytes: Buffer.from('other').toString('base64') }
  writeFileSync(join(layout.mirrorFills, 'other.json'), JSON.stringify(other))
  writeFileSync(join(layout.mirrorFills, 'torn.json'), '{"name":')
  writeFileSync(join(layout.mirrorFills, 'path.json'), JSON.stringify({ ...other, name: '../../x' }))
  writeFileSync(join(layout.mirrorFills, 'x.json.tmp'), JSON.stringify(other))
  t.same(await records.take(NOW), [])
  t.same(readdirSync(layout.mirrorFills), [])
})

t.test('unfinished blobs stay while they are under way or young', async (t) => {
  const { layout } = makeStore(t.testdir({}))
  mkdirSync(layout.mirrorBlobs, { recursive: true })
  const [young, old, busy] = ['a', 'b', 'c'].map((digit) => `sha256-${digit.repeat(64)}`)
  for (const [name = '', age] of [
    [young, DAY / 2],
    [old, DAY + 1],
    [busy, DAY + 1],
  ] as const) {
    writeFileSync(join(layout.mirrorBlobs, name), 'x')
    utimesSync(join(layout.mirrorBlobs, name), new Date(NOW - age), new Date(NOW - age))
  }
  await new FillRecords(layout).sweep(NOW, DAY, (digest) => digest.endsWith('c'))
  t.same(readdirSync(layout.mirrorBlobs), [young, busy])
})
