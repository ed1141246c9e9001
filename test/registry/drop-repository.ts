// A whole repository is removed while clients push to it: what they were promised must hold.
import { existsSync } from 'node:fs'
import t from 'tap'
import type { Digest } from '../../src/oci/digest.ts'
import { digestOf, isDigest } from '../../src/oci/digest.ts'
import type { RegistryError } from '../../src/oci/errors.ts'
import { parseTag } from '../../src/oci/reference.ts'
import type { Context } from '../../src/registry/context.ts'
import { statBlob } from '../../src/registry/pull-blob.ts'
import { pullManifest } from '../../src/registry/pull-manifest.ts'
import { beginUpload, finishUpload } from '../../src/registry/push-blob.ts'
import { pushManifest } from '../../src/registry/push-manifest.ts'
import { removeImages } from '../../src/registry/remove-images.ts'
import { Leases } from '../../src/storage/leases.ts'
import { makeCollector } from '../helpers/collect.ts'
import { listTree } from '../helpers/hostile.ts'
import { imageOf, partOf, plantBlob, plantManifest } from '../helpers/plant.ts'
import { A, makeContext, makeStore, streamOf } from '../helpers/store.ts'

const CONFIG = Buffer.from('{"os":"linux"}')
const LAYER = Buffer.from('a layer')
const IMAGE = imageOf(partOf(CONFIG), [partOf(LAYER)])
const V1 = parseTag('v1')
const HOUR = 3_600_000

async function upload(context: Context, bytes: Buffer): Promise<Digest> {
  const key = await beginUpload(context, A, undefined, 'sha256')
  const digest = digestOf(bytes)
  await finishUpload(context, key, digest, { source: streamOf(bytes) })
  return digest
}

const push = (context: Context, bytes: Buffer) =>
  pushManifest(context, { name: A, reference: { kind: 'tag', tag: V1 }, tags: [], bytes, contentType: undefined })

t.test('a push whose blobs were answered with 201 ends well when its repository is removed meanwhile', async (t) => {
  const store = makeStore(t.testdir({}))
  const context = makeContext(store)
  plantManifest(store, A, imageOf(partOf(CONFIG)), parseTag('old'))
  const litter = plantBlob(store, A, Buffer.from('nobody was told of it'))
  for (const bytes of [CONFIG, LAYER]) await upload(context, bytes)
  const dry = await removeImages(context, ['team/a'], { dryRun: true })
  const report = await removeImages(context, ['team/a'], { dryRun: false })
  t.match(report, {
    repositories: [{ name: A, whole: true, tags: ['old'], manifests: { length: 1 } }],
    problems: [{ path: /^docker\/.*\/team\/a\/_layers$/, what: /: 2;/ }],
  })
  t.same({ ...dry, dryRun: false }, report)
  t.equal(store.links.resolve(A, litter), undefined)
  // distribution's collectors fail where one of them is missing.
  for (const path of [store.layout.layers(A), store.layout.revisions(A), store.layout.tags(A)]) t.ok(existsSync(path))
  await push(context, IMAGE)
  t.ok(await pullManifest(context, A, { kind: 'tag', tag: V1 }, { knowsDockerLists: true }))
})

t.test('so does one that was told by HEAD that the blobs are here', async (t) => {
  const store = makeStore(t.testdir({}))
  const context = makeContext(store)
  for (const bytes of [CONFIG, LAYER]) await statBlob(context, A, plantBlob(store, A, bytes))
  await removeImages(context, ['team/a'], { dryRun: false })
  await push(context, IMAGE)
  t.ok(store.tags.resolve(A, V1))
})

/** Leases where somebody asks, by HEAD, for each digest as soon as it was said to be free. */
class CuriousLeases extends Leases {
  ask: (digest: Digest) => void = () => undefined

  override isFree(key: string): boolean {
    const free = super.isFree(key)
    if (free && isDigest(key)) queueMicrotask(() => this.ask(key))
    return free
  }
}

t.test('nobody is promised a blob between the question and the end of its link', async (t) => {
  const leases = new CuriousLeases(HOUR)
  const store = makeStore(t.testdir({}), undefined, { leases })
  const context = makeContext(store)
  const answers: Promise<string>[] = []
  leases.ask = (digest) => {
    answers.push(
      statBlob(context, A, digest).then(
        () => 'promised',
        (error: RegistryError) => error.code,
      ),
    )
  }
  for (let index = 0; index < 20; index += 1) plantBlob(store, A, Buffer.from(`blob ${index}`))
  await removeImages(context, ['team/a'], { dryRun: false })
  t.same(await Promise.all(answers), Array(20).fill('BLOB_UNKNOWN'))
  t.notOk(store.repositories.exists(A))
})

t.test('what was promised and never used is collected with its repository when the promise is over', async (t) => {
  let elapsed = 0
  const store = makeStore(t.testdir({}), undefined, { leases: new Leases(HOUR, () => elapsed) })
  const context = makeContext(store)
  await upload(context, LAYER)
  await removeImages(context, ['team/a'], { dryRun: false })
  t.ok(store.repositories.exists(A))
  elapsed += 2 * HOUR
  store.turn(2 * HOUR)
  await makeCollector(store).run({ dryRun: false })
  t.same(listTree(store.layout.repositories), [])
})
