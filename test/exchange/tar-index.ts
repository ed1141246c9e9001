import { execFile, execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { createWriteStream, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { open } from 'node:fs/promises'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { promisify } from 'node:util'
import { createGzip, gzipSync, zstdCompressSync } from 'node:zlib'
import t from 'tap'
import { readSmall } from '../../src/exchange/file-tree.ts'
import { indexTar } from '../../src/exchange/tar-index.ts'
import { openTarTree } from '../../src/exchange/tar-tree.ts'
import type { TarPart } from '../helpers/make-tar.ts'
import { makeEntry, makeTar, paxRecord } from '../helpers/make-tar.ts'

const GOOD: readonly TarPart[] = [
  { name: './', type: '5' },
  { name: './a/b/c', bytes: 'deep' },
  { name: 'link', type: '2', link: 'a/b/c' },
  { name: 'out', type: '2', link: '../../etc/passwd' },
  { name: 'absolute', type: '2', link: '/etc/passwd' },
  { name: 'same', type: '1', link: './a/b/c' },
  { name: 'loop', type: '2', link: 'loop' },
  { name: 'pipe', type: '6' },
]

t.test('files are read where they lie, through links that stay in the tar', async (t) => {
  const directory = t.testdir({ 'a.tar': makeTar(GOOD) })
  const tree = await openTarTree(`${directory}/a.tar`)
  for (const path of ['a/b/c', 'link', 'same']) t.same(await readSmall(tree, path, 100), Buffer.from('deep'), path)
  for (const path of ['out', 'absolute', 'loop', 'pipe', 'nothing', 'a', '']) {
    t.equal(await tree.size(path), undefined, path)
    await t.rejects(tree.open(path), { message: /is not in it/ })
  }
  t.same([...(await tree.list('')).keys()].toSorted(), ['a', 'absolute', 'link', 'loop', 'out', 'same'])
  t.same(await tree.find('link'), { kind: 'link', to: 'a/b/c' })
  t.same(await tree.find('a/b'), { kind: 'directory' })
  await t.rejects(readSmall(tree, 'link', 3), { message: /4 bytes, and 3 is the most/ })
  await tree.close()
})

t.test('what GNU tar and pax write of long names is read, and so is what is compressed', async (t) => {
  const long = `${'d'.repeat(80)}/${'e'.repeat(120)}`
  const directory = t.testdir({ in: { ['d'.repeat(80)]: { ['e'.repeat(120)]: 'long' } } })
  for (const format of ['gnu', 'posix', 'ustar']) {
    const path = `${directory}/${format}.tar`
    const name = format === 'ustar' ? 'd'.repeat(80) : '.'
    try {
      execFileSync('tar', [`--format=${format}`, '-cf', path, '-C', `${directory}/in`, name], { stdio: 'pipe' })
    } catch {
      // ustar cannot say this name.
      continue
    }
    for (const pack of [(bytes: Buffer) => bytes, gzipSync, zstdCompressSync]) {
      writeFileSync(`${directory}/packed`, pack(readFileSync(path)))
      const tree = await openTarTree(`${directory}/packed`, { temporary: directory })
      t.same(await readSmall(tree, long, 100), Buffer.from('long'), format)
      await tree.close()
    }
  }
})

const pax = (...records: readonly (readonly [string, string])[]): TarPart => ({
  name: 'PaxHeader',
  type: 'x',
  bytes: records.map(([key, value]) => paxRecord(key, value)).join(''),
})

const BAD: Readonly<Record<string, readonly [Buffer, RegExp]>> = {
  'a name with ..': [makeTar([{ name: 'a/../../b', bytes: 'x' }]), /lies outside: "a\/..\/..\/b"/],
  'an absolute name': [makeTar([{ name: '/etc/passwd', bytes: 'x' }]), /lies outside/],
  'a pax name with ..': [makeTar([pax(['path', '../x']), { name: 'x' }]), /lies outside/],
  'a name twice': [
    makeTar([
      { name: 'a', bytes: '1' },
      { name: './a', bytes: '2' },
    ]),
    /has "a" twice/,
  ],
  'a wrong checksum': [makeTar([{ name: 'a', checksum: '000000\0 ' }]), /the checksum of its header is wrong/],
  'a size that is no number': [makeTar([{ name: 'a', size: 'twelve' }]), /the size is no number/],
  'a size below zero': [
    makeTar([{ name: 'a', size: '\u00ff\u00ff\u00ff\u00ff\u00ff\u00ff\u00ff\u00ff\u00ff\u00ff\u00ff\u00ff' }]),
    /the size is negative/,
  ],
  'a size past the end': [makeTar([{ name: 'a', size: 1_000_000 }]), /cut short: entry 1, "a" lacks its last/],
  'no end': [makeTar([{ name: 'a', bytes: 'x' }], Buffer.alloc(0)), /the end of the archive is missing/],
  'something after its end': [
    Buffer.concat([makeTar([{ name: 'a' }]), makeTar([{ name: 'b', bytes: 'x' }])]),
    /follows the end/,
  ],
  'a sparse file': [makeTar([{ name: 'a', type: 'S' }]), /is a sparse file/],
  'a sparse file by pax': [makeTar([pax(['GNU.sparse.major', '1']), { name: 'a' }]), /is a sparse file/],
  'a kind that is not known': [makeTar([{ name: 'a', type: 'Z' }]), /of a kind that is not known/],
  'torn records': [makeTar([{ name: 'p', type: 'x', bytes: '99 path=a\n' }, { name: 'a' }]), /pax record that is torn/],
  'records for all that follows': [
    makeTar([{ name: 'g', type: 'g', bytes: paxRecord('path', 'b') }, { name: 'a' }]),
    /would change all entries after it: "path"/,
  ],
  'a name of a megabyte': [
    makeTar([{ name: '././@LongLink', type: 'L', bytes: 'a'.repeat(1_000_000) }, { name: 'a' }]),
    /header of 1000000 bytes/,
  ],
  'an announcement of nothing': [makeTar([pax(['path', 'a'])]), /was announced and is missing/],
  'a cut in a header': [
    makeTar([{ name: 'a', bytes: 'x' }]).subarray(0, 1100),
    /cut short|end of the archive is missing/,
  ],
}

for (const [what, [bytes, why]] of Object.entries(BAD)) {
  t.test(`a tar with ${what} is refused with the file and the reason`, async (t) => {
    const path = `${t.testdir({ 'a.tar': bytes })}/a.tar`
    await t.rejects(openTarTree(path), { message: why })
    await t.rejects(openTarTree(path), { message: new RegExp(`^${path}`) })
  })
}

t.test('few bytes that name directories without number are refused before they fill the memory', async (t) => {
  const steps = '/a'.repeat(2000)
  const parts = Array.from({ length: 300 }, (_, at) => [pax(['path', `${at}${steps}`]), { name: 'x', bytes: '' }])
  const directory = t.testdir({ 'a.tar.gz': gzipSync(makeTar(parts.flat())) })
  const before = process.memoryUsage.rss()
  await t.rejects(openTarTree(`${directory}/a.tar.gz`), { message: /it has more directories than can be true/ })
  t.ok(process.memoryUsage.rss() - before < 300 * 1024 * 1024)
})

const noise = (at: number): string => createHash('sha256').update(String(at)).digest('hex')
const KEPT: Readonly<Record<string, (at: number) => TarPart[]>> = {
  entries: (at) => [{ name: String(at), bytes: '' }],
  'long names': (at) => [pax(['path', `${noise(at)}${'a'.repeat(3900)}`]), { name: 'x', bytes: '' }],
  'long names of other names': (at) => [pax(['linkpath', 'a'.repeat(30_000)]), { name: String(at), type: '1' }],
  'long targets of links': (at) => [pax(['linkpath', 'a'.repeat(30_000)]), { name: String(at), type: '2' }],
}

for (const [what, make] of Object.entries(KEPT)) {
  t.test(`more ${what} than can be kept in memory are refused`, async (t) => {
    const parts = Array.from({ length: 1000 }, (_, at) => make(at)).flat()
    const path = join(t.testdir({ 'a.tar': makeTar(parts) }), 'a.tar')
    const handle = await open(path)
    t.teardown(() => handle.close())
    const message = `${path}: it has more entries, or longer names, than can be true`
    await t.rejects(indexTar(handle, path, 150_000), { message })
    t.equal((await indexTar(handle, path)).size, 1000)
  })
}

t.test('a name in letters that are none of Latin-1 counts for what it takes', async (t) => {
  // Half the letters, and so many bytes.
  const names = [['a'.repeat(2000)], ['α'.repeat(1000)]].map(([name = '']) => [pax(['path', name]), { name: 'x' }])
  for (const [at, parts] of names.entries()) {
    const path = join(t.testdir({ [`${at}.tar`]: makeTar(parts) }), `${at}.tar`)
    const handle = await open(path)
    await t.rejects(indexTar(handle, path, 5000), { message: /it has more entries, or longer names/ })
    await t.resolves(indexTar(handle, path, 6000))
    await handle.close()
  }
})

t.test('few packed bytes with names without number are refused before they fill the memory', async (t) => {
  const path = join(t.testdir({}), 'a.tar.gz')
  async function* write() {
    // Beginnings of different letters: what packs to less than a two hundredth is refused for that.
    for (let at = 0; at < 40_000;) {
      const parts = Array.from({ length: 1000 }, () => KEPT['long names']?.(++at) ?? []).flat()
      yield Buffer.concat(parts.map((part) => makeEntry(part)))
    }
    yield Buffer.alloc(1024)
  }
  await pipeline(write(), createGzip({ level: 1 }), createWriteStream(path))
  const data = join(path, '../data')
  mkdirSync(data)
  const script = join(import.meta.dirname, '../helpers/threads/import-hostile.ts')
  const { stdout } = await promisify(execFile)(process.execPath, [script, data, `oci-archive:${path}`])
  const { refused, bytes } = JSON.parse(stdout) as { readonly refused: number; readonly bytes: number }
  t.equal(refused, 1)
  t.ok(bytes < 200 * 1024 * 1024, `${Math.round(bytes / 1024 / 1024)} MiB`)
})

t.test('what is no tar, what is cut short and what unpacks beyond measure is refused', async (t) => {
  const bomb = gzipSync(Buffer.alloc(256 * 1024 * 1024))
  const whole = gzipSync(makeTar(GOOD))
  const directory = t.testdir({
    text: 'not a tar',
    bomb,
    cut: whole.subarray(0, whole.length - 20),
    entry: makeEntry({ name: 'a' }).subarray(0, 500),
  })
  const options = { temporary: directory }
  await t.rejects(openTarTree(`${directory}/text`, options), { message: /is no tar/ })
  await t.rejects(openTarTree(`${directory}/entry`, options), { message: /is no tar/ })
  await t.rejects(openTarTree(`${directory}/cut`, options), {
    message: /cannot be unpacked: it is damaged or cut short/,
  })
  await t.rejects(openTarTree(`${directory}/bomb`, options), { message: /more than 200 times its size/ })
})
