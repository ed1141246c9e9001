import { renameSync, statSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { digestOf } from '../../src/oci/digest.ts'
import { LinkReader } from '../../src/storage/link.ts'

const ONE = digestOf(Buffer.from('one'))
const TWO = digestOf(Buffer.from('two'))

t.test('a link that moved is read anew, though tar restored its mtime', async (t) => {
  const path = join(t.testdir({ link: ONE }), 'link')
  utimesSync(path, 1000, 1000)
  const reader = new LinkReader(() => Date.now() + 10_000)
  t.equal(reader.read(path), ONE)
  t.equal(reader.read(path), ONE)
  const { ino, mtimeMs, size } = statSync(path)
  writeFileSync(path, TWO)
  utimesSync(path, 1000, 1000)
  t.match(statSync(path), { ino, mtimeMs, size }, 'the ground of this test')
  t.equal(reader.read(path), TWO)
})

t.test('a link that changed just now is not kept: it could change again within the tick', async (t) => {
  const path = join(t.testdir({ link: ONE, other: TWO }), 'link')
  // A clock that stands at the change: nothing is ever old enough.
  const reader = new LinkReader(() => statSync(path).ctimeMs)
  t.equal(reader.read(path), ONE)
  renameSync(join(path, '../other'), path)
  t.equal(reader.read(path), TWO)
})

t.test('missing, torn and foreign files are no links, before and after they were', async (t) => {
  const path = join(t.testdir({ link: ONE }), 'link')
  const reader = new LinkReader(() => Date.now() + 10_000)
  t.equal(reader.read(path), ONE)
  for (const text of ['', ONE.slice(0, 40), `${ONE}\n`, 'words']) {
    writeFileSync(path, text)
    t.equal(reader.read(path), undefined, JSON.stringify(text))
  }
  t.equal(reader.read(join(path, 'below')), undefined)
  writeFileSync(path, TWO)
  t.equal(reader.read(path), TWO)
})
