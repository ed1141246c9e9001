import { rmSync, writeFileSync } from 'node:fs'
import t from 'tap'
import { digestOf } from '../../src/oci/digest.ts'
import { readManifest } from '../../src/oci/manifest.ts'
import type { StoredManifest } from '../../src/storage/manifests.ts'
import { imageOf, indexOf, partOf, plantBytes, plantFile, plantManifest } from '../helpers/plant.ts'
import { A, B, makeStore, recordSyncs } from '../helpers/store.ts'

const CONFIG = partOf(Buffer.from('{}'))
const IMAGE = imageOf(CONFIG)

function stored(bytes: Uint8Array, algorithm: 'sha256' | 'sha512' = 'sha256'): StoredManifest {
  return { digest: digestOf(bytes, algorithm), bytes, manifest: readManifest(bytes) }
}

t.test('a manifest comes back byte for byte, in this life and the next', async (t) => {
  const store = makeStore(t.testdir({}))
  for (const algorithm of ['sha256', 'sha512'] as const) {
    // Odd blanks and order: nothing of it may be lost.
    const bytes = Buffer.from(`  ${IMAGE.toString()}\n\t`)
    const manifest = stored(bytes, algorithm)
    await store.manifests.put(A, manifest)
    t.equal(store.manifests.resolve(A, manifest.digest), manifest.digest)
    t.equal(store.manifests.resolve(B, manifest.digest), undefined)
    t.ok(bytes.equals(store.manifests.recall(manifest.digest)?.bytes ?? Buffer.alloc(0)))
    t.ok(bytes.equals((await makeStore(store.directory).manifests.load(manifest.digest))?.bytes ?? Buffer.alloc(0)))
  }
})

t.test('the bytes are durable before the link, the link before the call returns', async (t) => {
  const sync = recordSyncs()
  const store = makeStore(t.testdir({}), sync)
  await store.manifests.put(A, stored(IMAGE))
  const order = sync.seen
    .map((line) => line.split(' ').slice(0, 2).join(' '))
    .filter((site) => site !== 'new directory')
  t.same(order, ['blob file', 'blob directory', 'link file', 'link directory'])
})

t.test('bytes that are wrong, missing or no manifest are not a manifest', async (t) => {
  const store = makeStore(t.testdir({}))
  t.equal(await store.manifests.load(digestOf(IMAGE)), undefined, 'missing')
  plantBytes(store, Buffer.from('something else'), digestOf(IMAGE))
  t.equal(await store.manifests.load(digestOf(IMAGE)), undefined, 'wrong')
  for (const text of ['', 'null', '[]', '{}', '{"os":"linux","config":{}}', '\u0000']) {
    const digest = plantBytes(store, Buffer.from(text))
    t.equal(await store.manifests.load(digest), undefined, JSON.stringify(text))
  }
})

t.test('what was wrong is a manifest as soon as the bytes are right', async (t) => {
  const store = makeStore(t.testdir({}))
  const digest = plantBytes(store, IMAGE.subarray(0, 50), digestOf(IMAGE))
  t.equal(await store.manifests.load(digest), undefined)
  writeFileSync(store.layout.blobData(digest), IMAGE)
  t.ok(IMAGE.equals((await store.manifests.load(digest))?.bytes ?? Buffer.alloc(0)))
})

t.test('whether a repository holds a manifest is read each time, though its bytes are in memory', async (t) => {
  const store = makeStore(t.testdir({}))
  const manifest = stored(IMAGE)
  await store.manifests.put(A, manifest)
  rmSync(store.layout.revisionLink(A, manifest.digest))
  t.ok(store.manifests.recall(manifest.digest))
  t.equal(store.manifests.resolve(A, manifest.digest), undefined)
  plantFile(store.layout.revisionLink(A, manifest.digest), manifest.digest)
  t.equal(store.manifests.resolve(A, manifest.digest), manifest.digest)
  t.equal(await store.manifests.remove(A, manifest.digest), true)
  t.equal(await store.manifests.remove(A, manifest.digest), false)
})

t.test('the revisions of both algorithms are listed, strays are not', async (t) => {
  const store = makeStore(t.testdir({}))
  t.same(await store.manifests.revisions(A), [])
  const planted = plantManifest(store, A, IMAGE)
  const long = stored(indexOf([]), 'sha512')
  await store.manifests.put(A, long)
  plantFile(`${store.layout.revisionsOf(A, 'sha256')}/nohex/link`, 'x')
  plantFile(`${store.layout.revisionsOf(A, 'sha256')}/file`, 'x')
  plantFile(`${store.layout.revisions(A)}/md5/0123/link`, 'x')
  t.same(new Set(await store.manifests.revisions(A)), new Set([planted, long.digest]))
})

t.test('memory holds 64 MiB of manifests at most, those used last', async (t) => {
  const store = makeStore(t.testdir({}))
  const made: StoredManifest[] = []
  for (let i = 0; i < 18; i += 1) {
    const manifest = stored(imageOf(CONFIG, [], { annotations: { i: String(i), fill: 'x'.repeat(4_000_000) } }))
    made.push(manifest)
    await store.manifests.put(A, manifest)
    const [first] = made
    if (first !== undefined) store.manifests.recall(first.digest)
  }
  const held = made.map(({ digest }) => store.manifests.recall(digest) !== undefined)
  t.equal(held.filter(Boolean).length, 16)
  t.equal(held[0], true, 'it was asked for all the time')
  t.equal(held[1], false)
  t.equal(held[17], true)
})
