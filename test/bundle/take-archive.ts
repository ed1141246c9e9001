// What an apply keeps from a collection beside it, and what it does when the disk or the lock fails.
import { readdirSync } from 'node:fs'
import t from 'tap'
import { importData } from '../../src/bundle/import-data.ts'
import { digestOf } from '../../src/oci/digest.ts'
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
