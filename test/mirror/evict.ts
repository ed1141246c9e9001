import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import t from 'tap'
import type { Test } from 'tap'
import { Evictor } from '../../src/mirror/evict.ts'
import { readUsage } from '../../src/mirror/usage.ts'
import type { Digest } from '../../src/oci/digest.ts'
import { digestOf } from '../../src/oci/digest.ts'
import type { RepositoryName } from '../../src/oci/name.ts'
import type { Tag } from '../../src/oci/reference.ts'
import { parseTag } from '../../src/oci/reference.ts'
import { pushManifest } from '../../src/registry/push-manifest.ts'
import { plantFile } from '../helpers/plant.ts'
import type { Sync } from '../../src/storage/sync.ts'
import type { TestStore } from '../helpers/store.ts'
import { A, B, breakSyncs, makeContext, makeStore, pushBytes } from '../helpers/store.ts'

const HOUR = 3_600_000
const OCI = 'application/vnd.oci.image.manifest.v1+json'

interface Image {
  readonly digest: Digest
  readonly body: Buffer
}

/** A store where images can be put as the mirror puts them. */
function makeMirrored(
  t: Test,
  bytes: number,
  over: Partial<ConstructorParameters<typeof Evictor>[0]> = {},
  sync?: Sync,
) {
  const store = makeStore(t.testdir({}), sync)
  const context = makeContext(store)
  const collected: number[] = []
  const evictor = new Evictor({
    context,
    bound: { share: 1, bytes },
    collect: async () => collected.push(1),
    isBusy: () => false,
    isRead: () => false,
    mayEvict: () => true,
    clock: store.clock,
    elapsed: () => performance.now(),
    logger: { info: () => undefined, warn: (...words: unknown[]) => t.fail(JSON.stringify(words)) },
    ...over,
  })
  return { store, context, evictor, collected, put: putters(store) }
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
  const index = async (name: RepositoryName, children: readonly Image[], tag: Tag): Promise<Digest> => {
    const mediaType = 'application/vnd.oci.image.index.v1+json'
    const manifests = children.map(({ digest, body }) => ({ mediaType: OCI, digest, size: body.length }))
    const bytes = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType, manifests }))
    const reference = { kind: 'tag', tag } as const
    return (await pushManifest(context, { name, reference, tags: [], bytes, contentType: mediaType })).digest
  }
  return { push, mirrored, index }
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
      ['being read', { isRead: () => true }, HOUR],
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
  const digest = await put.index(A, [child], ONE)
  await store.mirrored.markManifest(A, digest, 'up.test')
  t.match((await readUsage(store)).images, [{ name: A, digest, parts: [digest, child.digest] }])
})

t.test('what cannot go is passed over for what was used later', async (t) => {
  const { store, evictor, put } = makeMirrored(t, 150 * KIB)
  const oldest = await put.mirrored(A, randomBytes(100 * KIB), [ONE])
  await store.pins.add('mine', { reason: 'mine', images: [{ name: A, digest: oldest.digest }], blobs: [] })
  store.turn(HOUR)
  const two = await put.mirrored(A, randomBytes(100 * KIB), [TWO])
  store.turn(HOUR)
  t.match(await evictor.run(), { images: 1 })
  t.equal(store.tags.resolve(A, ONE), oldest.digest)
  t.equal(store.manifests.resolve(A, two.digest), undefined)
})

t.test('R23: with an index go only those children that no other index needs', async (t) => {
  const { store, evictor, put } = makeMirrored(t, 150 * KIB)
  const both = await put.mirrored(A, randomBytes(100 * KIB), [])
  const alone = await put.mirrored(A, randomBytes(100 * KIB), [])
  const mine = await put.index(A, [both], TWO)
  const index = await put.index(A, [both, alone], ONE)
  await store.mirrored.markManifest(A, index, 'up.test')
  await store.mirrored.markTag(A, ONE, index, 'up.test')
  store.turn(HOUR)
  await evictor.run()
  t.equal(store.manifests.resolve(A, index), undefined)
  t.equal(store.manifests.resolve(A, alone.digest), undefined)
  t.equal(store.manifests.resolve(A, mine), mine)
  t.equal(store.manifests.resolve(A, both.digest), both.digest)
})

t.test('a tag that somebody moved to a mirrored image, and a signature by its tag, keep it', async (t) => {
  const { store, evictor, put } = makeMirrored(t, 50 * KIB)
  const moved = await put.mirrored(A, randomBytes(100 * KIB), [ONE])
  await store.tags.set(A, TWO, moved.digest)
  const signed = await put.mirrored(B, randomBytes(100 * KIB), [ONE])
  await put.push(B, randomBytes(10), [parseTag(`${signed.digest.replace(':', '-')}.sig`)])
  store.turn(HOUR)
  t.match(await evictor.run(), { images: 0 })
  t.equal(store.tags.resolve(A, TWO), moved.digest)
  t.equal(store.tags.resolve(B, ONE), signed.digest)
})

