import t from 'tap'
import type { PickedRepository } from '../../src/bundle/picked.ts'
import type { PickOptions } from '../../src/bundle/picked.ts'
import { pickImages } from '../../src/bundle/pick.ts'
import { digestOf } from '../../src/oci/digest.ts'
import { parseTag } from '../../src/oci/reference.ts'
import { CREATED, EVERYTHING, makeBundleStore, plantImage, plantShapes } from '../helpers/bundle-images.ts'
import { plantFile } from '../helpers/plant.ts'
import { A, B } from '../helpers/store.ts'
import type { TestStore } from '../helpers/store.ts'

async function pick(store: TestStore, options: Partial<PickOptions> = {}) {
  const { picked, release } = await pickImages(store, { ...EVERYTHING, ...options }, store.clock() / 1000)
  release()
  return picked
}

const manifestsOf = (repository: PickedRepository | undefined): Set<string> =>
  new Set(repository?.images.flatMap(({ manifests }) => manifests))
const layersOf = (repository: PickedRepository | undefined): Set<string> =>
  new Set(repository?.images.flatMap(({ layers }) => layers))

const tagsOf = (repository: PickedRepository | undefined): Record<string, readonly string[]> =>
  Object.fromEntries(repository?.images.map(({ digest, tags }) => [digest, tags]) ?? [])

t.test('everything is every tag with what it needs, what refers to it, and what has no tag', async (t) => {
  const store = makeBundleStore(t.testdir())
  const shapes = plantShapes(store)
  const picked = await pick(store)
  const [a, b] = picked.repositories
  t.same(
    picked.repositories.map(({ name }) => name),
    [A, B],
  )
  t.same(tagsOf(a), {
    [shapes.plain]: ['latest', 'v1'],
    [shapes.index]: ['multi'],
    [shapes.cosign]: [`${shapes.index.replace(':', '-')}.sig`],
    [shapes.untagged]: [],
  })
  const { plain, index, amd64, arm64, referrer, cosign, untagged } = shapes
  t.same(manifestsOf(a), new Set([plain, index, amd64, arm64, referrer, cosign, untagged]))
  t.equal(layersOf(a).size, 12, 'config and layer of each image')
  t.equal(layersOf(b).size, 0)
  t.match(picked.skipped, [{ image: `${A}:broken`, why: /has 0 bytes, and 4 are said of it/ }])
  t.equal(picked.newest, CREATED)
})

t.test('a tag brings its image and what refers to it, and nothing else', async (t) => {
  const store = makeBundleStore(t.testdir())
  const { index, amd64, arm64, referrer, cosign } = plantShapes(store)
  const { repositories } = await pick(store, { images: [`${A}:multi`] })
  t.same(manifestsOf(repositories[0]), new Set([index, amd64, arm64, referrer, cosign]))
  const bare = await pick(store, { images: [`${A}:multi`], referrers: false })
  t.same(manifestsOf(bare.repositories[0]), new Set([index, amd64, arm64]))
})

t.test('of an index only the platforms that are wanted are taken, and the index is not cut', async (t) => {
  const store = makeBundleStore(t.testdir())
  const { index, arm64, plain } = plantShapes(store)
  const { repositories } = await pick(store, {
    images: [`${A}:multi`, `${A}:v1`],
    platforms: ['linux/arm64'],
    referrers: false,
  })
  t.same(manifestsOf(repositories[0]), new Set([index, arm64, plain]))
  const whole = await pick(store, { images: [A], platforms: ['linux/arm64'] })
  t.notOk(
    whole.repositories[0]?.images.some(({ digest }) => digest === shapesAmd64(store)),
    'nor taken for an image',
  )
})

const shapesAmd64 = (store: TestStore): string => plantShapes(store).amd64

