import { randomBytes } from 'node:crypto'
import t from 'tap'
import type { Test } from 'tap'
import { Evictor } from '../../src/mirror/evict.ts'
import { readMirrored } from '../../src/mirror/usage.ts'
import type { Digest } from '../../src/oci/digest.ts'
import { digestOf } from '../../src/oci/digest.ts'
import type { RepositoryName } from '../../src/oci/name.ts'
import type { Tag } from '../../src/oci/reference.ts'
import { parseTag } from '../../src/oci/reference.ts'
import { pushManifest } from '../../src/registry/push-manifest.ts'
import { removeImages } from '../../src/registry/remove-images.ts'
import type { TestStore } from '../helpers/store.ts'
import { A, B, makeContext, makeStore, pushBytes } from '../helpers/store.ts'

const HOUR = 3_600_000
const OCI = 'application/vnd.oci.image.manifest.v1+json'

interface Image {
  readonly digest: Digest
  readonly body: Buffer
}

/** A store where images can be put as the mirror puts them. */
function makeMirrored(t: Test, bytes: number, over: Partial<ConstructorParameters<typeof Evictor>[0]> = {}) {
  const store = makeStore(t.testdir({}))
  const context = makeContext(store)
  const collected: number[] = []
  const evictor = new Evictor({
    context,
    bound: { share: 1, bytes },
    remove: (patterns, options) => removeImages(context, patterns, options),
    collect: async () => collected.push(1),
    isBusy: () => false,
    mayEvict: () => true,
    clock: store.clock,
    elapsed: () => performance.now(),
    logger: { info: () => undefined, warn: (...words: unknown[]) => t.fail(JSON.stringify(words)) },
    ...over,
  })
  return { store, context, evictor, put: putters(store) }
}

function putters(store: TestStore) {
  const context = makeContext(store)
  const push = async (
    name: RepositoryName,
    layer: Buffer,
    tags: readonly Tag[],
    extra: object = {},
  ): Promise<Image> => {
    const config = Buffer.from(`{"of":"${layer.toString('hex', 0, 8)}"}`)
    const describe = async (mediaType: string, bytes: Buffer) => ({
      mediaType,
      digest: await pushBytes(store, name, bytes),
      size: bytes.length,
    })
    const body = Buffer.from(
      JSON.stringify({
        schemaVersion: 2,
        mediaType: OCI,
        config: await describe('application/vnd.oci.image.config.v1+json', config),
        layers: [await describe('application/vnd.oci.image.layer.v1.tar', layer)],
        ...extra,
      }),
    )
    const [first, ...more] = tags
    const { digest } = await pushManifest(context, {
      name,
      reference: first === undefined ? { kind: 'digest', digest: digestOf(body) } : { kind: 'tag', tag: first },
      tags: more,
      bytes: body,
      contentType: OCI,
    })
    return { digest, body }
  }
  const mirrored = async (name: RepositoryName, layer: Buffer, tags: readonly Tag[], extra: object = {}) => {
    const image = await push(name, layer, tags, extra)
    await store.mirrored.markManifest(name, image.digest, 'up.test')
    for (const tag of tags) await store.mirrored.markTag(name, tag, image.digest, 'up.test')
    return image
  }
  return { push, mirrored }
}

const KIB = 1024
const [ONE, TWO, THREE] = [parseTag('one'), parseTag('two'), parseTag('three')]

t.test('the image that was used longest ago goes first, with its tag and its marks', async (t) => {
  const { store, evictor, put } = makeMirrored(t, 250 * KIB)
  const one = await put.mirrored(A, randomBytes(100 * KIB), [ONE])
  store.turn(HOUR)
  const two = await put.mirrored(A, randomBytes(100 * KIB), [TWO])
  store.turn(HOUR)
  const three = await put.mirrored(B, randomBytes(100 * KIB), [THREE])
  store.pulls.note(A, one.digest)
  store.turn(HOUR)
  t.match(await evictor.run(), { images: 1 })
  t.equal(store.tags.resolve(A, ONE), one.digest)
  t.equal(store.tags.resolve(B, THREE), three.digest)
  t.equal(store.tags.resolve(A, TWO), undefined)
  t.equal(store.manifests.resolve(A, two.digest), undefined)
  t.equal(store.mirrored.manifest(A, two.digest), undefined)
})

t.test('below the bound nothing goes', async (t) => {
  const { store, evictor, put } = makeMirrored(t, 250 * KIB)
  await put.mirrored(A, randomBytes(200 * KIB), [ONE])
  store.turn(HOUR)
  t.equal(await evictor.run(), undefined)
  t.ok(store.tags.resolve(A, ONE))
})

