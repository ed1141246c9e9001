import { chmodSync, readdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { createFile, replaceFile } from '../../src/config/write-file.ts'

t.test('creates a file with its mode, and leaves one that is there alone', async (t) => {
  const directory = t.testdir()
  const path = join(directory, 'key')
  t.equal(await createFile(path, 'one', 0o600), true)
  t.equal(await createFile(path, 'two', 0o644), false)
  t.equal(readFileSync(path, 'utf8'), 'one')
  t.equal(statSync(path).mode & 0o777, 0o600)
  t.same(readdirSync(directory), ['key'])
})

t.test('does not create a file in the place of a dangling link', async (t) => {
  const directory = t.testdir()
  symlinkSync(join(directory, 'nowhere'), join(directory, 'key'))
  t.equal(await createFile(join(directory, 'key'), 'one', 0o600), false)
  t.same(readdirSync(directory), ['key'])
})

t.test('replaces a file as a whole and keeps its mode', async (t) => {
  const directory = t.testdir({ htpasswd: 'old and longer' })
  const path = join(directory, 'htpasswd')
  chmodSync(path, 0o640)
  const { ino } = statSync(path)
  await replaceFile(path, 'new', 0o600)
  t.equal(readFileSync(path, 'utf8'), 'new')
  t.equal(statSync(path).mode & 0o777, 0o640)
  t.not(statSync(path).ino, ino, 'a reader that holds the old file still has all of it')
  t.same(readdirSync(directory), ['htpasswd'])
})

t.test('replaces what a link leads to and keeps the link', async (t) => {
  const directory = t.testdir({ real: { htpasswd: 'old' } })
  symlinkSync('real/htpasswd', join(directory, 'htpasswd'))
  await replaceFile(join(directory, 'htpasswd'), 'new', 0o600)
  t.equal(readFileSync(join(directory, 'real/htpasswd'), 'utf8'), 'new')
})

t.test('leaves nothing behind when it fails', async (t) => {
  const directory = t.testdir({ taken: { inside: '' } })
  await t.rejects(replaceFile(join(directory, 'taken'), 'new', 0o600))
  t.same(readdirSync(directory), ['taken'])
  writeFileSync(join(directory, 'file'), '')
  await t.rejects(createFile(join(directory, 'file', 'below'), 'new', 0o600), { code: 'ENOTDIR' })
})