t.test('a digest selects an image without a tag; globs select tags and repositories', async (t) => {
  const store = makeBundleStore(t.testdir())
  const { untagged, plain } = plantShapes(store)
  const one = await pick(store, { images: [`${A}@${untagged.slice(0, 25)}`] })
  t.same(tagsOf(one.repositories[0]), { [untagged]: [] })
  const some = await pick(store, { images: ['team/?:{v*,empty}'] })
  t.same(
    some.repositories.map(({ name }) => name),
    [A, B],
  )
  t.same(tagsOf(some.repositories[0]), { [plain]: ['v1'] })
  t.same((await pick(store, { images: [`${A}:v1`, `${A}:gone`, 'nobody'] })).unmatched, [`${A}:gone`, 'nobody'])
})

t.test('with keepTags what has no tag is given one that is named after it', async (t) => {
  const store = makeBundleStore(t.testdir())
  const { index, amd64, arm64 } = plantShapes(store)
  const taken = parseTag(arm64.replace(':', '-'))
  plantFile(store.layout.tagLink(A, taken), index)
  const { repositories } = await pick(store, { images: [`${A}:multi`], referrers: false, keepTags: true })
  t.same(tagsOf(repositories[0]), {
    [index]: ['multi'],
    [amd64]: [amd64.replace(':', '-')],
    [arm64]: [`${taken}.keep`],
  })
})

t.test('a damaged manifest leaves its image out and is told', async (t) => {
  const store = makeBundleStore(t.testdir())
  const { plain } = plantShapes(store)
  plantFile(store.layout.blobData(plain), 'something else')
  const { skipped } = await pick(store, { images: [`${A}:v1`, `${A}:multi`] })
  t.match(skipped, [{ image: `${A}:v1`, why: /missing or damaged/ }])
})

t.test('what is picked is held until it is let go', async (t) => {
  const store = makeBundleStore(t.testdir())
  const { digest } = plantImage(store, A, 'x', 'v1')
  const layer = digestOf(Buffer.from('layer x'))
  const { release } = await pickImages(store, EVERYTHING, 0)
  t.notOk(store.leases.isFree(digest))
  t.notOk(store.leases.isFree(layer))
  t.notOk(store.leases.isFree(A))
  release()
  t.ok(store.leases.isFree(digest) && store.leases.isFree(layer) && store.leases.isFree(A))
})

t.test('nothing is held when picking fails', async (t) => {
  const store = makeBundleStore(t.testdir())
  plantImage(store, A, 'x', 'v1')
  const broken = { ...store, manifests: { load: () => Promise.reject(new Error('EIO')) } } as unknown as TestStore
  await t.rejects(pickImages(broken, EVERYTHING, 0), { message: 'EIO' })
  t.ok(store.leases.isFree(A))
  await t.rejects(pickImages(store, { ...EVERYTHING, images: ['A:B:C'] }, 0), { name: 'Problem', exitCode: 2 })
})

t.test('a moment waits for a change under way, and changes wait for it', async (t) => {
  const store = makeBundleStore(t.testdir())
  const [first, second] = [plantImage(store, A, 'one', 'v1'), plantImage(store, A, 'two')]
  plantImage(store, B, 'b', 'v1')
  const tag = parseTag('v1')
  const order: string[] = []
  let finish = (): void => undefined
  const changing = store.changes.run(B, async () => {
    await new Promise<void>((resolve) => (finish = resolve))
    order.push('changed B')
  })
  const picking = pick(store, { images: [A, B] }).then((picked) => {
    order.push('picked')
    return picked
  })
  // It has A's turn by now, and waits for B's.
  await new Promise((resolve) => setImmediate(resolve))
  await new Promise((resolve) => setImmediate(resolve))
  const moving = store.changes.run(A, async () => {
    plantFile(store.layout.tagLink(A, tag), second.digest)
    order.push('moved A')
  })
  finish()
  await Promise.all([changing, moving, picking])
  t.same(order, ['changed B', 'moved A', 'picked'])
  t.same(tagsOf((await picking).repositories[0])[first.digest], ['v1'], 'as it was before the move')
})
