import { execFileSync } from 'node:child_process'
import { mkdirSync, renameSync, statSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { isWorldReadable, readWatchedFile, stampOf } from '../../src/config/watched-file.ts'

t.test('the stamp changes with the content though size, inode and mtime stay', (t) => {
  const path = join(t.testdir({ file: 'one' }), 'file')
  const before = stampOf(path)
  const { ino, atime, mtime } = statSync(path)
  // ctime of older kernels ticks: rewrite until it does.
  do {
    writeFileSync(path, 'two')
    utimesSync(path, atime, mtime)
  } while (stampOf(path) === before)
  const after = statSync(path)
  t.same([after.ino, after.size, after.mtimeMs], [ino, 3, mtime.getTime()])
  t.end()
})

t.test('has no stamp for a missing file, a directory and a path through a file', (t) => {
  const directory = t.testdir({ file: '' })
  for (const path of ['none', '.', 'file/below']) t.equal(stampOf(join(directory, path)), undefined, path)
  t.end()
})

t.test('does not trust the stamp of a file that was changed this very moment', (t) => {
  const path = join(t.testdir({ file: 'one' }), 'file')
  const { ctimeMs } = statSync(path)
  t.equal(readWatchedFile(path, ctimeMs + 10).settled, false)
  t.equal(readWatchedFile(path, ctimeMs + 1000).settled, true)
  t.match(readWatchedFile(path, ctimeMs + 1000), { stamp: stampOf(path), bytes: Buffer.from('one') })
  t.end()
})

t.test('sees the swap of a linked directory, as Kubernetes updates secrets', (t) => {
  const directory = t.testdir({ one: { file: 'one' }, two: { file: 'two' } })
  symlinkSync('one', join(directory, 'data'))
  const path = join(directory, 'data/file')
  const before = stampOf(path)
  symlinkSync('two', join(directory, 'data.new'))
  renameSync(join(directory, 'data.new'), join(directory, 'data'))
  t.not(stampOf(path), before)
  t.equal(readWatchedFile(path, Date.now()).bytes.toString(), 'two')
  t.end()
})

t.test('refuses a directory and a pipe at once', (t) => {
  const directory = t.testdir()
  mkdirSync(join(directory, 'sub'))
  execFileSync('mkfifo', [join(directory, 'pipe')])
  for (const name of ['sub', 'pipe']) t.throws(() => readWatchedFile(join(directory, name), 0), { code: 'EINVAL' })
  t.throws(() => readWatchedFile(join(directory, 'none'), 0), { code: 'ENOENT' })
  t.end()
})

t.test('knows which modes let everybody read', (t) => {
  t.same([0o600, 0o640, 0o644, 0o604].map(isWorldReadable), [false, false, true, true])
  t.end()
})
