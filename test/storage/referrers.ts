import { rmSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import type { Digest } from '../../src/oci/digest.ts'
import { digestOf } from '../../src/oci/digest.ts'
import { compare } from '../../src/storage/repositories.ts'
import { imageOf, indexOf, partOf, plantFile, plantManifest } from '../helpers/plant.ts'
import type { TestStore } from '../helpers/store.ts'
import { A, B, makeStore } from '../helpers/store.ts'

const CONFIG = partOf(Buffer.from('{}'))
const SUBJECT = imageOf(CONFIG)
const OF = { ...partOf(SUBJECT), mediaType: 'application/vnd.oci.image.manifest.v1+json' }
const referrer = (note: string): Buffer => imageOf(CONFIG, [], { subject: OF, annotations: { note } })

const list = async (store: TestStore, name = A, subject = OF.digest, last = ''): Promise<Digest[]> => {
  const found: Digest[] = []
  for await (const { digest } of store.referrers.list(name, subject, last)) found.push(digest)
  return found
}

t.test('manifests that name the subject are listed in the order of their digests', async (t) => {
  const store = makeStore(t.testdir({}))
  t.same(await list(store), [], 'nothing is here')
  plantManifest(store, A, SUBJECT)
  plantManifest(store, A, imageOf(CONFIG, [], { annotations: { note: 'a stranger' } }))
  const planted = ['one', 'two', 'three'].map((note) => plantManifest(store, A, referrer(note)))
  const index = plantManifest(store, A, indexOf([], { subject: OF }))
  t.same(await list(store), [...planted, index].toSorted(compare))
  t.same(await list(store, B), [], 'another repository has none of it')
})

t.test('a referrer that a tar brings is seen at once, and one that is deleted is gone', async (t) => {
  const store = makeStore(t.testdir({}))
  const one = plantManifest(store, A, referrer('one'))
  t.same(await list(store), [one])
  const two = plantManifest(store, A, referrer('two'))
  t.same(await list(store), [one, two].toSorted(compare))
  await store.manifests.remove(A, one)
  t.same(await list(store), [two])
  rmSync(join(store.layout.revisionsOf(A, 'sha256'), two.slice(7)), { recursive: true })
  t.same(await list(store), [])
  plantFile(store.layout.revisionLink(A, one), one)
  t.same(await list(store), [one], 'and back again')
})

t.test('the subject need not be here', async (t) => {
  const store = makeStore(t.testdir({}))
  const nowhere = { ...OF, digest: digestOf(Buffer.from('nowhere')) }
  const one = plantManifest(store, A, imageOf(CONFIG, [], { subject: nowhere }))
  t.same(await list(store, A, nowhere.digest), [one])
})

t.test('a referrer whose bytes are not here yet is left out until they come', async (t) => {
  const store = makeStore(t.testdir({}))
  const bytes = referrer('late')
  const digest = digestOf(bytes)
  plantFile(store.layout.revisionLink(A, digest), digest)
  t.same(await list(store), [])
  plantFile(store.layout.blobData(digest), bytes.subarray(0, 20))
  t.same(await list(store), [])
  plantFile(store.layout.blobData(digest), bytes)
  t.same(await list(store), [digest])
})

t.test('a restart gives the same list with the cache, without it, and with a spoiled one', async (t) => {
  const directory = t.testdir({})
  const before = makeStore(directory)
  plantManifest(before, A, SUBJECT)
  for (const note of ['one', 'two']) plantManifest(before, A, referrer(note))
  const wanted = await list(before)
  t.equal(wanted.length, 2)
  t.same(await list(makeStore(directory)), wanted)
  const cache = join(before.layout.cache, 'subjects')
  plantFile(cache, `tarn-cache 1 another-boot 1\n${wanted[0]} -\n`)
  t.same(await list(makeStore(directory)), wanted)
  rmSync(before.layout.cache, { recursive: true })
  t.same(await list(makeStore(directory)), wanted)
})

t.test('what is cached is the subject of a digest, which no repository can change', async (t) => {
  const store = makeStore(t.testdir({}))
  const one = plantManifest(store, A, referrer('one'))
  await list(store)
  plantFile(store.layout.revisionLink(B, one), one)
  t.same(await list(store, B), [one])
})
