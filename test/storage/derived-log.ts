import { appendFileSync, existsSync, mkdirSync, readFileSync, rmSync, rmdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { DerivedLog } from '../../src/storage/derived-log.ts'

const always = (): boolean => true
const never = (): boolean => false

t.test('lines come back in the next life of the server, in their order', async (t) => {
  const root = t.testdir({})
  const path = join(root, 'cache/log')
  const first = new DerivedLog(path, root, always)
  t.same(first.load(), [])
  first.append('one')
  first.append('two')
  const second = new DerivedLog(path, root, always)
  t.same(second.load(), ['one', 'two'])
  second.append('three')
  t.same(new DerivedLog(path, root, always).load(), ['one', 'two', 'three'])
})

t.test('a log of another boot, directory or version is not believed and begun anew', async (t) => {
  const root = t.testdir({ other: {} })
  const path = join(root, 'log')
  const own = new DerivedLog(path, root, always)
  own.load()
  own.append('mine')
  const [header = ''] = readFileSync(path, 'utf8').split('\n')
  t.match(header, /^tarn-cache 1 [0-9a-f-]{36} \d+$/)
  const [word, version, boot, inode] = header.split(' ')
  for (const foreign of [
    `${word} ${version} 00000000-0000-0000-0000-000000000000 ${inode}`,
    `${word} ${version} ${boot} 1`,
    `${word} 2 ${boot} ${inode}`,
    '',
    'garbage',
  ]) {
    writeFileSync(path, `${foreign}\ntheirs\n`)
    const log = new DerivedLog(path, root, always)
    t.same(log.load(), [], foreign)
    log.append('mine')
    t.equal(readFileSync(path, 'utf8'), `${header}\nmine\n`, 'nothing of theirs is left')
  }
  t.same(new DerivedLog(path, join(root, 'other'), always).load(), [], 'copied into another directory')
})

t.test('a replacement leaves nothing but what it is given, from the next line on', async (t) => {
  const root = t.testdir({})
  const path = join(root, 'log')
  const log = new DerivedLog(path, root, always)
  log.load()
  for (let i = 0; i < 100; i += 1) log.append(`line ${i}`)
  log.replaceLater(['kept'])
  t.equal(new DerivedLog(path, root, always).load().length, 100, 'not yet')
  log.append('later')
  t.same(new DerivedLog(path, root, always).load(), ['kept', 'later'])
  t.notOk(existsSync(`${path}.tmp`))
})

t.test('who may not write leaves no file, and reads what is there', async (t) => {
  const root = t.testdir({})
  const path = join(root, 'cache/log')
  const reader = new DerivedLog(path, root, never)
  reader.load()
  reader.append('x')
  reader.replaceLater(['x'])
  reader.append('x')
  t.notOk(existsSync(join(root, 'cache')))
  const keeper = new DerivedLog(path, root, always)
  keeper.load()
  keeper.append('theirs')
  t.same(new DerivedLog(path, root, never).load(), ['theirs'])
})

t.test('a reader that becomes the keeper writes from then on', async (t) => {
  const root = t.testdir({})
  const path = join(root, 'log')
  let keeps = false
  const log = new DerivedLog(path, root, () => keeps)
  log.load()
  log.append('lost')
  keeps = true
  log.append('kept')
  t.same(new DerivedLog(path, root, always).load(), ['kept'])
})

t.test('a line that a full disk tore spoils the one that is written onto it, and no other', async (t) => {
  const root = t.testdir({})
  const path = join(root, 'log')
  const first = new DerivedLog(path, root, always)
  first.load()
  first.append('whole')
  appendFileSync(path, 'torn')
  const second = new DerivedLog(path, root, always)
  t.same(second.load(), ['whole', 'torn'])
  second.append('next')
  second.append('third')
  t.same(new DerivedLog(path, root, always).load(), ['whole', 'tornnext', 'third'])
})

t.test('a disk that takes nothing harms nobody', async (t) => {
  const root = t.testdir({ file: '' })
  // The first says ENOSPC to every byte, the others let no file be made. (/dev/full has no end: it is not read.)
  for (const path of ['/dev/full', join(root, 'file/below'), '/proc/nothing/log']) {
    const log = new DerivedLog(path, root, always)
    t.doesNotThrow(() => log.append('x'), path)
    log.replaceLater(['x'])
    t.doesNotThrow(() => log.append('x'), path)
  }
  const log = new DerivedLog(join(root, 'file/below'), root, always)
  t.same(log.load(), [])
  t.doesNotThrow(() => log.append('x'))
})

t.test('a disk that was full is written again after a rest, and nothing half is left', async (t) => {
  const root = t.testdir({ cache: 'a file in the place of the directory' })
  const path = join(root, 'cache/log')
  let elapsed = 0
  const log = new DerivedLog(path, root, always, () => elapsed)
  log.load()
  log.append('lost')
  rmSync(join(root, 'cache'))
  log.append('lost as well')
  t.notOk(existsSync(path), 'it rests')
  elapsed += 10_000
  log.append('kept')
  t.same(new DerivedLog(path, root, always).load(), ['kept'])
})

t.test('a line after one that may be torn begins on its own', async (t) => {
  const root = t.testdir({})
  const path = join(root, 'log')
  let elapsed = 0
  const log = new DerivedLog(path, root, always, () => elapsed)
  log.load()
  log.append('whole')
  // What a full disk does to a line: a part of it stays.
  const text = readFileSync(path, 'utf8')
  rmSync(path)
  mkdirSync(path)
  log.append('lost')
  rmdirSync(path)
  writeFileSync(path, `${text}tor`)
  elapsed += 10_000
  log.append('next')
  t.same(new DerivedLog(path, root, always).load(), ['whole', 'tor', 'next'])
})
