import { createHash } from 'node:crypto'
import { chmodSync, chownSync, mkdirSync, realpathSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { once } from 'node:events'
import { join } from 'node:path'
import t from 'tap'
import { claimDirectory, findOwner, isBindable, socketDirectories, socketName } from '../../src/http/socket-path.ts'
import { makeDirectory } from '../helpers/server.ts'

const UID = process.getuid?.() ?? 0

t.test('a socket is named by the real path of its data directory', async (t) => {
  const directory = makeDirectory(t)
  symlinkSync(directory, `${directory}-link`)
  const expected = `${createHash('sha256').update(realpathSync(directory)).digest('hex').slice(0, 32)}.sock`
  t.equal(socketName(directory), expected)
  t.equal(socketName(`${directory}-link`), expected, 'whichever way one comes')
  t.not(socketName(join(directory, '..')), expected)
})

t.test('sockets are in the run-time directory of the user, the system’s, or that of temporary files', async (t) => {
  const places = (own?: string) => socketDirectories({ uid: 7, own, system: '/run/tarn', temporary: '/var/tmp' })
  t.same(places('/run/user/7'), ['/run/user/7/tarn', '/run/tarn', '/var/tmp/tarn-7'])
  for (const none of [undefined, '', 'relative']) t.same(places(none), ['/run/tarn', '/var/tmp/tarn-7'])
})

t.test('a directory is taken when it is this user’s alone', async (t) => {
  const directory = makeDirectory(t)
  const own = join(directory, 'own')
  claimDirectory(own, UID)
  t.equal(statSync(own).mode & 0o777, 0o700)
  chmodSync(own, 0o755)
  claimDirectory(own, UID)
  t.equal(statSync(own).mode & 0o777, 0o700, 'what others could enter is closed')

  t.throws(() => claimDirectory(own, UID + 1), /belongs to uid/)
  symlinkSync(own, join(directory, 'link'))
  t.throws(() => claimDirectory(join(directory, 'link'), UID), /no directory/)
  writeFileSync(join(directory, 'file'), '')
  t.throws(() => claimDirectory(join(directory, 'file'), UID), /no directory/)
  t.throws(() => claimDirectory(join(directory, 'a', 'b'), UID), { code: 'ENOENT' })
})

t.test('a client trusts a socket only where nobody else could have put it', async (t) => {
  const directory = join(makeDirectory(t), 'tarn')
  mkdirSync(directory, { mode: 0o700 })
  const path = join(directory, 'a.sock')
  t.equal(findOwner(path, [UID]), undefined)
  writeFileSync(path, '')
  t.equal(findOwner(path, [UID]), undefined, 'a file is no socket')
  const server = createServer().listen(join(directory, 'b.sock'))
  t.teardown(() => server.close())
  await once(server, 'listening')
  const socket = join(directory, 'b.sock')
  chmodSync(socket, 0o600)
  t.equal(findOwner(socket, [UID]), 'trusted')
  t.same(findOwner(socket, [UID + 1]), { uid: UID })
  chmodSync(directory, 0o777)
  t.same(findOwner(socket, [UID]), { uid: UID }, 'others may write there')
  chmodSync(directory, 0o700)
  if (UID === 0) {
    chownSync(directory, 12_345, 0)
    t.same(findOwner(socket, [UID]), { uid: 12_345 })
    chownSync(directory, 0, 0)
  }
  t.equal(findOwner(socket, [UID]), 'trusted')
})

t.test('paths that no socket can have are known', async (t) => {
  t.ok(isBindable(`/${'x'.repeat(106)}`))
  t.notOk(isBindable(`/${'x'.repeat(107)}`))
  t.notOk(isBindable(`/${'ü'.repeat(60)}`), 'bytes count')
})
