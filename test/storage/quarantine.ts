import { existsSync, readFileSync, readdirSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import t from 'tap'
import type { Digest } from '../../src/oci/digest.ts'
import { digestOf } from '../../src/oci/digest.ts'
import { STILL_FOR_MS, quarantineSuspects } from '../../src/storage/quarantine.ts'
import { plantBytes } from '../helpers/plant.ts'
import type { TestStore } from '../helpers/store.ts'
import { A, makeStore, pushBytes } from '../helpers/store.ts'

const GOOD = Buffer.from('the right bytes')
const BAD = Buffer.from('the wrong bytes')
const DIGEST = digestOf(GOOD)

/** A store that has just found out that the bytes of DIGEST are wrong. */
async function suspect(directory: string): Promise<TestStore> {
  const store = makeStore(directory)
  plantBytes(store, BAD, DIGEST)
  await store.blobs.ensureWhole(DIGEST)
  return store
}

const look = async (store: TestStore): Promise<Digest[]> =>
  (await quarantineSuspects(store)).map(({ digest }) => digest)
const isThere = ({ layout }: TestStore): boolean => existsSync(layout.blobData(DIGEST))

t.test('a suspect is left alone until it has stood still for ten minutes', async (t) => {
  const store = await suspect(t.testdir({}))
  t.equal(STILL_FOR_MS, 600_000)
  t.same(await look(store), [])
  store.turn(STILL_FOR_MS - 5000)
  t.same(await look(store), [])
  t.ok(isThere(store))
})

t.test('after ten minutes and a second reading it is moved out of the way, and its bytes are kept', async (t) => {
  const store = await suspect(t.testdir({}))
  store.turn(STILL_FOR_MS)
  t.same(await look(store), [DIGEST])
  t.notOk(isThere(store))
  const [moved = ''] = readdirSync(store.layout.quarantine)
  t.match(moved, new RegExp(`^sha256-${DIGEST.slice(7)}\\.\\d+$`))
  t.same(readFileSync(`${store.layout.quarantine}/${moved}`), BAD)
  t.same(await look(store), [], 'and that was all')
  t.equal(await store.blobs.ensureWhole(DIGEST), undefined)
})

t.test('a file that changed meanwhile is not moved, though it is still wrong', async (t) => {
  const store = await suspect(t.testdir({}))
  store.turn(STILL_FOR_MS)
  const path = store.layout.blobData(DIGEST)
  writeFileSync(path, BAD.subarray(0, 4))
  t.same(await look(store), [], 'a tar is still extracting it')
  t.ok(isThere(store))
  await store.blobs.ensureWhole(DIGEST)
  t.same(await look(store), [], 'its ten minutes begin again')
  store.turn(STILL_FOR_MS)
  t.same(await look(store), [DIGEST])
})

t.test('a file whose mtime alone was set back stays: its ctime moved', async (t) => {
  const store = await suspect(t.testdir({}))
  store.turn(STILL_FOR_MS)
  utimesSync(store.layout.blobData(DIGEST), 1000, 1000)
  t.same(await look(store), [])
  t.ok(isThere(store))
})

t.test('a file that became right is served and never moved', async (t) => {
  const store = await suspect(t.testdir({}))
  writeFileSync(store.layout.blobData(DIGEST), GOOD)
  store.turn(STILL_FOR_MS)
  t.same(await look(store), [])
  t.equal((await store.blobs.ensureWhole(DIGEST))?.size, GOOD.length)
})

t.test('a file that is gone by itself is no trouble', async (t) => {
  const store = await suspect(t.testdir({}))
  store.turn(STILL_FOR_MS)
  plantBytes(store, GOOD)
  rmSync(dirname(store.layout.blobData(DIGEST)), { recursive: true })
  t.same(await look(store), [])
})

t.test('a link that names the wrong file says nothing against that file', async (t) => {
  const store = makeStore(t.testdir({}))
  const stored = await pushBytes(store, A, GOOD)
  const claimed = digestOf(BAD, 'sha512')
  t.equal(await store.blobs.ensureWhole(claimed, stored), undefined)
  store.turn(STILL_FOR_MS)
  t.same(await look(store), [])
  t.equal(store.blobs.state(stored)?.verdict, 'whole')
  t.same(readFileSync(store.layout.blobData(stored)), GOOD)
})

t.test('a push heals a suspect before and after it was moved', async (t) => {
  const store = await suspect(t.testdir({}))
  await pushBytes(store, A, GOOD)
  t.equal(store.blobs.state(DIGEST)?.verdict, 'whole')
  store.turn(STILL_FOR_MS)
  t.same(await look(store), [])

  plantBytes(store, BAD, DIGEST)
  await store.blobs.ensureWhole(DIGEST)
  store.turn(STILL_FOR_MS)
  t.same(await look(store), [DIGEST])
  await pushBytes(store, A, GOOD)
  t.same(readFileSync(store.layout.blobData(DIGEST)), GOOD)
  t.equal(store.blobs.state(DIGEST)?.verdict, 'whole')
})

t.test('two bad copies of one blob lie side by side', async (t) => {
  const store = await suspect(t.testdir({}))
  for (const wait of [STILL_FOR_MS, STILL_FOR_MS + 1000]) {
    store.turn(wait)
    t.same(await look(store), [DIGEST])
    plantBytes(store, BAD, DIGEST)
    await store.blobs.ensureWhole(DIGEST)
  }
  t.equal(readdirSync(store.layout.quarantine).length, 2)
})
