import t from 'tap'
import type { Test } from 'tap'
import { BlobsUnderWay } from '../../../src/mirror/sync/blobs-under-way.ts'
import { copyImage } from '../../../src/mirror/sync/copy-image.ts'
import type { ImageToBring } from '../../../src/mirror/sync/read-plan.ts'
import { isToBring } from '../../../src/mirror/sync/read-plan.ts'
import type { Digest } from '../../../src/oci/digest.ts'
import { parseRepositoryName } from '../../../src/oci/name.ts'
import { parseTag } from '../../../src/oci/reference.ts'
import { subjectTagOf } from '../../../src/oci/subject-tag.ts'
import { pushManifest } from '../../../src/registry/push-manifest.ts'
import { pushIndex, pushLayers } from '../../helpers/mirror.ts'
import { UpstreamError } from '../../../src/upstream/upstream-error.ts'
import { imageOf, partOf } from '../../helpers/plant.ts'
import { pushBytes, recordSyncs } from '../../helpers/store.ts'
import type { RunScene } from '../../helpers/sync-run.ts'
import { setRunScene } from '../../helpers/sync-run.ts'

const ENTRY = '{from: "up.test/team/app:v1", to: lab/app}'
const LAB = parseRepositoryName('lab/app')
const V1 = parseTag('v1')
const layer = (fill: number): Buffer => Buffer.alloc(1000, fill)

/** The one image of the entry, planned. */
async function readOne({ read }: RunScene): Promise<ImageToBring> {
  const [one] = (await read(ENTRY)).work.filter(isToBring)
  if (one === undefined) throw new Error('nothing is to be brought')
  return one
}

function copy(work: ImageToBring, { parts }: RunScene, blobs = underWay(work)): Promise<boolean> {
  return copyImage(work, blobs, parts)
}

function underWay({ planned }: ImageToBring): BlobsUnderWay {
  return new BlobsUnderWay(planned.steps.flatMap((step) => (step.act === 'blob' ? [step] : [])))
}

async function pushMulti({ client }: RunScene, t: Test) {
  const amd64 = await pushLayers(client, 'team/app', [layer(1), layer(2)])
  const arm64 = await pushLayers(client, 'team/app', [layer(1), layer(3)], { architecture: 'arm64' })
  const index = await pushIndex(client, 'team/app', { amd64, arm64 }, 'v1')
  const base = subjectTagOf(index.digest as Digest)
  const signature = await pushLayers(client, 'team/app', [layer(9)], { reference: `${base}.sig` })
  t.ok(signature.digest)
  return { amd64, arm64, index, signature, signatureTag: parseTag(`${base}.sig`) }
}

t.test(
  'links are written with children before their index, what is about the image before it, its tag last',
  async (t) => {
    const syncs = recordSyncs()
    const scene = await setRunScene(t, syncs)
    const { amd64, arm64, index, signature, signatureTag } = await pushMulti(scene, t)
    const work = await readOne(scene)
    syncs.seen.length = 0
    t.equal(await copy(work, scene), true)
    const { store } = scene
    for (const { digest } of [amd64, arm64, index, signature]) t.ok(store.manifests.resolve(LAB, digest as Digest))
    t.equal(store.tags.resolve(LAB, signatureTag), signature.digest)
    t.equal(store.tags.resolve(LAB, V1), index.digest)
    const at = (part: string): number => syncs.seen.findLastIndex((each) => each.includes(part))
    const first = (part: string): number => syncs.seen.findIndex((each) => each.includes(part))
    const hexOf = (digest: string): string => digest.slice('sha256:'.length)
    for (const { digest } of [amd64, arm64, signature])
      t.ok(at(`revisions/sha256/${hexOf(digest)}`) < first(`revisions/sha256/${hexOf(index.digest)}`))
    t.ok(at(`tags/${signatureTag}/current`) < first('tags/v1/'))
    t.ok(at(`revisions/sha256/${hexOf(index.digest)}`) < first('tags/v1/'))
    t.same(store.mirrored.tag(LAB, V1)?.by, ['s'])
  },
)

