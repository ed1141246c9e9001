// Pinning while something else takes images away: a pin that was acknowledged protects from then on.
import { existsSync } from 'node:fs'
import t from 'tap'
import { parseTag } from '../../src/oci/reference.ts'
import type { Digest } from '../../src/oci/digest.ts'
import type { RepositoryName } from '../../src/oci/name.ts'
import { removeImages } from '../../src/registry/remove-images.ts'
import type { Sync, SyncSite } from '../../src/storage/sync.ts'
import { realSync } from '../../src/storage/sync.ts'
import { makeCollector, surveyThen } from '../helpers/collect.ts'
import { imageOf, indexOf, partOf, plantBlob, plantManifest } from '../helpers/plant.ts'
import type { TestStore } from '../helpers/store.ts'
import { A, B, makeContext, makeStore } from '../helpers/store.ts'

const CONFIG = Buffer.from('{"os":"linux"}')
const LAYER = Buffer.from('a layer')
const IMAGE = imageOf(partOf(CONFIG), [partOf(LAYER)])
const INDEX = indexOf([partOf(IMAGE)])
const V1 = parseTag('v1')
const HOUR = 3_600_000

/** Fsyncs of which the first of `site` after `close` waits for `open`; `reached` is when it does. */
function gateSync(site: SyncSite) {
  const { promise: opened, resolve: open } = Promise.withResolvers<void>()
  const { promise: reached, resolve: reach } = Promise.withResolvers<void>()
  let isClosed = false
  const pass = async (at: SyncSite): Promise<void> => {
    if (!isClosed || at !== site) return
    isClosed = false
    reach()
    await opened
  }
  const sync: Sync = {
    async file(at, handle) {
      await pass(at)
      await realSync.file(at, handle)
    },
    async directory(at, path) {
      await pass(at)
      await realSync.directory(at, path)
    },
  }
  return { sync, open, reached, close: () => void (isClosed = true) }
}

function plant(store: TestStore, name: RepositoryName, tag?: typeof V1): { image: Digest; index: Digest } {
  for (const bytes of [CONFIG, LAYER]) plantBlob(store, name, bytes)
  return { image: plantManifest(store, name, IMAGE), index: plantManifest(store, name, INDEX, tag) }
}

for (const [when, lease] of [
  ['began before', HOUR],
  ['begins and ends meanwhile', 0],
] as const) {
  t.test(`an image that is being pinned is not collected by a collection that ${when}`, async (t) => {
    const gate = gateSync('link file')
    const store = makeStore(t.testdir({}), gate.sync, { lease })
    const { image, index } = plant(store, A)
    store.turn(3 * 24 * HOUR)
    let pinned: Promise<void> | undefined
    const pin = async (): Promise<void> => {
      gate.close()
      pinned = store.pins.add('p', { reason: '', images: [{ name: A, digest: index }], blobs: [] })
      await gate.reached
    }
    if (lease === 0) await pin()
    const parts = lease === 0 ? {} : { startSurvey: surveyThen(pin) }
    const report = await makeCollector(store, {}, parts).run({ dryRun: false, untagged: true })
    gate.open()
    await pinned
    t.match(report, { manifests: { removed: 0 }, blobs: { trashed: 0 } })
    t.equal(store.pins.list().pins.length, 1)
    for (const digest of [image, index]) {
      t.equal(store.manifests.resolve(A, digest), digest)
      t.ok(existsSync(store.layout.blobData(digest)))
    }
  })
}

t.test('a pin for an image that is collected before it is refused', async (t) => {
  const store = makeStore(t.testdir({}))
  const { index } = plant(store, A)
  store.turn(3 * 24 * HOUR)
  await makeCollector(store).run({ dryRun: false, untagged: true })
  const pin = { reason: '', images: [{ name: A, digest: index }], blobs: [] }
  await t.rejects(store.pins.add('p', pin), /is not here/)
  t.same(store.pins.list().pins, [])
})

t.test('a pin waits for a removal that did not know of it, and is refused when that took the image', async (t) => {
  const gate = gateSync('removed name')
  const sync: Sync = {
    file: (at, handle) => gate.sync.file(at, handle),
    async directory(at, path) {
      await gate.sync.directory(at, path)
      // The pin is written: now the removal may go on.
      if (at === 'link directory' && path === store.layout.pins) gate.open()
    },
  }
  const store = makeStore(t.testdir({}), sync)
  plant(store, A, V1)
  // Tags go in their order, eight at a time: v1 goes when the disk has answered for these.
  for (const number of [1, 2, 3, 4, 5, 6, 7, 8]) plantManifest(store, A, INDEX, parseTag(`a${number}`))
  gate.close()
  const removed = removeImages(makeContext(store), ['team/a:*'], { dryRun: false })
  await gate.reached
  t.ok(store.tags.resolve(A, V1))
  const pin = { reason: '', images: [{ name: A, tag: V1 }], blobs: [] }
  await t.rejects(store.pins.add('p', pin), { message: 'team/a:v1 is not here' })
  await removed
  t.same(store.pins.list().pins, [])
  t.equal(store.tags.resolve(A, V1), undefined)
})

t.test('a pin that is acknowledged while a removal waits for its turn protects', async (t) => {
  const store = makeStore(t.testdir({}))
  for (const name of [A, B]) plant(store, name, V1)
  const { promise: freed, resolve: free } = Promise.withResolvers<void>()
  const busy = store.changes.run(A, () => freed)
  const removed = removeImages(makeContext(store), ['team/*:v1'], { dryRun: false })
  await store.pins.add('p', { reason: '', images: [{ name: B, tag: V1 }], blobs: [] })
  free()
  await busy
  t.match(await removed, { tags: 1, refused: [{ image: 'team/b:v1', why: 'pinned' }] })
  t.ok(store.tags.resolve(B, V1))
  t.equal(store.tags.resolve(A, V1), undefined)
})
