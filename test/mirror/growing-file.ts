import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { GrowingFile } from '../../src/mirror/growing-file.ts'

t.test('what was appended can be read, in its order, and readers wake', async (t) => {
  const path = join(t.testdir({}), 'file')
  const file = await GrowingFile.open(path)
  const change = file.changed()
  await file.append(Buffer.from('one '))
  await file.append(Buffer.from('two'))
  await file.settle()
  await change
  t.equal(file.size, 7)
  t.equal(readFileSync(path, 'utf8'), 'one two')
  await file.release()
})

t.test('a file that is there already goes on where it ends', async (t) => {
  const path = join(t.testdir({ file: 'abc' }), 'file')
  const file = await GrowingFile.open(path)
  t.equal(file.size, 3)
  await file.append(Buffer.from('def'))
  await file.settle()
  t.equal(readFileSync(path, 'utf8'), 'abcdef')
  await file.empty()
  t.equal(file.size, 0)
  await file.append(Buffer.from('x'))
  await file.settle()
  t.equal(readFileSync(path, 'utf8'), 'x')
  await file.release()
})

t.test('large pieces wait for the disk, and all of them are there', async (t) => {
  const path = join(t.testdir({}), 'file')
  const file = await GrowingFile.open(path)
  const piece = Buffer.alloc(1_000_000, 'x')
  for (let i = 0; i < 20; i += 1) await file.append(piece)
  await file.settle()
  t.equal(file.size, 20_000_000)
  t.equal(readFileSync(path).length, 20_000_000)
  await file.release()
})

t.test('no bytes are given back before they are in the file', async (t) => {
  const path = join(t.testdir({}), 'file')
  const file = await GrowingFile.open(path)
  const early: number[] = []
  const freed = new Set<number>()
  // The first one is being written while the others come.
  for (let i = 0; i < 20; i += 1) {
    void file.append(Buffer.alloc(1_000_000, i), () => {
      if (file.size < (i + 1) * 1_000_000) early.push(i)
      freed.add(i)
    })
  }
  await file.settle()
  t.same(early, [])
  t.ok(freed.size >= 15, `${freed.size} of 20 pieces were given back`)
  t.equal(file.received, 20_000_000)
  await file.release()
  t.equal(freed.size, 20)
})

t.test('what was written a moment ago is in memory, what was written before it in the file alone', async (t) => {
  const file = await GrowingFile.open(join(t.testdir({}), 'file'))
  // Somebody follows.
  file.use()
  for (let i = 0; i < 10; i += 1) await file.append(Buffer.alloc(1_000_000, i))
  await file.settle()
  t.equal(file.hold(0, 1), undefined)
  const held = file.hold(9_500_000, 1_000_000)
  t.same(held?.bytes, Buffer.alloc(500_000, 9))
  held?.release()
  await file.release()
  await file.release()
})

t.test('the file is closed with its last use, and what the disk refuses is told', async (t) => {
  const path = join(t.testdir({}), 'file')
  const file = await GrowingFile.open(path)
  file.use()
  await file.release()
  writeFileSync(path, 'abc')
  const { bytesRead } = await file.handle.read(Buffer.alloc(3), 0, 3, 0)
  t.equal(bytesRead, 3)
  await file.release()
  await file.append(Buffer.from('late')).catch(() => undefined)
  await t.rejects(file.settle(), { code: 'EBADF' })
})
