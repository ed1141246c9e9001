// Which answers promise that something stays, and what is held while an act lasts (I6).
import { existsSync } from 'node:fs'
import t from 'tap'
import type { Digest } from '../../src/oci/digest.ts'
import { digestOf } from '../../src/oci/digest.ts'
import { pullBlob, statBlob } from '../../src/registry/pull-blob.ts'
import { notePull, promiseManifest } from '../../src/registry/pull-manifest.ts'
import { beginUpload, finishUpload, mountBlob } from '../../src/registry/push-blob.ts'
import { pushManifest } from '../../src/registry/push-manifest.ts'
import { realSync } from '../../src/storage/sync.ts'
import type { Sync } from '../../src/storage/sync.ts'
import { makeCollector, standStill } from '../helpers/collect.ts'
import { imageOf, indexOf, partOf, plantBlob, plantFile, plantManifest } from '../helpers/plant.ts'
import { A, B, makeContext, makeStore, streamOf } from '../helpers/store.ts'

const CONFIG = Buffer.from('{}')
const LAYER = Buffer.from('a layer')

t.test('HEAD of a blob promises it, of one that is not here nothing', async (t) => {
  const context = makeContext(makeStore(t.testdir({})))
  const { store } = context
  const digest = plantBlob(store, A, LAYER)
  await statBlob(context, A, digest)
  t.notOk(store.leases.isFree(digest))
  const absent = digestOf(CONFIG)
  await t.rejects(statBlob(context, A, absent), { code: 'BLOB_UNKNOWN' })
  t.ok(store.leases.isFree(absent), 'a stranger cannot fill the memory with leases')
})

t.test('HEAD of an alias promises the bytes behind it too', async (t) => {
  const context = makeContext(makeStore(t.testdir({})))
  const { store } = context
  const stored = plantBlob(store, A, LAYER)
  const alias = digestOf(LAYER, 'sha512')
  plantFile(store.layout.layerLink(A, alias), stored)
  await statBlob(context, A, alias)
  t.same(
    [alias, stored].map((digest) => store.leases.isFree(digest)),
    [false, false],
  )
})

t.test('a finished upload and a mount promise the blob', async (t) => {
  const context = makeContext(makeStore(t.testdir({})))
  const { store } = context
  const digest = digestOf(LAYER)
  const key = await beginUpload(context, A, undefined, 'sha256')
  await finishUpload(context, key, digest, { source: streamOf(LAYER) })
  t.notOk(store.leases.isFree(digest))
  t.ok(store.leases.isFree(A), 'the repository is held no longer')
  const other = plantBlob(store, A, CONFIG)
  t.ok(await mountBlob(context, B, other, A))
  t.notOk(store.leases.isFree(other))
})

t.test('a download holds its blob until it is closed', async (t) => {
  const context = makeContext(makeStore(t.testdir({})))
  const { store } = context
  const digest = plantBlob(store, A, LAYER)
  const blob = await pullBlob(context, A, digest, false)
  t.notOk(store.leases.isFree(digest))
  await blob.close()
  t.ok(store.leases.isFree(digest))
  await t.rejects(pullBlob(context, A, digestOf(CONFIG), false), { code: 'BLOB_UNKNOWN' })
  t.ok(store.leases.isFree(digestOf(CONFIG)))
})

t.test('while a manifest is being stored, all that it names is held, and the repository', async (t) => {
  const held: boolean[][] = []
  let ask = (): boolean[] => []
  const sync: Sync = {
    async file(site, handle) {
      held.push(ask())
      await realSync.file(site, handle)
    },
    directory: (site, path) => realSync.directory(site, path),
  }
  const context = makeContext(makeStore(t.testdir({}), sync))
  const { store } = context
  const [config, layer] = [plantBlob(store, A, CONFIG), plantBlob(store, A, LAYER)]
  const bytes = imageOf(partOf(CONFIG), [partOf(LAYER)])
  const digest = digestOf(bytes)
  ask = () => [A, config, layer, digest].map((key) => store.leases.isFree(key))
  await pushManifest(context, {
    name: A,
    reference: { kind: 'digest', digest },
    tags: [],
    bytes,
    contentType: undefined,
  })
  t.ok(held.length > 1)
  t.same(new Set(held.flat()), new Set([false]))
  t.same(
    [A, config, layer].map((key) => store.leases.isFree(key)),
    [true, true, true],
    'and free afterwards',
  )
  t.notOk(store.leases.isFree(digest), 'but for the manifest, which was acknowledged')
})

t.test('HEAD of a manifest promises it, and fails when it went away meanwhile', async (t) => {
  const context = makeContext(makeStore(t.testdir({})))
  const { store } = context
  const digest = plantManifest(store, A, indexOf([]))
  const reference = { kind: 'digest', digest } as const
  await promiseManifest(context, A, reference, digest)
  t.notOk(store.leases.isFree(digest))
  await store.manifests.remove(A, digest)
  await t.rejects(promiseManifest(context, A, reference, digest), { code: 'MANIFEST_UNKNOWN' })
})

t.test('a pull of a manifest promises it, since its blobs are asked for next', async (t) => {
  const context = makeContext(makeStore(t.testdir({})))
  const { store } = context
  const digest = plantManifest(store, A, indexOf([]))
  notePull(context, A, digest)
  t.notOk(store.leases.isFree(digest))
})

t.test('what was promised stays after a restart too, for its link says when that was', async (t) => {
  const HOUR = 3_600_000
  const [lease, every] = [HOUR, HOUR / 2]
  for (const keeps of [true, false]) {
    const directory = t.testdir({})
    const before = makeStore(directory, undefined, { lease, keeps: () => keeps })
    const [asked, other] = [plantBlob(before, A, LAYER), plantBlob(before, A, CONFIG)]
    const moment = standStill(directory)
    before.turn(every)
    await statBlob(makeContext(before), A, asked)
    // Another process, with nothing in memory, at a time when what changed before that moment may go.
    const after = makeStore(directory)
    const collector = makeCollector(after, { lease }, { clock: () => moment + lease + every })
    await collector.run({ dryRun: false })
    const isThere = (digest: Digest): boolean => existsSync(after.layout.blobData(digest))
    t.same([isThere(asked), isThere(other)], [keeps, false], `${keeps ? '' : 'not '}touched`)
  }
})
