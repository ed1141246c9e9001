import { generateKeyPairSync, createPublicKey } from 'node:crypto'
import { existsSync, readFileSync, readdirSync, statSync, writeFileSync } from 'node:fs'
import t from 'tap'
import type { ApplyOptions } from '../../src/bundle/apply-bundle.ts'
import { applyBundle } from '../../src/bundle/apply-bundle.ts'
import type { BundleBlob } from '../../src/bundle/bundle-index.ts'
import { parseAllowedSigners } from '../../src/bundle/allowed-signers.ts'
import { readReceipts } from '../../src/bundle/receipts.ts'
import { signIndex } from '../../src/bundle/signature.ts'
import { describePublicKey, formatPublicKey } from '../../src/bundle/ssh-key.ts'
import { digestOf } from '../../src/oci/digest.ts'
import type { RepositoryName } from '../../src/oci/name.ts'
import type { Tag } from '../../src/oci/reference.ts'
import type { Context } from '../../src/registry/context.ts'
import { makeBundle } from '../helpers/bundle.ts'
import type { TestImage } from '../helpers/data-tar.ts'
import { inPieces, testImage } from '../helpers/data-tar.ts'
import type { TestStore } from '../helpers/store.ts'
import { makeContext, makeStore, pushBytes, recordSyncs } from '../helpers/store.ts'

const NOBODY = { signers: undefined, required: false, now: 1_800_000_000_000 }

const apply = (context: Context, tar: Buffer, options: Partial<ApplyOptions> = {}) =>
  applyBundle(context, inPieces(tar, 10_000), { dryRun: false, policy: NOBODY, ...options })

const tagOf = (store: TestStore, { repository, tag }: TestImage) =>
  store.tags.resolve(repository as RepositoryName, tag as Tag)

t.test('a bundle comes in whole, with a receipt', async (t) => {
  const store = makeStore(t.testdir())
  const images = [testImage('team/a', 'v1', 'one'), testImage('team/b', 'v2', 'two')]
  const { index, parts, indexBytes } = makeBundle(images)
  const report = await apply(makeContext(store), parts[0] as Buffer)
  t.match(report, {
    bundle: { id: index.id, sequence: 1, part: 1, parts: 1 },
    signature: { state: 'unsigned' },
    images: { all: 2, here: 2 },
    waiting: [],
    heldBack: [],
    blobs: { added: 8, wrong: [] },
  })
  for (const image of images) t.equal(tagOf(store, image), image.digest)
  t.match(readReceipts(store.layout), [
    { id: index.id, complete: true, applied: [1], tags: [{ tag: 'v1' }, { tag: 'v2' }] },
  ])
  t.ok(readFileSync(store.layout.bundleIndex(index.id)).equals(indexBytes), 'and its index lies where tar would put it')
})

t.test('parts come in any order, again and again, and images are linked as soon as they are whole', async (t) => {
  const images = [testImage('team/a', 'v1', 'one'), testImage('team/b', 'v2', 'two')]
  const second = new Set([...(images[1]?.layers ?? [])].map((bytes) => digestOf(bytes)))
  const { parts, index } = makeBundle(images, { parts: 3, partOf: (digest) => (second.has(digest) ? 2 : 1) })
  for (const order of [
    [1, 2, 3],
    [3, 2, 1],
    [2, 3, 1],
    [2, 2, 1, 1],
    [1, 3, 2, 1, 2, 3],
  ]) {
    const store = makeStore(t.testdir())
    const context = makeContext(store)
    for (const [step, part] of order.entries()) {
      const report = await apply(context, parts[part - 1] as Buffer)
      const came = new Set(order.slice(0, step + 1))
      const here = (came.has(1) ? 1 : 0) + (came.has(1) && came.has(2) ? 1 : 0)
      t.equal(report.images.here, here, `${order.join(' ')}, step ${step + 1}`)
      t.same(
        report.applied,
        [...came].toSorted((a, b) => a - b),
      )
      if (here === 1) t.match(report.waiting, [{ repository: 'team/b', tags: ['v2'], part: 2 }])
      t.equal(store.pins.list().pins.length, here === 2 ? 0 : 1, 'what waits is pinned')
    }
    for (const image of images) t.equal(tagOf(store, image), image.digest)
    t.equal(readReceipts(store.layout)[0]?.id, index.id)
  }
})

t.test('a blob that is cut over parts is joined when its last slice came, in whichever order', async (t) => {
  const image = testImage('team/a', 'v1', 'one', [200, 90_000])
  const { parts } = makeBundle([image], { parts: 3, sliceSize: 40_000, partOf: () => 1 })
  const large = digestOf(image.layers[1] as Buffer)
  for (const order of [
    [1, 2, 3],
    [3, 1, 2],
    [2, 1, 3, 2],
  ]) {
    const store = makeStore(t.testdir())
    const context = makeContext(store)
    for (const part of order) await apply(context, parts[part - 1] as Buffer)
    t.equal(tagOf(store, image), image.digest, order.join(' '))
    t.ok(readFileSync(store.layout.blobData(large)).equals(image.layers[1] as Buffer))
    t.notOk(
      [1, 2, 3].some((slice) => existsSync(store.layout.blobSlice(large, slice, 3))),
      'no slice is left',
    )
  }
})

