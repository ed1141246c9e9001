import { join } from 'node:path'
import { writeFileSync } from 'node:fs'
import t from 'tap'
import { readAgainst } from '../../src/bundle/against.ts'
import { parseInventory, takeInventory, writeInventory } from '../../src/bundle/inventory.ts'
import { writeBundle } from '../../src/bundle/write-bundle.ts'
import { digestOf } from '../../src/oci/digest.ts'
import { parseTag } from '../../src/oci/reference.ts'
import { makeBundleStore, plan, plantImage, plantShapes } from '../helpers/bundle-images.ts'
import { plantFile } from '../helpers/plant.ts'
import { A } from '../helpers/store.ts'

const REPORT = {
  onStray: () => undefined,
  onUnreadable: (_path: string, error: Error) => {
    throw error
  },
}

t.test('an inventory is read as it was written; a changed one is refused', async (t) => {
  const store = makeBundleStore(t.testdir())
  plantShapes(store)
  const taken = takeInventory(store.layout, REPORT)
  const bytes = writeInventory(taken)
  t.same(parseInventory(bytes), taken)
  t.equal(taken.sequence, 0)
  const changed = bytes.toString().replace('"size":4', '"size":5').replace('"size":1', '"size":2')
  t.throws(() => parseInventory(Buffer.from(changed)), { message: /id of the inventory/ })
  t.throws(() => parseInventory(Buffer.from('{"format":"x"}\n')), { message: /of the format "x"/ })
})

t.test('images that the far side has under their tags are left out; what is new names all that it needs', async (t) => {
  const directory = t.testdir()
  const store = makeBundleStore(directory)
  const shared = Buffer.from('a layer that two images have')
  plantImage(store, A, 'one', 'v1', { layer: shared })
  const moved = plantImage(store, A, 'moved', 'stable')
  const first = await plan(store)
  const path = join(directory, 'first.tar')
  await writeBundle(first, { path, zstd: false, key: undefined, layout: store.layout })
  writeFileSync(join(directory, 'inventory.json'), writeInventory(takeInventory(store.layout, REPORT)))

  const two = plantImage(store, A, 'two', 'v2', { layer: shared })
  plantFile(store.layout.tagLink(A, parseTag('stable')), two.digest)
  for (const file of ['first.tar', 'inventory.json']) {
    const against = await readAgainst([join(directory, file)])
    const { index } = await plan(store, {}, { ...against, sequence: against.sequence + 1 })
    const tags = index.repositories.flatMap(({ images }) => images.flatMap((image) => image.tags))
    t.same(tags, ['stable', 'v2'], 'v1 is there already')
    const part = (digest: string) => index.blobs.find((blob) => blob.digest === digest)?.part
    t.equal(part(two.digest), 1)
    t.equal(part(digestOf(shared)), 0)
    t.notOk(index.blobs.some(({ digest }) => digest === moved.digest) && part(moved.digest) !== 0)
    t.match(index.buildsOn, [{ kind: file === 'first.tar' ? 'bundle' : 'inventory' }])
  }
})

t.test('what the far side has cut short is not there: it is carried again, with the images that need it', async (t) => {
  const directory = t.testdir()
  const store = makeBundleStore(directory)
  const cut = Buffer.from('a layer that lost its end there')
  const one = plantImage(store, A, 'one', 'v1', { layer: cut })
  const two = plantImage(store, A, 'two', 'v2')
  plantImage(store, A, 'whole', 'v3')
  const earlier = join(directory, 'earlier.tar')
  await writeBundle(await plan(store), { path: earlier, zstd: false, key: undefined, layout: store.layout })
  plantFile(store.layout.blobData(digestOf(cut)), cut.subarray(0, 9))
  plantFile(store.layout.blobData(two.digest), two.bytes.subarray(0, -1))
  const inventory = join(directory, 'inventory.json')
  writeFileSync(inventory, writeInventory(takeInventory(store.layout, REPORT)))
  plantFile(store.layout.blobData(digestOf(cut)), cut)
  plantFile(store.layout.blobData(two.digest), two.bytes)

  // What a bundle once brought may have been spoiled since; the inventory saw it, whichever is named first.
  for (const files of [[inventory], [earlier, inventory], [inventory, earlier]]) {
    const { index, sources } = await plan(store, {}, await readAgainst(files))
    t.same(new Set(sources.keys()), new Set([digestOf(cut), two.digest]))
    const tags = index.repositories.flatMap(({ images }) => images.flatMap((image) => image.tags))
    t.same(new Set(tags), new Set(['v1', 'v2']), 'v3 is there')
    t.ok(index.blobs.some(({ digest, part }) => digest === one.digest && part === 0))
  }
})

t.test('where nothing is new all images are named once more, and nothing is carried', async (t) => {
  const directory = t.testdir()
  const store = makeBundleStore(directory)
  plantImage(store, A, 'one', 'v1')
  writeFileSync(join(directory, 'inventory.json'), writeInventory(takeInventory(store.layout, REPORT)))
  const planned = await plan(store, {}, await readAgainst([join(directory, 'inventory.json')]))
  t.equal(planned.sources.size, 0)
  t.equal(planned.index.repositories.length, 1)
})

t.test('two bundles that say different things of a tag say nothing of it', async (t) => {
  const directory = t.testdir()
  const store = makeBundleStore(directory)
  const one = plantImage(store, A, 'one', 'v1')
  const options = { zstd: false, key: undefined, layout: store.layout }
  await writeBundle(await plan(store), { ...options, path: join(directory, 'one.tar') })
  const two = plantImage(store, A, 'two')
  plantFile(store.layout.tagLink(A, parseTag('v1')), two.digest)
  await writeBundle(await plan(store), { ...options, path: join(directory, 'two.tar') })
  const both = await readAgainst([join(directory, 'one.tar'), join(directory, 'two.tar')])
  for (const { digest } of [one, two]) t.notOk(both.hasImage(A, { digest, tags: [parseTag('v1')] }))
  t.ok(both.hasImage(A, { digest: one.digest, tags: [] }))
})

t.test('what is neither is refused by its name', async (t) => {
  const directory = t.testdir({ 'a.txt': 'hello', 'b.json': '{"a":1}' })
  for (const name of ['a.txt', 'b.json']) {
    await t.rejects(readAgainst([join(directory, name)]), { name: 'Problem', exitCode: 2, message: new RegExp(name) })
  }
})
