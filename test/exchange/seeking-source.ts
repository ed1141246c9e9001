import { truncateSync, writeFileSync } from 'node:fs'
import { open } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { indexTar } from '../../src/exchange/tar-index.ts'
import { makeEntry, makeTar } from '../helpers/make-tar.ts'

const GIB = 2 ** 30

t.test('what is passed over is not read: seven gigabytes between two files cost nothing', async (t) => {
  const path = join(t.testdir({}), 'a.tar')
  const size = 7 * GIB
  const first = makeTar([{ name: 'small', bytes: 'one' }, makeEntry({ name: 'large', size })], Buffer.alloc(0))
  writeFileSync(path, first)
  truncateSync(path, first.length + size)
  writeFileSync(path, makeTar([{ name: 'last', bytes: 'two' }]), { flag: 'a' })
  const handle = await open(path)
  t.teardown(() => handle.close())
  const begun = performance.now()
  const entries = await indexTar(handle, path)
  t.ok(performance.now() - begun < 1000)
  t.same(
    [...entries],
    [
      ['small', { kind: 'file', at: 512, size: 3 }],
      ['large', { kind: 'file', at: first.length, size }],
      ['last', { kind: 'file', at: first.length + size + 512, size: 3 }],
    ],
  )
})

t.test('a file that ends inside what is passed over is told by what it lacks', async (t) => {
  const bytes = makeTar([{ name: 'a', bytes: Buffer.alloc(200_000) }]).subarray(0, 150_000)
  const path = join(t.testdir({ 'a.tar': bytes }), 'a.tar')
  const handle = await open(path)
  t.teardown(() => handle.close())
  await t.rejects(indexTar(handle, path), {
    message: `${path}: the archive is cut short: entry 1, "a" lacks its last 50512 bytes`,
  })
})