t.test('slices of another cut go when their blob is whole, cut or not', async (t) => {
  const image = testImage('team/a', 'v1', 'large', [100_000])
  const [three, two, whole] = [
    makeBundle([image], { parts: 3, sliceSize: 40_000 }).parts,
    makeBundle([image], { parts: 2, sliceSize: 60_000 }).parts,
    makeBundle([image]).parts,
  ]
  for (const other of [two, whole]) {
    const store = makeStore(t.testdir())
    for (const part of [...three.slice(0, 2), ...other]) await apply(makeContext(store), part)
    t.equal(tagOf(store, image), image.digest)
    t.same(readdirSync(store.layout.blob(digestOf(image.layers[0] as Buffer))), ['data'])
  }
})

t.test('slices of the same bytes each come to their own place, in whichever order', async (t) => {
  const [zeros, fewer] = [Buffer.alloc(160_000), Buffer.alloc(120_000)]
  const image = testImage('team/a', 'v1', 'one', [zeros, fewer])
  // The last slice of the one and the first of the other are in one part.
  const shift = (blob: BundleBlob): BundleBlob =>
    blob.digest === digestOf(zeros) && blob.slices
      ? { ...blob, part: 3, slices: blob.slices.map((slice) => ({ ...slice, part: slice.part + 2 })) }
      : blob
  const { parts } = makeBundle([image], {
    parts: 6,
    sliceSize: 40_000,
    change: (index) => ({ ...index, blobs: index.blobs.map(shift) }),
  })
  for (const order of [
    [1, 2, 3, 4, 5, 6],
    [6, 4, 2, 3, 1, 5],
    [3, 3, 4, 1, 6, 5, 2],
  ]) {
    const store = makeStore(t.testdir())
    const context = makeContext(store)
    for (const part of order) await apply(context, parts[part - 1] as Buffer)
    t.equal(tagOf(store, image), image.digest, order.join(' '))
    for (const bytes of [zeros, fewer]) t.ok(readFileSync(store.layout.blobData(digestOf(bytes))).equals(bytes))
  }
})

t.test('slices that lie in their place, or whose blob is whole, are not written again', async (t) => {
  const image = testImage('team/a', 'v1', 'one', [1_500_000])
  const { parts } = makeBundle([image], { parts: 3, sliceSize: 600_000 })
  const syncs = recordSyncs()
  const store = makeStore(t.testdir(), syncs)
  const context = makeContext(store)
  const slice = store.layout.blobSlice(digestOf(image.layers[0] as Buffer), 1, 3)
  const written = () => syncs.seen.filter((site) => site === 'blob file').length
  await apply(context, parts[0] as Buffer)
  const [{ ino }, before] = [statSync(slice), written()]
  t.match(await apply(context, parts[0] as Buffer), { images: { here: 0 }, applied: [1] })
  t.equal(statSync(slice).ino, ino)
  t.equal(written(), before)
  writeFileSync(slice, Buffer.alloc(600_000))
  await apply(context, parts[0] as Buffer)
  for (const part of parts.slice(1)) await apply(context, part)
  t.equal(tagOf(store, image), image.digest, 'what lay there and was wrong was replaced')
  const after = written()
  for (const part of parts) t.match(await apply(context, part), { images: { here: 1 }, waiting: [] })
  t.equal(written(), after)
  const flipped = Buffer.from(parts[0] as Buffer)
  const at = flipped.length - 200_000
  flipped[at] = (flipped[at] ?? 0) ^ 1
  await t.rejects(apply(context, flipped), { exitCode: 4, message: /other bytes/ })
})

t.test('a slice comes to its place though its bytes are a blob too, of the bundle or here', async (t) => {
  const [cut, piece] = [Buffer.alloc(120_000), Buffer.alloc(40_000)]
  const image = testImage('team/a', 'v1', 'one', [cut, piece])
  const { parts } = makeBundle([image], { parts: 3, sliceSize: 40_000 })
  for (const isHere of [false, true]) {
    const store = makeStore(t.testdir())
    const context = makeContext(store)
    if (isHere) await pushBytes(store, 'team/b' as RepositoryName, piece)
    for (const part of parts) await apply(context, part)
    t.equal(tagOf(store, image), image.digest, isHere ? 'here' : 'of the bundle')
    for (const bytes of [cut, piece]) t.ok(readFileSync(store.layout.blobData(digestOf(bytes))).equals(bytes))
  }
})

