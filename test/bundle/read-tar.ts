// Honest tars, as real tar programs write them; hostile ones are in test/attack.
import { execFileSync } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import type { TarEntry } from '../../src/bundle/read-tar.ts'
import { readTar } from '../../src/bundle/read-tar.ts'
import { writeHeader } from '../../src/bundle/tar-header.ts'
import { inPieces, paxEntry, rawEntry, tarOf } from '../helpers/data-tar.ts'

interface Read extends Pick<TarEntry, 'name' | 'kind' | 'size' | 'offset'> {
  readonly text: string
}

async function readAll(tar: Uint8Array, pieces = 700): Promise<Read[]> {
  const read: Read[] = []
  for await (const { name, kind, size, offset, bytes } of readTar(inPieces(tar, pieces))) {
    const parts: Uint8Array[] = []
    for await (const part of bytes) parts.push(part)
    read.push({ name, kind, size, offset, text: Buffer.concat(parts).toString() })
  }
  return read
}

const LONG = `${'a'.repeat(90)}/${'b'.repeat(90)}/${'c'.repeat(90)}`

for (const format of ['gnu', 'oldgnu', 'ustar', 'posix', 'pax']) {
  t.test(`what GNU tar writes as ${format} is read with its long names`, async (t) => {
    const directory = t.testdir()
    const long = format === 'ustar' ? LONG.slice(0, 181) : LONG
    mkdirSync(join(directory, long, '..'), { recursive: true })
    writeFileSync(join(directory, long), 'long')
    writeFileSync(join(directory, 'short'), 'x'.repeat(1500))
    const tar = execFileSync('tar', ['-cf', '-', `--format=${format}`, '-C', directory, 'short', long])
    t.match(await readAll(tar), [
      { name: 'short', kind: 'file', size: 1500, text: 'x'.repeat(1500) },
      { name: long, kind: 'file', size: 4, text: 'long' },
    ])
  })
}

t.test('directories and links are told as what they are', async (t) => {
  const directory = t.testdir({ d: { f: '' }, l: t.fixture('symlink', 'd') })
  const tar = execFileSync('tar', ['-cf', '-', '-C', directory, '.'])
  const kinds = new Map((await readAll(tar)).map(({ name, kind }) => [name, kind]))
  t.same(Object.fromEntries(kinds), { '.': 'directory', './d': 'directory', './d/f': 'file', './l': 'symbolic link' })
})

t.test('bytes that nobody reads are passed over, however they come', async (t) => {
  const tar = tarOf(rawEntry({ name: 'a' }, 'x'.repeat(3000)), rawEntry({ name: 'b' }, 'y'))
  for (const pieces of [1, 511, 512, 513, 100_000]) {
    const names: string[] = []
    for await (const { name } of readTar(inPieces(tar, pieces))) names.push(name)
    t.same(names, ['a', 'b'], `in pieces of ${pieces}`)
  }
})

t.test('an entry says where its bytes begin', async (t) => {
  const tar = tarOf(rawEntry({ name: 'x'.repeat(200) }, 'one'), paxEntry(['mtime=1']), rawEntry({ name: 'b' }, 'two'))
  for (const { offset, text } of await readAll(tar)) t.equal(tar.toString('latin1', offset, offset + 3), text)
})

t.test('a size of eight gigabytes and more is read', async (t) => {
  const header = writeHeader({ name: 'data/x', size: 9 * 2 ** 30, time: 0 })
  for await (const { size } of readTar(inPieces(header))) {
    t.equal(size, 9 * 2 ** 30)
    break
  }
})
