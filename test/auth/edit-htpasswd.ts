import { existsSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { eraseUser, readHtpasswd, writeUser } from '../../src/auth/edit-htpasswd.ts'

t.test('makes the file with mode 0600, changes it and leaves no lock behind', async (t) => {
  const path = join(t.testdir(), 'htpasswd')
  t.equal(await readHtpasswd(path), '')
  await writeUser(path, 'eve', 'one')
  t.equal(statSync(path).mode & 0o777, 0o600)
  await writeUser(path, 'adam', 'two')
  t.equal(await eraseUser(path, 'eve'), true)
  t.equal(await eraseUser(path, 'eve'), false)
  t.equal(await readHtpasswd(path), 'adam:two\n')
  t.notOk(existsSync(`${path}.lock`))
})

t.test('of many changes at the same time none is lost', async (t) => {
  const path = join(t.testdir({ htpasswd: '# team\n' }), 'htpasswd')
  const names = Array.from({ length: 5 }, (_, index) => `user${index}`)
  await Promise.all(names.map((name) => writeUser(path, name, 'hash')))
  const lines = readFileSync(path, 'utf8').trim().split('\n')
  t.equal(lines[0], '# team')
  t.same(new Set(lines.slice(1)), new Set(names.map((name) => `${name}:hash`)))
})

t.test('says what cannot be read', async (t) => {
  const directory = t.testdir({ htpasswd: {} })
  await t.rejects(writeUser(join(directory, 'htpasswd'), 'eve', 'one'), /cannot read the htpasswd file .*EISDIR/)
  t.notOk(existsSync(join(directory, 'htpasswd.lock')))
})
