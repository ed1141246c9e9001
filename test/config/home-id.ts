import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { readHomeId } from '../../src/config/home-id.ts'

t.test('a home gets an id of its own and keeps it', async (t) => {
  const home = t.testdir({ data: {} })
  const id = readHomeId(home, join(home, 'data'), true)
  t.match(id, /^[0-9a-f]{32}$/)
  t.equal(readHomeId(home, join(home, 'data'), true), id)
  t.equal(readFileSync(join(home, 'home-id'), 'utf8'), `${id}\n`)
  t.not(readHomeId(t.testdir({ x: { data: {} } }), join(home, 'data'), true), id)
})

t.test('where no id can be written the data directory stands in for it', async (t) => {
  const home = t.testdir({ data: {}, file: '' })
  const id = readHomeId(join(home, 'file'), join(home, 'data'), true)
  t.match(id, /^directory-/)
  t.equal(readHomeId(undefined, join(home, 'data'), true), id)
  rmSync(join(home, 'data'), { recursive: true })
  mkdirSync(join(home, 'other'))
  mkdirSync(join(home, 'data'))
  t.not(readHomeId(undefined, join(home, 'data'), true), id)
})

t.test('a file that holds no id is left alone', async (t) => {
  const home = t.testdir({ data: {} })
  writeFileSync(join(home, 'home-id'), 'something else')
  t.match(readHomeId(home, join(home, 'data'), true), /^directory-/)
  t.equal(readFileSync(join(home, 'home-id'), 'utf8'), 'something else')
})

t.test('a home that mirrors nothing is asked for its id and gets none', async (t) => {
  const home = t.testdir({ data: {} })
  t.match(readHomeId(home, join(home, 'data'), false), /^directory-/)
  t.throws(() => readFileSync(join(home, 'home-id')), { code: 'ENOENT' })
})
