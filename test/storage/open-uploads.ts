import { randomUUID } from 'node:crypto'
import t from 'tap'
import type { Owner } from '../../src/storage/open-uploads.ts'
import { OpenUploads } from '../../src/storage/open-uploads.ts'
import type { UploadId } from '../../src/storage/upload-id.ts'
import { A, B } from '../helpers/store.ts'

const ANN: Owner = { user: 'ann' }
const now = (): number => 1000

function add(table: OpenUploads, owner: Owner, activeAt = 0) {
  const key = { name: A, id: randomUUID() as UploadId }
  table.add(key, owner, activeAt)
  return key
}

t.test('an upload waits, is sent to, waits again, and leaves', async (t) => {
  const table = new OpenUploads()
  const key = add(table, ANN)
  t.same(table.count(), { sending: 0, waiting: 1 })
  const [first, second] = [table.enter(key, now), table.enter(key, now)]
  t.same(table.count(), { sending: 1, waiting: 0 })
  first()
  t.ok(table.isSending(key))
  second()
  t.same(table.count(), { sending: 0, waiting: 1 })
  t.equal(table.list()[0]?.activeAt, 1000, 'bytes came just now')
  const third = table.enter(key, now)
  table.remove(key)
  third()
  t.same(table.count(), { sending: 0, waiting: 0 }, 'removed while it was sent to')
  t.doesNotThrow(table.enter(key, now), 'what is unknown is nobody’s')
})

t.test('the same id in two repositories is two uploads, twice the same is one', async (t) => {
  const table = new OpenUploads()
  const key = add(table, ANN)
  table.add({ ...key, name: B }, ANN, 0)
  table.add(key, 'anonymous', 0)
  t.equal(table.count().waiting, 2)
  t.same(table.list()[0]?.owner, ANN)
})

t.test('each user has a limit, all without login are one, and all together have one', async (t) => {
  const table = new OpenUploads()
  const limits = { perUser: 2, total: 4 }
  add(table, ANN)
  t.equal(table.brokenLimit(ANN, limits), undefined)
  add(table, ANN)
  t.equal(table.brokenLimit(ANN, limits), 'user')
  t.equal(table.brokenLimit({ user: 'bob' }, limits), undefined)
  add(table, 'anonymous')
  t.equal(table.brokenLimit('anonymous', limits), undefined)
  t.equal(table.brokenLimit({ user: 'anonymous' }, limits), undefined, 'a user of that name is somebody else')
  add(table, 'unknown')
  t.equal(table.brokenLimit({ user: 'bob' }, limits), 'total', 'uploads of nobody count here')
})

t.test('uploads that are being sent to do not count, so that a busy client is not refused', async (t) => {
  const table = new OpenUploads()
  const limits = { perUser: 1, total: 1 }
  const leave = table.enter(add(table, ANN), now)
  t.equal(table.brokenLimit(ANN, limits), undefined)
  leave()
  t.equal(table.brokenLimit(ANN, limits), 'user')
})

t.test('the one that was left alone for the longest time is found, of one owner or of all', async (t) => {
  const table = new OpenUploads()
  const [oldest, anns] = [add(table, 'unknown', 10), add(table, ANN, 20)]
  add(table, ANN, 30)
  t.match(table.longestIdle(100), oldest)
  t.match(table.longestIdle(100, ANN), anns)
  t.equal(table.longestIdle(100, 'anonymous'), undefined)
  t.equal(table.longestIdle(10), undefined, 'not before that time')
  table.note(anns, 40)
  t.match(table.longestIdle(100, ANN), { activeAt: 30 })
  table.enter(oldest, now)
  t.match(table.longestIdle(100), { activeAt: 30 }, 'never one that is being sent to')
})