t.test('where a manifest cannot be read nothing goes from its repository', async (t) => {
  const { store, evictor, put } = makeMirrored(t, 50 * KIB)
  const image = await put.mirrored(A, randomBytes(100 * KIB), [ONE])
  const broken = digestOf(Buffer.from('never written'))
  plantFile(store.layout.revisionLink(A, broken), broken)
  store.turn(HOUR)
  t.match(await evictor.run(), { images: 0 })
  t.equal(store.tags.resolve(A, ONE), image.digest)
})

t.test('what a client comes for after it was chosen stays', async (t) => {
  let asked = 0
  const { store, evictor, put } = makeMirrored(t, 50 * KIB, { isBusy: () => ++asked > 1 })
  const image = await put.mirrored(A, randomBytes(100 * KIB), [ONE])
  store.turn(HOUR)
  t.match(await evictor.run(), { images: 0 })
  t.equal(asked, 2)
  t.equal(store.tags.resolve(A, ONE), image.digest)
})

t.test('where a pin cannot be read nothing goes', async (t) => {
  const words: unknown[] = []
  const logger = { info: () => undefined, warn: (...more: unknown[]) => words.push(more) }
  const { store, evictor, put } = makeMirrored(t, 50 * KIB, { logger })
  await put.mirrored(A, randomBytes(100 * KIB), [ONE])
  plantFile(join(store.layout.pins, 'torn.json'), '{')
  store.turn(HOUR)
  t.equal(await evictor.run(), undefined)
  t.ok(store.tags.resolve(A, ONE))
  t.equal(words.length, 1)
})

t.test('when the disk is filling up a collection follows at once, else it does not', async (t) => {
  for (const state of ['ok', 'warn'] as const) {
    const { store, evictor, put, collected } = makeMirrored(t, 50 * KIB)
    const numbers = store.room.read()
    store.room.read = () => ({ ...numbers, state })
    await put.mirrored(A, randomBytes(100 * KIB), [ONE])
    store.turn(HOUR)
    t.match(await evictor.run(), { images: 1 })
    t.equal(collected.length, state === 'ok' ? 0 : 1, state)
  }
})

t.test('what a sync means stays, by tag or by digest, and does not count', async (t) => {
  const { store, evictor, put } = makeMirrored(t, 150 * KIB)
  const one = await put.mirrored(A, randomBytes(100 * KIB), [ONE])
  const two = await put.mirrored(A, randomBytes(100 * KIB), [])
  const three = await put.mirrored(B, randomBytes(100 * KIB), [THREE])
  await store.mirrored.markSynced(A, [ONE], [two.digest])
  store.turn(HOUR)
  t.equal(await evictor.run(), undefined, 'one image of a cache is below its bound')
  const four = await put.mirrored(B, randomBytes(100 * KIB), [parseTag('four')])
  store.turn(HOUR)
  t.match(await evictor.run(), { images: 1 })
  t.equal(store.tags.resolve(A, ONE), one.digest)
  t.ok(store.manifests.resolve(A, two.digest))
  t.equal(store.manifests.resolve(B, three.digest), undefined)
  t.ok(store.manifests.resolve(B, four.digest))
})

t.test('a synced image that shares with others in its repository outlives them', async (t) => {
  const { store, evictor, put } = makeMirrored(t, 50 * KIB)
  const image = await put.mirrored(A, randomBytes(100 * KIB), [ONE])
  const subject = { mediaType: OCI, digest: image.digest, size: image.body.length }
  const signature = await put.mirrored(A, randomBytes(10), [], { subject })
  await store.mirrored.markSynced(A, [ONE], [])
  const other = await put.mirrored(A, randomBytes(100 * KIB), [TWO])
  store.turn(HOUR)
  t.match(await evictor.run(), { images: 1 })
  t.equal(store.manifests.resolve(A, other.digest), undefined)
  t.equal(store.tags.resolve(A, ONE), image.digest)
  t.ok(store.manifests.resolve(A, signature.digest), 'its signature stays with it')
})

t.test('a disk that takes no new file does not stand in the way', async (t) => {
  let full = false
  const sync = breakSyncs('link file', 'ENOSPC', () => full)
  const { store, evictor, put } = makeMirrored(t, 50 * KIB, {}, sync)
  for (const [name, tag] of [
    [A, ONE],
    [B, TWO],
  ] as const) {
    await put.mirrored(name, randomBytes(100 * KIB), [tag])
  }
  store.turn(HOUR)
  full = true
  t.match(await evictor.run(), { images: 2, after: 0 })
  t.equal(store.tags.resolve(A, ONE), undefined)
  t.equal(store.mirrored.marks(B).tags.size, 0)
})
