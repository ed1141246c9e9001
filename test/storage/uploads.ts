import {
  appendFileSync,
  existsSync,
  mkdirSync,
  readFileSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
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
  const due = { begunBefore: Date.now() - 3_600_000, idleBefore: -Infinity }
  t.equal(await purgeUploads(store, due, true), 1)
  t.ok(existsSync(store.layout.upload(A, old?.id as UploadId)), 'a dry run only counts')
  t.equal(await purgeUploads(store, due, false), 1)
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

const HOUR = 3_600_000

t.test('an upload whose blob is there but whose end failed leaves nothing', async (t) => {
  const store = makeStore(t.testdir({}))
  const key = await store.uploads.begin(A, undefined, 'sha256')
  await store.uploads.append(key, { source: streamOf(HELLO) })
  const failing = store.uploads.finish(key, digestOf(HELLO), undefined, async (data) => {
    rmSync(data)
    throw new Error('no link')
  })
  await t.rejects(failing, { message: 'no link' })
  t.notOk(existsSync(store.layout.upload(A, key.id)))
  t.same(store.uploads.open.count(), { sending: 0, waiting: 0 })
})

t.test('an upload that cannot be begun leaves nothing behind', async (t) => {
  const store = makeStore(t.testdir({}))
  mkdirSync(store.layout.repository(A), { recursive: true })
  writeFileSync(store.layout.uploads(A), 'a file in the place of the directory')
  await t.rejects(store.uploads.begin(A, undefined, 'sha256'))
  t.same(store.uploads.open.count(), { sending: 0, waiting: 0 })
})

t.test('a user may have so many uploads that wait, and those that end make place', async (t) => {
  const store = makeStore(t.testdir({}), undefined, { uploads: { perUser: 2, total: 3 } })
  const begin = (owner?: string) => store.uploads.begin(A, owner, 'sha256')
  const [first] = [await begin('ann'), await begin('ann')]
  await t.rejects(begin('ann'), { code: 'TOOMANYREQUESTS', status: 429, headers: { 'retry-after': '60' } })
  await begin()
  await t.rejects(begin('bob'), { code: 'TOOMANYREQUESTS' }, 'all together')
  await store.uploads.cancel(first)
  const next = await begin('ann')
  await finish(store, next, HELLO, HELLO)
  await begin('ann')
})

t.test('at the limit one that was left alone for an hour makes place, in the name of the same user', async (t) => {
  const store = makeStore(t.testdir({}), undefined, { uploads: { perUser: 2, total: 9 } })
  const begin = (owner: string) => store.uploads.begin(A, owner, 'sha256')
  const [anns, bobs] = [await begin('ann'), await begin('bob')]
  store.turn(HOUR / 2)
  const younger = await begin('ann')
  await t.rejects(begin('ann'), { code: 'TOOMANYREQUESTS' })
  store.turn(HOUR / 2 + 1)
  await begin('ann')
  t.same(
    [anns, bobs, younger].map((key) => existsSync(store.layout.upload(A, key.id))),
    [false, true, true],
  )
})

t.test('those who begin at the same moment share the place of one that goes with nobody', async (t) => {
  const { purgeUploads } = await import('../../src/storage/purge.ts')
  for (const limits of [
    { perUser: 2, total: 9 },
    { perUser: 9, total: 2 },
  ]) {
    const store = makeStore(t.testdir({}), undefined, { uploads: limits })
    const begin = () => store.uploads.begin(A, 'ann', 'sha256')
    const forsaken = await begin()
    store.turn(HOUR + 1)
    await begin()
    const beginning = Promise.allSettled([begin(), begin(), begin(), begin()])
    // Meets the one that begins before it has files.
    await purgeUploads(store, { begunBefore: -Infinity, idleBefore: -Infinity }, false)
    const begun = await beginning
    t.equal(begun.filter(({ status }) => status === 'fulfilled').length, 1, 'one goes, one comes')
    t.equal(store.uploads.open.count().waiting, 2)
    t.notOk(existsSync(store.layout.upload(A, forsaken.id)))
    for (const one of begun) if (one.status === 'rejected') t.match(one.reason, { code: 'TOOMANYREQUESTS' })
  }
})

t.test('an upload that looks left alone and is not stays, and the next one goes', async (t) => {
  const store = makeStore(t.testdir({}), undefined, { uploads: { perUser: 9, total: 2 } })
  const begin = () => store.uploads.begin(A, undefined, 'sha256')
  const [one, two] = [await begin(), await begin()]
  // What the table says of both is old; the directory knows better of the first.
  store.uploads.open.note(one, 0)
  store.uploads.open.note(two, 1)
  utimesSync(store.layout.uploadData(A, two.id), new Date(0), new Date(0))
  await begin()
  t.same(
    [one, two].map((key) => existsSync(store.layout.upload(A, key.id))),
    [true, false],
  )
})

t.test('the walk after a start learns what is there, whose it is, and removes what a crash left empty', async (t) => {
  const directory = t.testdir({})
  const before = makeStore(directory)
  await before.repositories.ensure(A)
  const [anns, nobodys] = [
    await before.uploads.begin(A, 'jürgen', 'sha256'),
    await before.uploads.begin(A, undefined, 'sha256'),
  ]
  const leftOver = before.layout.upload(A, '00000000-0000-4000-8000-000000000000' as UploadId)
  const half = before.layout.upload(A, '00000000-0000-4000-8000-000000000001' as UploadId)
  mkdirSync(leftOver)
  mkdirSync(half)
  writeFileSync(`${half}/data`, 'x')
  const { findUploads } = await import('../../src/storage/purge.ts')
  const after = makeStore(directory)
  await findUploads(after, after.clock)
  t.ok(existsSync(leftOver), 'it may be one that is being made')
  after.turn(2 * HOUR)
  await findUploads(after, after.clock)
  t.notOk(existsSync(leftOver))
  t.ok(existsSync(half), 'what holds something is not touched')
  const owners = new Map(after.uploads.open.list().map(({ id, owner }) => [id, owner]))
  t.same([owners.get(anns.id), owners.get(nobodys.id), owners.size], [{ user: 'jürgen' }, 'unknown', 2])
})

t.test('an upload to which nothing came for too long is dropped, however young or old it is', async (t) => {
  const { findUploads, purgeUploads } = await import('../../src/storage/purge.ts')
  const directory = t.testdir({})
  const before = makeStore(directory)
  const begin = () => before.uploads.begin(A, undefined, 'sha256')
  const [idle, active, gone, torn] = [await begin(), await begin(), await begin(), await begin()]
  const long = new Date(Date.now() - 48 * HOUR)
  // tar gives a file the time at which bytes came last.
  for (const { id } of [idle, torn]) utimesSync(before.layout.uploadData(A, id), long, long)
  // What a power cut leaves of a file that nobody synced.
  writeFileSync(before.layout.uploadStartedAt(A, torn.id), '')
  const store = makeStore(directory)
  await findUploads(store, store.clock)
  rmSync(store.layout.upload(A, gone.id), { recursive: true })
  const due = { begunBefore: -Infinity, idleBefore: Date.now() - 24 * HOUR }
  t.equal(await purgeUploads(store, due, true), 2)
  t.ok(existsSync(store.layout.upload(A, idle.id)), 'a dry run only counts')
  t.equal(await purgeUploads(store, due, false), 2)
  t.same(
    store.uploads.open.list().map(({ id }) => id),
    [active.id],
    'what another program removed is forgotten',
  )
})

t.test('nothing is dropped while somebody sends to it', async (t) => {
  const { purgeUploads } = await import('../../src/storage/purge.ts')
  const store = makeStore(t.testdir({}))
  const key = await store.uploads.begin(A, undefined, 'sha256')
  const rest = Promise.withResolvers<void>()
  const came = Promise.withResolvers<void>()
  async function* slow(): AsyncGenerator<Uint8Array> {
    yield HELLO
    came.resolve()
    await rest.promise
    yield WORLD
  }
  const sending = store.uploads.append(key, { source: slow() })
  await came.promise
  t.same(store.uploads.open.count(), { sending: 1, waiting: 0 })
  t.equal(await purgeUploads(store, { begunBefore: Infinity, idleBefore: Infinity }, false), 0)
  rest.resolve()
  t.equal(await sending, 11)
  t.equal(await purgeUploads(store, { begunBefore: Infinity, idleBefore: Infinity }, false), 1)
})

t.test('at the limit an upload that met a full disk makes place at once, unless it went on since', async (t) => {
  const clock = Date.now
  const store = makeStore(t.testdir({}), undefined, { clock, uploads: { perUser: 2, total: 9 } })
  const begin = () => store.uploads.begin(A, 'ann', 'sha256')
  const [one, two] = [await begin(), await begin()]
  await t.rejects(begin(), { code: 'TOOMANYREQUESTS' })
  store.uploads.refuse(one)
  store.uploads.refuse(two)
  // The kernel's clock of files moves in ticks.
  const until = clock() + 30
  while (clock() < until) await new Promise((resolve) => setImmediate(resolve))
  await store.uploads.append(one, { source: streamOf(HELLO) })
  await begin()
  t.same(
    [one, two].map((key) => existsSync(store.layout.upload(A, key.id))),
    [true, false],
  )
  await t.rejects(begin(), { code: 'TOOMANYREQUESTS' })
})
