// The trash: where collection puts a blob, and how a reader gets it back.
import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { Worker } from 'node:worker_threads'
import t from 'tap'
import type { Digest } from '../../src/oci/digest.ts'
import { digestOf } from '../../src/oci/digest.ts'
import type { Stamp } from '../../src/storage/stamp.ts'
import { statFile } from '../../src/storage/stamp.ts'
import type { Store } from '../../src/storage/store.ts'
import { plantBlob, plantFile } from '../helpers/plant.ts'
import { A, makeStore, pushBytes } from '../helpers/store.ts'

const BYTES = Buffer.from('a layer')
const ROUNDS = 5000

function stampOf(path: string): Stamp {
  const facts = statFile(path)
  if (facts === undefined) throw new Error(`${path} is not there`)
  return facts.stamp
}

function trash({ blobs, layout }: Store, digest: Digest): boolean {
  return blobs.trash(digest, stampOf(layout.blobData(digest)))
}

t.test('a blob in the trash is given back to whoever asks for it, and read as what it was', async (t) => {
  const store = makeStore(t.testdir({}))
  const digest = plantBlob(store, A, BYTES)
  t.ok(trash(store, digest))
  t.notOk(existsSync(store.layout.blobData(digest)))
  const facts = await store.blobs.ensureWhole(digest)
  t.equal(facts?.size, BYTES.length)
  t.notOk(existsSync(store.layout.blobTrash(digest)))
  t.ok(trash(store, digest))
  const blob = await store.blobs.open(digest)
  t.same(await blob?.handle.readFile(), BYTES)
  await blob?.handle.close()
})

t.test('a blob that was promised, is held, or changed is not taken', async (t) => {
  const store = makeStore(t.testdir({}))
  const digest = plantBlob(store, A, BYTES)
  const release = store.leases.hold([digest])
  t.notOk(trash(store, digest))
  release()
  t.notOk(store.blobs.trash(digest, 'another state' as Stamp))
  store.leases.lease(digest)
  t.notOk(trash(store, digest))
})

t.test('a file that somebody puts in its place while it is taken stays', async (t) => {
  const store = makeStore(t.testdir({}))
  const digest = plantBlob(store, A, BYTES)
  const path = store.layout.blobData(digest)
  const turns = new Int32Array(new SharedArrayBuffer(8))
  // As fast as can be: a new file as soon as there is none, once for each turn.
  const code = `
    const { closeSync, existsSync, openSync } = require('node:fs')
    const { turns, path } = require('node:worker_threads').workerData
    for (let turn = 1; turn <= ${ROUNDS}; turn += 1) {
      while (Atomics.load(turns, 0) < turn);
      while (existsSync(path));
      closeSync(openSync(path, 'w'))
      Atomics.store(turns, 1, turn)
      Atomics.notify(turns, 1)
    }`
  const worker = new Worker(code, { eval: true, workerData: { turns, path } })
  let lost = 0
  for (let turn = 1; turn <= ROUNDS; turn += 1) {
    const stamp = stampOf(path)
    Atomics.store(turns, 0, turn)
    if (!store.blobs.trash(digest, stamp)) throw new Error('it was not taken')
    if (Atomics.wait(turns, 1, turn - 1, 10_000) === 'timed-out') throw new Error('the other thread is gone')
    if (!existsSync(path)) {
      lost += 1
      writeFileSync(path, '')
    }
  }
  await worker.terminate()
  t.equal(lost, 0)
})

t.test('giving back never replaces a file that was pushed meanwhile', async (t) => {
  const store = makeStore(t.testdir({}))
  const digest = plantBlob(store, A, BYTES)
  plantFile(store.layout.blobTrash(digest), 'rotten')
  t.ok(store.blobs.restore(digest))
  t.same(readFileSync(store.layout.blobData(digest)), BYTES)
})

t.test('nothing is given back by a process that does not keep the directory', async (t) => {
  const store = makeStore(t.testdir({}), undefined, { keeps: () => false })
  const digest = plantBlob(store, A, BYTES)
  t.ok(trash(store, digest))
  t.notOk(store.blobs.restore(digest))
  t.equal(store.blobs.state(digest), undefined)
})

t.test('a push of a blob that lies in the trash is whole, whatever lies there', async (t) => {
  const store = makeStore(t.testdir({}))
  const digest = plantBlob(store, A, BYTES)
  t.ok(trash(store, digest))
  plantFile(store.layout.blobTrash(digest), 'rotten')
  await pushBytes(store, A, BYTES)
  t.same(readFileSync(store.layout.blobData(digest)), BYTES)
})

t.test('deleting takes the file, and the directory of the blob when that is empty', async (t) => {
  const store = makeStore(t.testdir({}))
  const digest = plantBlob(store, A, BYTES)
  const other = plantBlob(store, A, Buffer.from('another'))
  for (const each of [digest, other]) t.ok(trash(store, each))
  writeFileSync(`${store.layout.blob(other)}/notes`, 'of somebody')
  t.notOk(await store.blobs.deleteTrashed(digest, 'another state' as Stamp))
  for (const each of [digest, other]) {
    t.ok(await store.blobs.deleteTrashed(each, stampOf(store.layout.blobTrash(each))))
  }
  t.notOk(existsSync(store.layout.blob(digest)))
  t.ok(existsSync(`${store.layout.blob(other)}/notes`))
})

t.test('a promise that rests on an old link touches it, and keeps the time that people are shown', async (t) => {
  const store = makeStore(t.testdir({}), undefined, { lease: 1000 })
  const digest = digestOf(BYTES)
  plantBlob(store, A, BYTES)
  const path = store.layout.layerLink(A, digest)
  const { ctimeMs, mtimeMs } = statSync(path)
  // The clock of the store is ten seconds ahead: the link is older than half a lease.
  await store.links.promise(A, digest)
  t.ok(statSync(path).ctimeMs > ctimeMs)
  t.equal(statSync(path).mtimeMs, mtimeMs)
  const reader = makeStore(store.directory, undefined, { lease: 1000, keeps: () => false })
  const now = statSync(path).ctimeMs
  await reader.links.promise(A, digest)
  t.equal(statSync(path).ctimeMs, now)
})
