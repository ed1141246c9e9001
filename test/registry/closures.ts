import { rmSync, writeFileSync } from 'node:fs'
import t from 'tap'
import type { Digest } from '../../src/oci/digest.ts'
import { digestOf } from '../../src/oci/digest.ts'
import { parseTag } from '../../src/oci/reference.ts'
import type { Context } from '../../src/registry/context.ts'
import { deleteBlob } from '../../src/registry/delete.ts'
import { statBlob } from '../../src/registry/pull-blob.ts'
import { pullManifest } from '../../src/registry/pull-manifest.ts'
import { imageOf, indexOf, partOf, plantBlob, plantBytes, plantFile, plantManifest } from '../helpers/plant.ts'
import { A, B, makeContext, makeStore } from '../helpers/store.ts'

const CONFIG = Buffer.from('{"os":"linux"}')
const LAYER = Buffer.from('a layer')
const IMAGE = imageOf(partOf(CONFIG), [partOf(LAYER)])
const TAG = parseTag('v1')

async function isServed(context: Context, digest: Digest = digestOf(IMAGE)): Promise<boolean> {
  try {
    await pullManifest(context, A, { kind: 'digest', digest }, { knowsDockerLists: true })
    return true
  } catch (error) {
    if ((error as { code?: string }).code === 'MANIFEST_UNKNOWN') return false
    throw error
  }
}

t.test('a manifest is 404 while a blob or its link is missing, and served as soon as a tar brings it', async (t) => {
  const context = makeContext(makeStore(t.testdir({})))
  const { store } = context
  plantManifest(store, A, IMAGE, TAG)
  t.equal(await isServed(context), false, 'nothing but the manifest')
  plantBlob(store, A, CONFIG)
  t.equal(await isServed(context), false, 'the layer lacks')
  plantBytes(store, LAYER)
  t.equal(await isServed(context), false, 'the link of the layer lacks')
  plantFile(store.layout.layerLink(A, digestOf(LAYER)), digestOf(LAYER))
  t.equal(await isServed(context), true)
})

t.test('the link of another repository does not count', async (t) => {
  const context = makeContext(makeStore(t.testdir({})))
  plantManifest(context.store, A, IMAGE)
  plantBlob(context.store, A, CONFIG)
  plantBlob(context.store, B, LAYER)
  t.equal(await isServed(context), false)
})

t.test('a blob that is known to be wrong makes the manifest 404', async (t) => {
  const context = makeContext(makeStore(t.testdir({})))
  plantManifest(context.store, A, IMAGE)
  plantBlob(context.store, A, CONFIG)
  const layer = plantBlob(context.store, A, LAYER)
  writeFileSync(context.store.layout.blobData(layer), 'rotten!')
  await context.store.blobs.ensureWhole(layer)
  t.equal(await isServed(context), false)
})

t.test('a layer that is not as long as its manifest says makes the manifest 404 until all of it is here', async (t) => {
  const context = makeContext(makeStore(t.testdir({})))
  plantManifest(context.store, A, IMAGE)
  plantBlob(context.store, A, CONFIG)
  const layer = plantBlob(context.store, A, LAYER)
  // As a tar that is still extracting has it.
  writeFileSync(context.store.layout.blobData(layer), LAYER.subarray(0, 3))
  t.equal(await isServed(context), false)
  writeFileSync(context.store.layout.blobData(layer), LAYER)
  t.equal(await isServed(context), true)
})

t.test('a good verdict is kept for a minute at most', async (t) => {
  const store = makeStore(t.testdir({}))
  const context = makeContext(store)
  plantManifest(store, A, IMAGE)
  for (const bytes of [CONFIG, LAYER]) plantBlob(store, A, bytes)
  t.equal(await isServed(context), true)
  rmSync(store.layout.layerLink(A, digestOf(LAYER)))
  store.turn(59_000)
  t.equal(await isServed(context), true, 'nobody looked at the links again')
  store.turn(1000)
  t.equal(await isServed(context), false)
})

t.test('a clock that is set back does not make a verdict last', async (t) => {
  const store = makeStore(t.testdir({}))
  const context = makeContext(store)
  plantManifest(store, A, IMAGE)
  for (const bytes of [CONFIG, LAYER]) plantBlob(store, A, bytes)
  t.equal(await isServed(context), true)
  rmSync(store.layout.layerLink(A, digestOf(LAYER)))
  store.turn(-3_600_000)
  t.equal(await isServed(context), false)
})

t.test('a verdict is dropped when a blob turns out missing', async (t) => {
  const store = makeStore(t.testdir({}))
  const context = makeContext(store)
  plantManifest(store, A, IMAGE)
  for (const bytes of [CONFIG, LAYER]) plantBlob(store, A, bytes)
  t.equal(await isServed(context), true)
  rmSync(store.layout.blobData(digestOf(LAYER)))
  await t.rejects(statBlob(context, A, digestOf(LAYER)), { code: 'BLOB_UNKNOWN' })
  t.equal(await isServed(context), false)
})

t.test('a verdict is dropped when a blob is deleted, and in that repository only', async (t) => {
  const store = makeStore(t.testdir({}))
  const context = makeContext(store)
  for (const name of [A, B]) {
    plantManifest(store, name, IMAGE)
    for (const bytes of [CONFIG, LAYER]) plantBlob(store, name, bytes)
  }
  t.equal(await isServed(context), true)
  await deleteBlob(context, A, digestOf(LAYER))
  t.equal(await isServed(context), false)
  t.ok(await pullManifest(context, B, { kind: 'digest', digest: digestOf(IMAGE) }, { knowsDockerLists: true }))
})

t.test('children of an index may be elsewhere', async (t) => {
  const context = makeContext(makeStore(t.testdir({})))
  t.equal(await isServed(context, plantManifest(context.store, A, indexOf([partOf(IMAGE)]))), true)
})

t.test('layers with urls may be elsewhere, the config may not', async (t) => {
  const context = makeContext(makeStore(t.testdir({})))
  const foreign = { ...partOf(LAYER), urls: ['https://example.com/layer'] }
  const image = plantManifest(context.store, A, imageOf(partOf(CONFIG), [foreign]))
  t.equal(await isServed(context, image), false)
  plantBlob(context.store, A, CONFIG)
  t.equal(await isServed(context, image), true)
})

t.test('validation.disabled serves what is not whole', async (t) => {
  const context = makeContext(makeStore(t.testdir({})), { requiresWhole: false })
  plantManifest(context.store, A, IMAGE)
  t.equal(await isServed(context), true)
})