t.test('a blob of two children comes once, and each byte is counted once', async (t) => {
  const scene = await setRunScene(t)
  await pushMulti(scene, t)
  const work = await readOne(scene)
  const blobs = underWay(work)
  await copy(work, scene, blobs)
  t.equal(blobs.fetched, scene.gateway.blobBytes())
  t.same([blobs.done, blobs.fetched], [blobs.total, blobs.total])
})

t.test('nothing of an image is seen when one of its blobs does not come', async (t) => {
  const scene = await setRunScene(t)
  const { arm64 } = await pushMulti(scene, t)
  const missing = arm64.layers[1] ?? ''
  scene.gateway.hook = ({ url }, response) => {
    if (!url.includes(missing)) return undefined
    response.writeHead(404).end()
    return true
  }
  const work = await readOne(scene)
  await t.rejects(copy(work, scene), UpstreamError)
  const { store } = scene
  t.equal(store.tags.resolve(LAB, V1), undefined)
  t.equal(store.manifests.resolve(LAB, work.image.root.digest), undefined)
  scene.gateway.hook = undefined
  const before = scene.gateway.blobBytes()
  t.equal(await copy(await readOne(scene), scene), true)
  t.equal(scene.gateway.blobBytes() - before, 1000, 'and then only that blob comes')
})

t.test('a blob that goes away between its coming and the links comes again', async (t) => {
  const scene = await setRunScene(t)
  const { layers } = await pushLayers(scene.client, 'team/app', [layer(1), layer(2)], { reference: 'v1' })
  const [gone = '', held = ''] = layers
  const { promise: until, resolve: release } = Promise.withResolvers<void>()
  scene.gateway.hold = ({ url }) => (url.includes(held) ? { after: 0, until } : undefined)
  const work = await readOne(scene)
  const copied = copy(work, scene)
  const { store } = scene
  while (store.links.resolve(LAB, gone as Digest) === undefined) await new Promise(setImmediate)
  await store.links.remove(LAB, gone as Digest)
  scene.gateway.hold = undefined
  release()
  t.equal(await copied, true)
  t.ok(store.links.resolve(LAB, gone as Digest))
})

t.test('a tag that somebody pushes meanwhile stays theirs', async (t) => {
  const scene = await setRunScene(t)
  await pushLayers(scene.client, 'team/app', [layer(1)], { reference: 'v1' })
  const work = await readOne(scene)
  const { store, context } = scene
  const config = Buffer.from('{"mine":true}')
  await pushBytes(store, LAB, config)
  const bytes = imageOf(partOf(config), [])
  const reference = { kind: 'tag', tag: V1 } as const
  const { digest } = await pushManifest(context, { name: LAB, reference, tags: [], bytes, contentType: undefined })
  t.equal(await copy(work, scene), false)
  t.equal(store.tags.resolve(LAB, V1), digest)
  t.equal(store.mirrored.tag(LAB, V1), undefined)
})

t.test('an image without a tag here is kept by its digest', async (t) => {
  const scene = await setRunScene(t)
  const { digest } = await pushLayers(scene.client, 'team/app', [layer(1)], { reference: 'v1' })
  const [work] = (await scene.read(`{from: "up.test/team/app@${digest}", to: lab/app}`)).work.filter(isToBring)
  if (work === undefined) throw new Error('nothing is to be brought')
  t.equal(await copy(work, scene), true)
  t.equal(scene.store.mirrored.manifest(LAB, digest as Digest)?.synced, true)
  const tags = []
  for await (const tag of scene.store.tags.list(LAB)) tags.push(tag)
  t.same(tags, [])
})

t.test('a run that ends leaves the image, and what came of a blob stays for the next one', async (t) => {
  const scene = await setRunScene(t)
  await pushLayers(scene.client, 'team/app', [layer(1)], { reference: 'v1' })
  const { promise: until, resolve: release } = Promise.withResolvers<void>()
  const { promise: held, resolve: tell } = Promise.withResolvers<void>()
  scene.gateway.hold = ({ url }) => {
    if (!url.includes('/blobs/')) return undefined
    tell()
    return { after: 0, until }
  }
  const copied = copy(await readOne(scene), scene)
  await held
  scene.stop()
  await t.rejects(copied, { message: 'enough' })
  t.equal(scene.store.tags.resolve(LAB, V1), undefined)
  release()
})
