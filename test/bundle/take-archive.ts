// What an apply keeps from a collection beside it, and what it does when the disk or the lock fails.
import { existsSync, readFileSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { importData } from '../../src/bundle/import-data.ts'
import { digestOf } from '../../src/oci/digest.ts'
import { FileSource } from '../../src/storage/byte-source.ts'
import { imageEntries, inPieces, tarOf, testImage } from '../helpers/data-tar.ts'
import { A, breakSyncs, makeContext, makeStore, pushBytes } from '../helpers/store.ts'

const IMAGE = testImage(A, 'v1', 'one')
const TAR = tarOf(...imageEntries(IMAGE))

/** The archive, with `pause` called before its last bytes. */
async function* pausing(pause: () => Promise<void>): AsyncGenerator<Uint8Array> {
  yield TAR.subarray(0, -2048)
  await pause()
  yield TAR.subarray(-2048)
}

t.test('while an archive is read nothing that it relies on may be collected', async (t) => {
  const store = makeStore(t.testdir(), undefined, { lease: 1 })
  const layer = IMAGE.layers[0] as Buffer
  const digest = await pushBytes(store, A, layer)
  store.turn(1000)
  let free: boolean | undefined
  const importing = importData(
    makeContext(store),
    pausing(async () => {
      await new Promise((resolve) => setTimeout(resolve, 20))
      free = store.leases.isFree(digest)
    }),
    { dryRun: false },
  )
  const report = await importing
  t.equal(free, false, 'what is here and in the archive is held')
  t.equal(report.blobs.here, 1)
  t.ok(store.leases.isFree(digestOf(IMAGE.config)), 'and let go of afterwards')
})

t.test('a registry that may not write any more takes nothing', async (t) => {
  const directory = t.testdir()
  const store = makeStore(directory)
  let readOnly: string | undefined
  const context = makeContext(store, { readOnly: () => readOnly })
  const importing = importData(
    context,
    pausing(async () => void (readOnly = 'the lock was lost')),
    { dryRun: false },
  )
  await t.rejects(importing, { code: 'UNSUPPORTED' })
  t.notOk((readdirSync(directory, { recursive: true }) as string[]).some((name) => name.endsWith('/link')))
})

t.test('a disk that fails to sync makes nothing of the archive an image', async (t) => {
  const directory = t.testdir()
  const store = makeStore(
    directory,
    breakSyncs('blob file', 'EIO', () => true),
  )
  await t.rejects(importData(makeContext(store), inPieces(TAR), { dryRun: false }), { code: 'EIO' })
  t.notOk((readdirSync(directory, { recursive: true }) as string[]).some((name) => name.endsWith('/link')))
})

t.test('bytes that the disk could not keep are not there for the next try', async (t) => {
  const directory = t.testdir()
  let broken = true
  const store = makeStore(
    directory,
    breakSyncs('blob file', 'EIO', () => broken),
  )
  const image = testImage(A, 'v1', 'large', [5_000_001])
  const tar = tarOf(...imageEntries(image))
  await t.rejects(importData(makeContext(store), inPieces(tar), { dryRun: false }), { code: 'EIO' })
  const left = readdirSync(directory, { recursive: true }) as string[]
  t.same(
    left.filter((name) => name.includes(digestOf(image.layers[0] as Buffer).slice('sha256:'.length))),
    [],
    'a second fsync would say that they are on the disk',
  )
  broken = false
  t.match(await importData(makeContext(store), inPieces(tar), { dryRun: false }), { blobs: { added: 3 } })
})

t.test('two archives at once wait for each other', async (t) => {
  const store = makeStore(t.testdir())
  const context = makeContext(store)
  const other = testImage('team/b', 'v1', 'two')
  const reports = await Promise.all([
    importData(context, inPieces(TAR), { dryRun: false }),
    importData(context, inPieces(tarOf(...imageEntries(other))), { dryRun: false }),
  ])
  t.same(
    reports.map(({ blobs, held }) => [blobs.added, held.length]),
    [
      [4, 0],
      [4, 0],
    ],
  )
})

t.test('large blobs out of a file come in; wrong and cut ones do not', async (t) => {
  const image = testImage(A, 'v1', 'large', [3000, 5_000_001, 600_000])
  const large = digestOf(image.layers[1] as Buffer)
  const good = tarOf(...imageEntries(image))
  const place = t.testdir({ whole: {}, wrong: {}, cut: {} })
  const take = async (name: 'whole' | 'wrong' | 'cut', bytes: Uint8Array) => {
    const path = join(place, `${name}.tar`)
    writeFileSync(path, bytes)
    const store = makeStore(join(place, name))
    const report = await importData(makeContext(store), new FileSource(path), { dryRun: false })
    return { report, store }
  }
  const { report, store } = await take('whole', good)
  t.match(report, { blobs: { added: 5, wrong: [] }, held: [] })
  t.ok(readFileSync(store.layout.blobData(large)).equals(image.layers[1] as Buffer))
  const flipped = Buffer.from(good)
  flipped[3_000_000] = (flipped[3_000_000] ?? 0) ^ 1
  const wrong = await take('wrong', flipped)
  t.match(wrong.report, { blobs: { wrong: [large] }, held: [{ missing: large }] })
  t.notOk(existsSync(wrong.store.layout.blobData(large)))
  await t.rejects(take('cut', good.subarray(0, 3_000_000)), { message: /cut short/, exitCode: 4 })
})
