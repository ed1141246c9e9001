import { createHash, generateKeyPairSync } from 'node:crypto'
import { execFileSync } from 'node:child_process'
import {
  appendFileSync,
  existsSync,
  readFileSync,
  readdirSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { parseIndex } from '../../src/bundle/index-file.ts'
import type { Plan } from '../../src/bundle/plan.ts'
import { verifySignature } from '../../src/bundle/signature.ts'
import type { WriteOptions } from '../../src/bundle/write-bundle.ts'
import { partPath, writeBundle } from '../../src/bundle/write-bundle.ts'
import { sizeOfPart } from '../../src/bundle/write-part.ts'
import { digestOf } from '../../src/oci/digest.ts'
import { makeBundleStore, plan, plantImage, plantShapes, readTree, untar } from '../helpers/bundle-images.ts'
import { plantFile } from '../helpers/plant.ts'
import type { TestStore } from '../helpers/store.ts'
import { A } from '../helpers/store.ts'

const write = (store: TestStore, planned: Plan, path: string, more: Partial<WriteOptions> = {}) =>
  writeBundle(planned, { path, zstd: false, key: undefined, layout: store.layout, ...more })
const hashOf = (path: string): string => createHash('sha256').update(readFileSync(path)).digest('hex')
const large = (seed: number): Buffer => Buffer.alloc(3_000_000, seed)

t.test('tar makes of a bundle the tree that it was made of, without what is not whole', async (t) => {
  const directory = t.testdir()
  const store = makeBundleStore(directory)
  plantShapes(store)
  const planned = await plan(store)
  const path = join(directory, 'x.tar')
  const [file] = await write(store, planned, path)
  t.equal(file?.size, sizeOfPart(planned, 1, undefined))
  const data = untar(join(directory, 'out'), path)
  const there = readTree(join(data, 'docker'))
  const here = readTree(join(store.directory, 'docker'))
  const missing = [...here.keys()].filter((name) => !there.has(name))
  t.equal(missing.filter((name) => name.endsWith('/data')).length, 3, 'config, layer and manifest of the broken image')
  for (const [name, bytes] of there) {
    if (!name.includes('/index/')) t.equal(here.get(name), bytes, name)
  }
  t.ok(existsSync(join(data, 'docker/registry/v2/repositories/team/b/_layers')), 'an empty directory')
  const index = parseIndex(readFileSync(join(data, '.tarn/state/bundles', `${planned.index.id}.json`)))
  t.same(index, planned.index)
})

t.test('the same content makes the same bytes, wherever and whenever', async (t) => {
  const directory = t.testdir({ a: {}, b: {} })
  const files = []
  for (const name of ['a', 'b']) {
    const store = makeBundleStore(join(directory, name))
    // In another order, and with other times.
    if (name === 'b') plantImage(store, A, 'untagged')
    plantShapes(store)
    const path = join(directory, name, 'x.tar')
    await write(store, await plan(store), path)
    files.push(hashOf(path))
  }
  t.equal(files[0], files[1])
})

t.test('a signed bundle has its signature inside and beside, and all sums are right', async (t) => {
  const directory = t.testdir({ out: {} })
  const store = makeBundleStore(directory)
  plantShapes(store)
  const out = join(directory, 'out')
  writeFileSync(join(out, 'SHA256SUMS'), `${'0'.repeat(64)}  other.iso\nnot a line\n`)
  const planned = await plan(store)
  const key = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey
  await write(store, planned, join(out, 'x.tar'), { key })
  const inside = execFileSync('tar', [
    '-xOf',
    join(out, 'x.tar'),
    `data/.tarn/state/bundles/${planned.index.id}.json.sig`,
  ])
  t.same(inside, readFileSync(join(out, 'x.tar.sig')))
  t.ok(verifySignature(planned.indexBytes, inside))
  t.match(
    execFileSync('sha256sum', ['-c', '--ignore-missing', 'SHA256SUMS'], { cwd: out }).toString(),
    /x.tar: OK\nx.tar.sig: OK/,
  )
  t.match(readFileSync(join(out, 'SHA256SUMS'), 'utf8'), /other\.iso/)
  const before = hashOf(join(out, 'x.tar'))
  const [again] = await write(store, planned, join(out, 'x.tar'), { key })
  t.equal(again?.written, false, 'with an ECDSA key too, whose signatures differ each time')
  t.equal(hashOf(join(out, 'x.tar')), before)
})

t.test('parts are of the size that was asked for; together they make the tree', async (t) => {
  const directory = t.testdir()
  const store = makeBundleStore(directory)
  for (let at = 0; at < 6; at += 1) plantImage(store, A, `${at}`, `v${at}`, { layer: large(at).subarray(0, 400_000) })
  const partSize = 1_000_000
  const planned = await plan(store, {}, { partSize })
  const files = await write(store, planned, join(directory, 'x.tar'))
  t.ok(files.length >= 3)
  t.same(
    files.map(({ path }) => path),
    files.map((_, at) => partPath(join(directory, 'x.tar'), at + 1, files.length, false)),
  )
  for (const { path, size } of files) {
    t.ok(size <= partSize)
    t.equal(statSync(path).size, size)
  }
  const parts = untar(join(directory, 'parts'), ...files.map(({ path }) => path))
  await write(store, await plan(store), join(directory, 'whole.tar'))
  const whole = untar(join(directory, 'whole'), join(directory, 'whole.tar'))
  t.same(readTree(join(parts, 'docker')), readTree(join(whole, 'docker')))
})

t.test('a blob that is larger than a part is cut, and cat makes it whole', async (t) => {
  const directory = t.testdir()
  const store = makeBundleStore(directory)
  plantImage(store, A, 'x', 'v1', { layer: large(7) })
  const planned = await plan(store, {}, { partSize: 1_000_000 })
  const slices = planned.index.blobs.flatMap((blob) => blob.slices ?? [])
  t.ok(slices.length >= 4)
  const files = await write(store, planned, join(directory, 'x.tar'))
  const data = untar(join(directory, 'out'), ...files.map(({ path }) => path))
  const place = join(data, store.layout.blob(digestOf(large(7))).slice(store.directory.length + 1))
  const pieces = readdirSync(place)
    .toSorted()
    .map((name) => readFileSync(join(place, name)))
  t.same(
    pieces.map((piece) => digestOf(piece)),
    slices.map(({ digest }) => digest),
  )
  t.ok(Buffer.concat(pieces).equals(large(7)))
})

t.test('what is there whole is not written again; what is damaged, cut or another bundle is', async (t) => {
  const directory = t.testdir()
  const store = makeBundleStore(directory)
  for (let at = 0; at < 6; at += 1) plantImage(store, A, `${at}`, `v${at}`, { layer: large(at).subarray(0, 400_000) })
  const planned = await plan(store, {}, { partSize: 1_000_000 })
  const first = await write(store, planned, join(directory, 'x.tar'))
  const hashes = first.map(({ path }) => hashOf(path))
  const [one = '', two = '', three = ''] = first.map(({ path }) => path)
  const written = async (): Promise<boolean[]> =>
    (await write(store, planned, join(directory, 'x.tar'))).map((file) => file.written)
  t.same(
    await written(),
    first.map(() => false),
  )

  rmSync(one)
  truncateSync(two, statSync(two).size - 512)
  appendFileSync(three, 'x')
  t.same((await written()).slice(0, 3), [true, true, true])
  t.same(
    first.map(({ path }) => hashOf(path)),
    hashes,
  )

  const bytes = readFileSync(one)
  bytes[bytes.length / 2] = 1
  writeFileSync(one, bytes)
  t.same((await written()).slice(0, 2), [true, false])

  plantImage(store, A, 'new', 'v0', { layer: large(9).subarray(0, 400_000) })
  const other = await write(store, await plan(store, {}, { partSize: 1_000_000 }), join(directory, 'x.tar'))
  t.ok(other.every((file) => file.written))
})

t.test('a bundle of zstd is the same tar', async (t) => {
  const directory = t.testdir()
  const store = makeBundleStore(directory)
  plantImage(store, A, 'x', 'v1', { layer: large(1) })
  const planned = await plan(store)
  await write(store, planned, join(directory, 'x.tar'))
  const [file] = await write(store, planned, join(directory, 'x.tar'), { zstd: true })
  t.equal(file?.path, join(directory, 'x.tar.zst'))
  t.ok((file?.size ?? Infinity) < 100_000)
  const opened = execFileSync('zstd', ['-dcq', file?.path ?? ''], { maxBuffer: 1e8 })
  t.ok(opened.equals(readFileSync(join(directory, 'x.tar'))))
  t.equal((await write(store, planned, join(directory, 'x.tar'), { zstd: true }))[0]?.written, false)
})

t.test('sums name only files that are there', async (t) => {
  const directory = t.testdir()
  const store = makeBundleStore(directory)
  plantImage(store, A, 'x', 'v1')
  const planned = await plan(store)
  await write(store, planned, join(directory, 'march.tar'))
  rmSync(join(directory, 'march.tar'))
  await write(store, planned, join(directory, 'april.tar'))
  t.match(execFileSync('sha256sum', ['-c', 'SHA256SUMS'], { cwd: directory, encoding: 'utf8' }), /^april\.tar: OK\n$/)
})

t.test('no blob with wrong bytes goes out, and nothing is left of the file', async (t) => {
  const directory = t.testdir()
  const store = makeBundleStore(directory)
  const layer = large(1)
  plantImage(store, A, 'x', 'v1', { layer })
  const planned = await plan(store)
  await write(store, planned, join(directory, 'x.tar'))
  const before = hashOf(join(directory, 'x.tar'))
  const wrong = Buffer.from(layer)
  wrong[1_500_000] = 9
  plantFile(store.layout.blobData(digestOf(layer)), wrong)
  rmSync(join(directory, 'SHA256SUMS'))
  await t.rejects(write(store, planned, join(directory, 'x.tar')), { message: /is damaged: its bytes are not/ })
  t.equal(hashOf(join(directory, 'x.tar')), before, 'an earlier file is as it was')
  t.same(
    readdirSync(directory).filter((name) => name.endsWith('.partial')),
    [],
  )
  plantFile(store.layout.blobData(digestOf(layer)), layer.subarray(1))
  await t.rejects(write(store, planned, join(directory, 'x.tar')), { message: /another size/ })
  rmSync(store.layout.blobData(digestOf(layer)))
  await t.rejects(write(store, planned, join(directory, 'x.tar')), { message: /its file is gone/ })
  plantFile(store.layout.blobTrash(digestOf(layer)), layer)
  t.ok(await write(store, planned, join(directory, 'x.tar')), 'what a collection took meanwhile is still read')
})

t.test('a blob that is known to be whole is not hashed, and hashed when its file is another by then', async (t) => {
  const directory = t.testdir()
  const store = makeBundleStore(directory)
  const layer = large(1)
  plantImage(store, A, 'x', 'v1', { layer })
  await store.blobs.ensureWhole(digestOf(layer))
  const planned = await plan(store)
  t.equal(planned.sources.get(digestOf(layer))?.whole, true)
  plantFile(store.layout.blobData(digestOf(layer)), Buffer.from(layer).fill(2))
  await t.rejects(write(store, planned, join(directory, 'x.tar')), { message: /is damaged/ })
})
