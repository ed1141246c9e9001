import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import t from 'tap'
import { digestOf } from '../../src/oci/digest.ts'
import { statBlob } from '../../src/registry/pull-blob.ts'
import { appendUpload, beginUpload, finishUpload, mountBlob } from '../../src/registry/push-blob.ts'
import { listTree } from '../helpers/hostile.ts'
import { plantBlob, plantBytes, plantFile } from '../helpers/plant.ts'
import { A, B, breakSyncs, makeContext, makeStore, pushBytes, recordSyncs, streamOf } from '../helpers/store.ts'

const BYTES = Buffer.from('some bytes')
const DIGEST = digestOf(BYTES)

t.test('a finished upload is durable in the order bytes, name, link, and the repository serves it', async (t) => {
  const sync = recordSyncs()
  const store = makeStore(t.testdir({}), sync)
  const context = makeContext(store)
  const key = await beginUpload(context, A, undefined, 'sha256')
  await appendUpload(context, key, { source: streamOf(BYTES.subarray(0, 4)) })
  sync.seen.length = 0
  await finishUpload(context, key, DIGEST, { source: streamOf(BYTES.subarray(4)) })
  const sites = sync.seen
    .map((line) => line.split(' ').slice(0, 2).join(' '))
    .filter((site) => site !== 'new directory')
  t.same(sites, ['blob file', 'blob directory', 'link file', 'link directory'])
  t.equal(await statBlob(context, A, DIGEST), BYTES.length)
  t.notOk(existsSync(store.layout.upload(A, key.id)))
})

t.test('a repository comes into being with its first blob, for both versions of distribution', async (t) => {
  const store = makeStore(t.testdir({}))
  const context = makeContext(store)
  const key = await beginUpload(context, A, undefined, 'sha256')
  t.equal(store.repositories.exists(A), false, 'an attempt makes none')
  await finishUpload(context, key, DIGEST, { source: streamOf(BYTES) })
  for (const path of [store.layout.layers(A), store.layout.revisions(A), store.layout.tags(A)]) t.ok(existsSync(path))
})

for (const site of ['blob file', 'blob directory', 'link file', 'link directory'] as const) {
  t.test(`a blob is not acknowledged when the fsync of its ${site} fails`, async (t) => {
    let broken = true
    const store = makeStore(
      t.testdir({}),
      breakSyncs(site, 'EIO', () => broken),
    )
    await t.rejects(pushBytes(store, A, BYTES), { code: 'EIO' })
    broken = false
    await pushBytes(store, A, BYTES)
    t.equal(await statBlob(makeContext(store), A, DIGEST), BYTES.length)
  })
}

t.test('a mount lets the repository serve a blob of another one, without a copy', async (t) => {
  const context = makeContext(makeStore(t.testdir({})))
  await pushBytes(context.store, A, BYTES)
  t.equal(await mountBlob(context, B, DIGEST, A), true)
  t.equal(await statBlob(context, B, DIGEST), BYTES.length)
})

t.test('a mount without a source takes the blob from wherever it is', async (t) => {
  const context = makeContext(makeStore(t.testdir({})))
  t.equal(await mountBlob(context, B, DIGEST, undefined), false)
  await pushBytes(context.store, A, BYTES)
  t.equal(await mountBlob(context, B, DIGEST, undefined), true)
})

t.test('a mount from a repository that does not hold the blob is no mount, and makes nothing', async (t) => {
  const store = makeStore(t.testdir({}))
  const context = makeContext(store)
  plantBytes(store, BYTES)
  const before = listTree(store.directory)
  t.equal(await mountBlob(context, B, DIGEST, A), false, 'the bytes are here, the link is not')
  t.same(listTree(store.directory), before)
  plantFile(store.layout.layerLink(A, digestOf(Buffer.from('gone'))), digestOf(Buffer.from('gone')))
  t.equal(await mountBlob(context, B, digestOf(Buffer.from('gone')), A), false, 'the link is here, the bytes are not')
  t.notOk(existsSync(store.layout.repository(B)))
})

t.test('bytes that nobody verified are hashed before they are mounted', async (t) => {
  const store = makeStore(t.testdir({}))
  const context = makeContext(store)
  plantBlob(store, A, BYTES)
  t.equal(store.blobs.state(DIGEST)?.verdict, 'unknown')
  t.equal(await mountBlob(context, B, DIGEST, A), true)
  t.equal(store.blobs.state(DIGEST)?.verdict, 'whole')
})

t.test('wrong bytes are not mounted, whoever asks', async (t) => {
  const store = makeStore(t.testdir({}))
  const context = makeContext(store)
  plantBlob(store, A, BYTES)
  writeFileSync(store.layout.blobData(DIGEST), 'other bytes')
  t.equal(await mountBlob(context, B, DIGEST, A), false)
  t.equal(await mountBlob(context, B, DIGEST, undefined), false)
  t.notOk(existsSync(store.layout.layerLink(B, DIGEST)))
})

t.test('a mount makes the bytes of a tar durable, then the link, before it returns', async (t) => {
  const sync = recordSyncs()
  const store = makeStore(t.testdir({}), sync)
  plantBlob(store, A, BYTES)
  await mountBlob(makeContext(store), B, DIGEST, A)
  const held = sync.seen.indexOf('held file')
  t.ok(held >= 0 && held < sync.seen.indexOf('link file'))
  t.match(sync.seen.at(-1), new RegExp(`^link directory .*/team/b/_layers/sha256/${DIGEST.slice(7)}$`))
})

t.test('a mount is not acknowledged when the bytes cannot be made durable', async (t) => {
  const store = makeStore(
    t.testdir({}),
    breakSyncs('held file', 'EIO', () => true),
  )
  plantBlob(store, A, BYTES)
  await t.rejects(mountBlob(makeContext(store), B, DIGEST, A), { code: 'EIO' })
  t.notOk(existsSync(store.layout.layerLink(B, DIGEST)))
})

t.test('an alias of distribution is mounted as the alias that it is', async (t) => {
  const store = makeStore(t.testdir({}))
  const context = makeContext(store)
  const long = digestOf(BYTES, 'sha512')
  plantBytes(store, BYTES)
  plantFile(store.layout.layerLink(A, long), DIGEST)
  t.equal(await mountBlob(context, B, long, A), true)
  t.equal(readFileSync(store.layout.layerLink(B, long), 'latin1'), DIGEST)
  t.equal(await statBlob(context, B, long), BYTES.length)
})