t.test('a layer that two images share counts once', async (t) => {
  const { store, evictor, put } = makeMirrored(t, 250 * KIB)
  const layer = randomBytes(200 * KIB)
  await put.mirrored(A, layer, [ONE])
  await put.mirrored(A, layer, [TWO], { annotations: { other: 'yes' } })
  store.turn(HOUR)
  t.equal(await evictor.run(), undefined)
})

t.test('what was pushed never goes, however much lies there', async (t) => {
  const { store, evictor, put } = makeMirrored(t, 50 * KIB)
  const own = await put.push(A, randomBytes(200 * KIB), [ONE])
  await put.mirrored(A, randomBytes(100 * KIB), [TWO])
  store.turn(HOUR)
  t.match(await evictor.run(), { images: 1 })
  t.equal(store.tags.resolve(A, ONE), own.digest)
  t.equal(store.tags.resolve(A, TWO), undefined)
})

t.test('a mirrored image that somebody pushed again is theirs', async (t) => {
  const { store, evictor, put } = makeMirrored(t, 50 * KIB)
  const layer = randomBytes(200 * KIB)
  await put.mirrored(A, layer, [ONE])
  const own = await put.push(A, layer, [TWO])
  store.turn(HOUR)
  await evictor.run()
  t.equal(store.tags.resolve(A, TWO), own.digest)
})

t.test('an image to which somebody pushed a signature stays with it', async (t) => {
  const { store, evictor, put } = makeMirrored(t, 50 * KIB)
  const image = await put.mirrored(A, randomBytes(200 * KIB), [ONE])
  const subject = { mediaType: OCI, digest: image.digest, size: image.body.length }
  const signature = await put.push(A, randomBytes(10), [], { subject })
  const loose = await put.mirrored(A, randomBytes(100 * KIB), [TWO])
  store.turn(HOUR)
  t.match(await evictor.run(), { images: 1 })
  t.equal(store.tags.resolve(A, ONE), image.digest)
  t.equal(store.manifests.resolve(A, signature.digest), signature.digest)
  t.equal(store.manifests.resolve(A, loose.digest), undefined)
})

t.test('a mirrored signature goes with its image', async (t) => {
  const { store, evictor, put } = makeMirrored(t, 50 * KIB)
  const image = await put.mirrored(A, randomBytes(200 * KIB), [ONE])
  const subject = { mediaType: OCI, digest: image.digest, size: image.body.length }
  const signature = await put.mirrored(A, randomBytes(10), [], { subject })
  store.turn(HOUR)
  t.match(await evictor.run(), { images: 1, after: 0 })
  t.equal(store.manifests.resolve(A, signature.digest), undefined)
})

t.test('what is pinned stays', async (t) => {
  const { store, evictor, put } = makeMirrored(t, 50 * KIB)
  const image = await put.mirrored(A, randomBytes(200 * KIB), [ONE])
  await store.pins.add('mine', { reason: 'mine', images: [{ name: A, tag: ONE }], blobs: [] })
  store.turn(HOUR)
  t.match(await evictor.run(), { images: 0 })
  t.equal(store.tags.resolve(A, ONE), image.digest)
})

t.test(
  'what was pulled a moment ago, what is being completed and what no upstream could give back stays',
  async (t) => {
    const cases: [string, Partial<ConstructorParameters<typeof Evictor>[0]>, number][] = [
      ['pulled', {}, 0],
      ['busy', { isBusy: () => true }, HOUR],
      ['offline', { mayEvict: () => false }, HOUR],
    ]
    for (const [what, over, later] of cases) {
      const { store, evictor, put } = makeMirrored(t, 50 * KIB, over)
      const image = await put.mirrored(A, randomBytes(200 * KIB), [ONE])
      store.turn(later)
      t.match(await evictor.run(), { images: 0 }, what)
      t.equal(store.tags.resolve(A, ONE), image.digest)
    }
  },
)

t.test('children of an index are one image with it', async (t) => {
  const { store, put } = makeMirrored(t, 50 * KIB)
  const child = await put.mirrored(A, randomBytes(KIB), [])
  const index = Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: 'application/vnd.oci.image.index.v1+json',
      manifests: [{ mediaType: OCI, digest: child.digest, size: child.body.length }],
    }),
  )
  const { digest } = await pushManifest(makeContext(store), {
    name: A,
    reference: { kind: 'tag', tag: ONE },
    tags: [],
    bytes: index,
    contentType: 'application/vnd.oci.image.index.v1+json',
  })
  await store.mirrored.markManifest(A, digest, 'up.test')
  t.match(await readMirrored(store), [{ name: A, digest, parts: [digest, child.digest] }])
})
