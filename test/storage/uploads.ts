import { appendFileSync, existsSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import t from 'tap'
import { digestOf } from '../../src/oci/digest.ts'
import type { UploadId } from '../../src/storage/upload-id.ts'
import { isUploadId } from '../../src/storage/upload-id.ts'
import type { TestStore } from '../helpers/store.ts'
import { A, B, makeStore, streamOf } from '../helpers/store.ts'

const HELLO = Buffer.from('hello ')
const WORLD = Buffer.from('world')
const BOTH = Buffer.concat([HELLO, WORLD])

/** Ends an upload by noting what would become the blob. */
async function finish(
  store: TestStore,
  key: Parameters<TestStore['uploads']['received']>[0],
  bytes: Buffer,
  last?: Buffer,
) {
  let committed: Buffer | undefined
  const chunk = last === undefined ? undefined : { source: streamOf(last) }
  await store.uploads.finish(key, digestOf(bytes), chunk, async (data) => {
    committed = readFileSync(data)
  })
  return committed
}

t.test('an upload lies in the directory as distribution writes it', async (t) => {
  const store = makeStore(t.testdir({}))
  const key = await store.uploads.begin(A, undefined, 'sha256')
  t.ok(isUploadId(key.id))
  const started = readFileSync(store.layout.uploadStartedAt(A, key.id), 'latin1')
  t.match(started, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/)
  t.equal(started.length, 20)
  t.equal(statSync(store.layout.uploadData(A, key.id)).size, 0)
})

t.test('chunks are appended and the whole is committed under its digest', async (t) => {
  const store = makeStore(t.testdir({}))
  const key = await store.uploads.begin(A, undefined, 'sha256')
  t.equal(await store.uploads.append(key, { source: streamOf(HELLO) }), 6)
  t.same(await finish(store, key, BOTH, WORLD), BOTH)
  t.notOk(existsSync(store.layout.upload(A, key.id)), 'the upload is gone')
})

t.test('a chunk that does not begin where the upload ends is refused and nothing is appended', async (t) => {
  const store = makeStore(t.testdir({}))
  const key = await store.uploads.begin(A, undefined, 'sha256')
  await store.uploads.append(key, { source: streamOf(HELLO) })
  for (const start of [0, 5, 7, 100]) {
    await t.rejects(store.uploads.append(key, { source: streamOf(WORLD), start }), { code: 'RANGE_INVALID' })
  }
  t.equal(store.uploads.received(key), 6)
  t.equal(await store.uploads.append(key, { source: streamOf(WORLD), start: 6, length: 5 }), 11)
})

t.test('a chunk that is shorter or longer than its range says is taken back', async (t) => {
  const store = makeStore(t.testdir({}))
  const key = await store.uploads.begin(A, undefined, 'sha256')
  await store.uploads.append(key, { source: streamOf(HELLO) })
  for (const length of [4, 6]) {
    await t.rejects(store.uploads.append(key, { source: streamOf(WORLD), start: 6, length }), { code: 'SIZE_INVALID' })
    t.equal(store.uploads.received(key), 6)
  }
  t.same(await finish(store, key, BOTH, WORLD), BOTH)
})

t.test('what came before a client broke off is kept, and the upload goes on from there', async (t) => {
  const store = makeStore(t.testdir({}))
  const key = await store.uploads.begin(A, undefined, 'sha256')
  async function* broken(): AsyncGenerator<Uint8Array> {
    yield HELLO
    throw new Error('aborted')
  }
  await t.rejects(store.uploads.append(key, { source: broken() }), { message: 'aborted' })
  t.equal(store.uploads.received(key), 6)
  t.same(await finish(store, key, BOTH, WORLD), BOTH)
})

t.test('an upload goes on after a restart', async (t) => {
  const directory = t.testdir({})
  const before = makeStore(directory)
  const key = await before.uploads.begin(A, 'ann', 'sha256')
  await before.uploads.append(key, { source: streamOf(HELLO) })
  const after = makeStore(directory)
  const found = after.uploads.find(A, key.id, 'ann')
  await after.uploads.append(found, { source: streamOf(WORLD) })
  t.same(await finish(after, found, BOTH), BOTH)
})

t.test('bytes that another program appended count', async (t) => {
  const store = makeStore(t.testdir({}))
  const key = await store.uploads.begin(A, undefined, 'sha256')
  await store.uploads.append(key, { source: streamOf(HELLO) })
  appendFileSync(store.layout.uploadData(A, key.id), WORLD)
  t.same(await finish(store, key, BOTH), BOTH)
})

t.test('a wrong digest leaves the upload for another try', async (t) => {
  const store = makeStore(t.testdir({}))
  const key = await store.uploads.begin(A, undefined, 'sha256')
  await store.uploads.append(key, { source: streamOf(BOTH) })
  await t.rejects(finish(store, key, HELLO), { code: 'DIGEST_INVALID' })
  t.same(await finish(store, key, BOTH), BOTH)
})

t.test('a digest of another algorithm than was foreseen is checked all the same', async (t) => {
  const store = makeStore(t.testdir({}))
  const key = await store.uploads.begin(A, undefined, 'sha256')
  await store.uploads.append(key, { source: streamOf(BOTH) })
  const wrong = digestOf(HELLO, 'sha512')
  await t.rejects(
    store.uploads.finish(key, wrong, undefined, async () => undefined),
    { code: 'DIGEST_INVALID' },
  )
  await store.uploads.finish(key, digestOf(BOTH, 'sha512'), undefined, async () => undefined)
})

t.test('an upload is known only to the repository and the user that began it', async (t) => {
  const store = makeStore(t.testdir({}))
  const { id } = await store.uploads.begin(A, 'ann', 'sha256')
  t.equal(store.uploads.find(A, id, 'ann').id, id)
  for (const [name, owner] of [
    [A, 'bob'],
    [A, undefined],
    [B, 'ann'],
    [A, 'ann '],
    [A, ''],
  ] as const) {
    t.throws(() => store.uploads.find(name, id, owner), { code: 'BLOB_UPLOAD_UNKNOWN' })
  }
})

t.test('a user whose name is not ASCII finds the upload again', async (t) => {
  const store = makeStore(t.testdir({}))
  const { id } = await store.uploads.begin(A, 'jürgen', 'sha256')
  t.equal(store.uploads.find(A, id, 'jürgen').id, id)
})

t.test('an upload that another program began belongs to whoever may push there', async (t) => {
  const store = makeStore(t.testdir({}))
  const { id } = await store.uploads.begin(A, undefined, 'sha256')
  t.equal(store.uploads.find(A, id, 'ann').id, id)
})

t.test('ids that are no UUID, and torn uploads, are unknown', async (t) => {
  const store = makeStore(t.testdir({}))
  for (const id of ['', '..', '../../x', 'ABCDEF00-0000-4000-8000-000000000000', 'x'.repeat(36)]) {
    t.throws(() => store.uploads.find(A, id, undefined), { code: 'BLOB_UPLOAD_UNKNOWN' })
  }
  const { id } = await store.uploads.begin(A, undefined, 'sha256')
  rmSync(store.layout.uploadData(A, id))
  t.throws(() => store.uploads.find(A, id, undefined), { code: 'BLOB_UPLOAD_UNKNOWN' })
})

t.test('a cancelled upload is gone', async (t) => {
  const store = makeStore(t.testdir({}))
  const key = await store.uploads.begin(A, undefined, 'sha256')
  await store.uploads.cancel(key)
  t.notOk(existsSync(dirname(store.layout.uploadData(A, key.id))))
  await t.rejects(store.uploads.cancel(key), { code: 'BLOB_UPLOAD_UNKNOWN' })
  await t.rejects(store.uploads.append(key, { source: streamOf(HELLO) }), { code: 'BLOB_UPLOAD_UNKNOWN' })
})

t.test('chunks that are sent at the same time are appended one after the other', async (t) => {
  const store = makeStore(t.testdir({}))
  const key = await store.uploads.begin(A, undefined, 'sha256')
  const chunks = Array.from({ length: 8 }, (_, index) => Buffer.alloc(100_000, index))
  const results = await Promise.allSettled(
    chunks.map((chunk) => store.uploads.append(key, { source: streamOf(chunk), start: 0, length: chunk.length })),
  )
  t.equal(results.filter(({ status }) => status === 'fulfilled').length, 1)
  t.equal(store.uploads.received(key), 100_000)
})

t.test('more uploads than hashes are kept all end well', async (t) => {
  const store = makeStore(t.testdir({}))
  const first = await store.uploads.begin(A, undefined, 'sha256')
  await store.uploads.append(first, { source: streamOf(HELLO) })
  for (let i = 0; i < 1001; i += 1) await store.uploads.begin(A, undefined, 'sha256')
  t.same(await finish(store, first, BOTH, WORLD), BOTH)
})

t.test('only unfinished uploads that are old are purged, and what is no upload stays', async (t) => {
  const { purgeUploads } = await import('../../src/storage/purge.ts')
  const store = makeStore(t.testdir({}))
  await store.repositories.ensure(A)
  const [old, young, odd] = await Promise.all([1, 2, 3].map(() => store.uploads.begin(A, undefined, 'sha256')))
  writeFileSync(store.layout.uploadStartedAt(A, old?.id as UploadId), '2020-01-01T00:00:00Z')
  writeFileSync(store.layout.uploadStartedAt(A, odd?.id as UploadId), 'no date')
  const before = Date.now() - 3_600_000
  t.equal(await purgeUploads(store, before, true), 1)
  t.ok(existsSync(store.layout.upload(A, old?.id as UploadId)), 'a dry run only counts')
  t.equal(await purgeUploads(store, before, false), 1)
  t.same(
    [old, young, odd].map((key) => existsSync(store.layout.upload(A, key?.id as UploadId))),
    [false, true, true],
  )
})

t.test('a client that comes back ends its dead request', async (t) => {
  const store = makeStore(t.testdir({}))
  const key = await store.uploads.begin(A, undefined, 'sha256')
  const dead = Promise.withResolvers<void>()
  const came = Promise.withResolvers<void>()
  async function* stalled(): AsyncGenerator<Uint8Array> {
    yield HELLO
    came.resolve()
    await dead.promise
    throw Object.assign(new Error('ended'), { code: 'ECONNRESET' })
  }
  const first = store.uploads.append(key, { source: stalled(), stop: () => dead.resolve() })
  await came.promise
  await t.rejects(store.uploads.append(key, { source: streamOf(WORLD), start: 0 }), { code: 'RANGE_INVALID' })
  await t.rejects(first, { message: 'ended' })
  t.equal(store.uploads.received(key), 6, 'what the dead one brought is kept')
  t.equal(await store.uploads.append(key, { source: streamOf(WORLD), start: 6 }), 11)
})
