import { rmSync, statfsSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { RegistryError } from '../../src/oci/errors.ts'
import { Room, isNoRoom, noRoom } from '../../src/storage/room.ts'

const ALL = '100%'
const NOTHING = '0'

t.test('the numbers are those of the file system that holds the directory', async (t) => {
  const directory = t.testdir({})
  const { blocks, bavail, frsize, files } = statfsSync(directory)
  const { free, total, totalInodes, freeInodes } = new Room(directory).read()
  t.equal(total, blocks * frsize)
  t.ok(Math.abs(free - bavail * frsize) < 2 ** 30, 'others write meanwhile')
  t.equal(totalInodes, files)
  t.ok(files === 0 ? freeInodes === Infinity : freeInodes <= files)
})

t.test('the marks decide the state, the lower one first', async (t) => {
  const directory = t.testdir({})
  const state = (warn: string, stop: string) => new Room(directory, { warn, stop }).read().state
  t.equal(state(NOTHING, NOTHING), 'ok')
  t.equal(state(ALL, NOTHING), 'warn')
  t.equal(state(ALL, ALL), 'stop')
  t.equal(state('100% 1', NOTHING), 'ok', 'of a share and a number the smaller one counts')
  t.equal(state('0% 1TiB', '0% 1TiB'), 'ok')
  t.equal(new Room(directory).read().state, 'ok', 'without marks nothing is low')
})

t.test('below the mark nothing new is begun, and what was begun goes on', async (t) => {
  const room = new Room(t.testdir({}), { warn: ALL, stop: ALL })
  t.throws(() => room.requireRoom(), { code: 'UNAVAILABLE', status: 503, headers: { 'retry-after': '60' } })
  t.doesNotThrow(() => room.requireSpace(1000, 8))
})

t.test('what does not fit is refused whatever the marks say', async (t) => {
  const room = new Room(t.testdir({}))
  const numbers = room.read()
  // Others write and remove on this disk meanwhile.
  room.read = () => numbers
  const { free, freeInodes } = numbers
  t.doesNotThrow(() => room.requireRoom(1000))
  for (const act of [() => room.requireRoom(2 * free), () => room.requireSpace(2 * free)]) {
    t.throws(act, { code: 'UNAVAILABLE' })
  }
  t.throws(() => room.requireSpace(free - 1000), { code: 'UNAVAILABLE' }, 'a little is kept for links and directories')
  if (freeInodes < Infinity) t.throws(() => room.requireSpace(0, 2 * freeInodes + 1), { code: 'UNAVAILABLE' })
})

t.test('a directory that is gone refuses nothing here: the write says what is wrong', async (t) => {
  const directory = join(t.testdir({ data: {} }), 'data')
  const room = new Room(directory, { warn: ALL, stop: ALL })
  rmSync(directory, { recursive: true })
  t.throws(() => room.read(), { code: 'ENOENT' })
  t.doesNotThrow(() => room.requireRoom())
})

t.test('errors of a full disk are told from others', async (t) => {
  for (const code of ['ENOSPC', 'EDQUOT', 'EFBIG']) t.ok(isNoRoom(Object.assign(new Error(code), { code })))
  for (const error of [
    undefined,
    null,
    'ENOSPC',
    new Error('ENOSPC'),
    Object.assign(new Error('x'), { code: 'EIO' }),
  ]) {
    t.notOk(isNoRoom(error))
  }
  const cause = new Error('why')
  t.ok(noRoom() instanceof RegistryError)
  t.equal(noRoom(cause).cause, cause)
})
