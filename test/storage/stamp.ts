import { linkSync, mkdirSync, renameSync, rmSync, statSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { directoryIdentity, isNotThere, readTiny, statFile } from '../../src/storage/stamp.ts'

t.test('a stamp holds as long as nothing is done to the file', async (t) => {
  const file = join(t.testdir({ file: 'bytes' }), 'file')
  const facts = statFile(file)
  t.equal(facts?.size, 5)
  t.equal(facts?.stamp, statFile(file)?.stamp)
  t.equal(facts?.changedAt, Math.floor(statSync(file).ctimeMs))
})

t.test('a stamp changes with new content of the same size under the same mtime and inode', async (t) => {
  const file = join(t.testdir({ file: 'bytes' }), 'file')
  utimesSync(file, 1000, 1000)
  const [before, stamp] = [statSync(file), statFile(file)?.stamp]
  // The kernel's clock moves in ticks: write until it has moved.
  do {
    writeFileSync(file, 'BYTES')
    utimesSync(file, 1000, 1000)
  } while (statSync(file, { bigint: true }).ctimeMs === BigInt(Math.floor(before.ctimeMs)))
  t.same([statSync(file).ino, statSync(file).mtimeMs], [before.ino, before.mtimeMs], 'the ground of this test')
  t.not(statFile(file)?.stamp, stamp)
})

t.test('a stamp changes when another file takes the name', async (t) => {
  const directory = t.testdir({ file: 'bytes', other: 'bytes' })
  const stamp = statFile(join(directory, 'file'))?.stamp
  renameSync(join(directory, 'other'), join(directory, 'file'))
  t.not(statFile(join(directory, 'file'))?.stamp, stamp)
})

t.test('what is no regular file has no facts, and asking never throws', async (t) => {
  const directory = t.testdir({ file: 'x', sub: {} })
  symlinkSync('nowhere', join(directory, 'dangling'))
  for (const path of ['missing', 'sub', 'file/below', 'missing/below', 'dangling']) {
    t.equal(statFile(join(directory, path)), undefined, path)
  }
  linkSync(join(directory, 'file'), join(directory, 'hard'))
  t.equal(statFile(join(directory, 'hard'))?.size, 1)
})

t.test('a directory that was made again is another one', async (t) => {
  const directory = t.testdir({ sub: {}, file: 'x' })
  const path = join(directory, 'sub')
  const identity = directoryIdentity(path)
  t.equal(directoryIdentity(path), identity)
  rmSync(path, { recursive: true })
  t.equal(directoryIdentity(path), undefined)
  mkdirSync(path)
  t.not(directoryIdentity(path), identity)
  t.equal(directoryIdentity(join(directory, 'file')), undefined)
  t.equal(directoryIdentity(join(directory, 'file/below')), undefined)
})

t.test('a tiny file is read whole; a directory or nothing in its place is undefined', async (t) => {
  const directory = t.testdir({ file: 'text', empty: '', sub: {} })
  t.equal(readTiny(join(directory, 'file')), 'text')
  t.equal(readTiny(join(directory, 'empty')), '')
  for (const path of ['sub', 'missing', 'file/below']) t.equal(readTiny(join(directory, path)), undefined, path)
})

t.test('only a missing name counts as not there', async (t) => {
  for (const code of ['ENOENT', 'ENOTDIR']) t.ok(isNotThere(Object.assign(new Error(), { code })), code)
  for (const code of ['EACCES', 'EIO', 'EMFILE', 'EISDIR', undefined]) {
    t.notOk(isNotThere(Object.assign(new Error(), { code })), String(code))
  }
})
