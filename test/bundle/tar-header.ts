import { execFileSync } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { extract } from 'tar-stream'
import { BLOCK, TAR_END, headerSize, writeHeader } from '../../src/bundle/tar-header.ts'

const TIME = 1_793_491_200
const LONGEST = `data/${'r/'.repeat(100)}${'n'.repeat(200)}/${'h'.repeat(128)}/link`
const NAMES = [
  'short',
  `${'a'.repeat(99)}/`,
  `${'p'.repeat(155)}/${'n'.repeat(100)}`,
  `${'p'.repeat(156)}/${'n'.repeat(99)}`,
  `data/${'x'.repeat(95)}`,
  `data/${'x'.repeat(101)}`,
  LONGEST,
]

t.test('GNU tar and tar-stream read each name back, and the length is as foretold', async (t) => {
  for (const name of NAMES) {
    const header = writeHeader({ name, size: 0, time: TIME })
    t.equal(header.byteLength, headerSize(name))
    const tar = Buffer.concat([header, Buffer.alloc(TAR_END)])
    t.equal(execFileSync('tar', ['-tf', '-'], { input: tar }).toString(), `${name}\n`)
    const entries = extract()
    entries.end(tar)
    for await (const entry of entries) t.equal(entry.header.name.replace(/\/$/, ''), name.replace(/\/$/, ''))
  }
})

t.test('what tar makes of an entry has its mode, time and bytes', async (t) => {
  const directory = t.testdir()
  const bytes = Buffer.from('abc')
  const tar = Buffer.concat([
    writeHeader({ name: LONGEST.slice(0, 150), size: 3, time: TIME }),
    bytes,
    Buffer.alloc(BLOCK - 3),
    writeHeader({ name: 'd/', size: 0, time: TIME }),
    Buffer.alloc(TAR_END),
  ])
  const listed = execFileSync('tar', ['-tvf', '-', '--utc', '--full-time', '--numeric-owner'], {
    input: tar,
  }).toString()
  t.match(listed, /^-rw-r--r-- 0\/0 +3 2026-11-01 00:00:00/)
  t.match(listed, /\ndrwxr-xr-x 0\/0 +0 2026-11-01 00:00:00 d\/\n$/)
  mkdirSync(join(directory, 'out'))
  writeFileSync(join(directory, 'x.tar'), tar)
  t.equal(execFileSync('tar', ['-xOf', join(directory, 'x.tar')]).toString(), 'abc')
})

t.test('a size of 8 GiB and more is read back', async (t) => {
  for (const size of [8 ** 11 - 1, 8 ** 11, 5e12]) {
    const entries = extract()
    const found = new Promise((resolve) => entries.once('entry', (header) => resolve(header.size)))
    entries.write(writeHeader({ name: 'large', size, time: TIME }))
    t.equal(await found, size)
    entries.destroy()
  }
})