t.test('parts of the same content in another cut do not count for those of this one', async (t) => {
  const images = [testImage('team/a', 'v1', 'one'), testImage('team/b', 'v2', 'two')]
  const second = new Set((images[1]?.layers ?? []).map((bytes) => digestOf(bytes)))
  const cut = (parts: number) => makeBundle(images, { parts, partOf: (digest) => (second.has(digest) ? 2 : 1) })
  const [three, two] = [cut(3), cut(2)]
  t.equal(three.index.id, two.index.id)
  const store = makeStore(t.testdir())
  t.same((await apply(makeContext(store), three.parts[2] as Buffer)).applied, [3])
  t.same((await apply(makeContext(store), two.parts[0] as Buffer)).applied, [1])
  const last = await apply(makeContext(store), two.parts[1] as Buffer)
  t.same(last.applied, [1, 2])
  t.match(last, { images: { all: 2, here: 2 }, waiting: [] })
})

t.test('a bundle that leaves out what is here needs it here', async (t) => {
  const image = testImage('team/a', 'v1', 'one')
  const layer = digestOf(image.layers[0] as Buffer)
  const { parts } = makeBundle([image], { partOf: (digest) => (digest === layer ? 0 : 1) })
  const store = makeStore(t.testdir())
  const context = makeContext(store)
  const first = await apply(context, parts[0] as Buffer)
  t.match(first, { images: { all: 1, here: 0 }, waiting: [{ missing: layer, part: 0 }] })
  t.equal(tagOf(store, image), undefined)
  await apply(context, makeBundle([{ ...image, repository: 'elsewhere' }]).parts[0] as Buffer)
  t.match(await apply(context, parts[0] as Buffer), { images: { here: 1 }, waiting: [] })
  t.equal(tagOf(store, image), image.digest)
})

t.test('a tag that a newer bundle set is not moved by an older one, whose images come in all the same', async (t) => {
  const [older, newer] = [testImage('team/a', 'v1', 'older'), testImage('team/a', 'v1', 'newer')]
  const store = makeStore(t.testdir())
  const context = makeContext(store)
  const five = makeBundle([newer], { sequence: 5 })
  await apply(context, five.parts[0] as Buffer)
  const report = await apply(context, makeBundle([older], { sequence: 4 }).parts[0] as Buffer)
  t.same(report.heldBack, [
    { repository: 'team/a', tag: 'v1', stays: newer.digest, wanted: older.digest, by: five.index.id, sequence: 5 },
  ])
  t.equal(tagOf(store, newer), newer.digest)
  t.equal(store.manifests.resolve('team/a' as RepositoryName, older.digest), older.digest)
  const six = await apply(context, makeBundle([older], { sequence: 6 }).parts[0] as Buffer)
  t.same(six.heldBack, [])
  t.equal(tagOf(store, older), older.digest, 'a newer one moves it')
})

t.test('who may sign is asked before anything else', async (t) => {
  const [own, other] = [generateKeyPairSync('ed25519'), generateKeyPairSync('ed25519')]
  const lineOf = (pair: typeof own) => `tarn ${formatPublicKey(describePublicKey(createPublicKey(pair.privateKey)))}\n`
  const image = testImage('team/a', 'v1', 'one')
  const signed = makeBundle([image], { sign: (index) => signIndex(index, own.privateKey) }).parts[0] as Buffer
  const unsigned = makeBundle([image]).parts[0] as Buffer
  const trusts = (pair: typeof own) => ({ ...NOBODY, signers: parseAllowedSigners(lineOf(pair), 'allowed_signers') })
  const context = makeContext(makeStore(t.testdir()))
  await t.rejects(apply(context, signed, { policy: trusts(other) }), {
    exitCode: 4,
    message: /no line of allowed_signers/,
  })
  await t.rejects(apply(context, unsigned, { policy: trusts(own) }), { exitCode: 4, message: /not signed/ })
  await t.rejects(apply(context, unsigned, { policy: { ...NOBODY, required: true } }), { message: /required/ })
  const forged = Buffer.from(signed)
  const at = forged.indexOf('"sequence":1')
  forged.write('2', at + 11)
  await t.rejects(apply(context, forged, { policy: trusts(own) }), { message: /not that of the index/ })
  t.same(context.store.repositories.exists('team/a' as RepositoryName), false)
  t.match(await apply(context, signed), { signature: { state: 'signed', key: /^SHA256:/ } })
  t.match(await apply(context, signed, { policy: trusts(own) }), { signature: { state: 'trusted', signer: 'tarn' } })
})

t.test('a dry run says what would come and writes nothing', async (t) => {
  const store = makeStore(t.testdir())
  const image = testImage('team/a', 'v1', 'one')
  const { parts } = makeBundle([image])
  const report = await apply(makeContext(store), parts[0] as Buffer, { dryRun: true })
  t.match(report, { dryRun: true, images: { all: 1, here: 1 }, blobs: { added: 4 } })
  t.notOk(existsSync(store.layout.blobs) || existsSync(store.layout.own))
})
