import { existsSync, writeFileSync } from 'node:fs'
import { open } from 'node:fs/promises'
import { join } from 'node:path'
import { zstdCompressSync } from 'node:zlib'
import t from 'tap'
import type { Test } from 'tap'
import { bundleSource } from '../../src/bundle/bundle-source.ts'
import { openBundle } from '../../src/bundle/open-bundle.ts'
import { digestOf } from '../../src/oci/digest.ts'
import type { RepositoryName } from '../../src/oci/name.ts'
import type { Tag } from '../../src/oci/reference.ts'
import { localSource } from '../../src/registry/source.ts'
import { makeBundle } from '../helpers/bundle.ts'
import type { BundleOptions } from '../helpers/bundle.ts'
import type { TestImage } from '../helpers/data-tar.ts'
import { testImage } from '../helpers/data-tar.ts'
import { makeContext, makeStore } from '../helpers/store.ts'

const NOBODY = { signers: undefined, required: false, now: 0 }
const A = 'team/a' as RepositoryName

async function serve(
  t: Test,
  images: readonly TestImage[],
  options: BundleOptions = {},
  without: readonly number[] = [],
) {
  const parts = makeBundle(images, options).parts.filter((_, at) => !without.includes(at + 1))
  return serveFiles(t, parts)
}

async function serveFiles(t: Test, archives: readonly Buffer[]) {
  const directory = t.testdir()
  const files = archives.map((bytes, at) => {
    const file = join(directory, `${at}.tar`)
    writeFileSync(file, bytes)
    return file
  })
  const opened = await openBundle(files, NOBODY)
  t.teardown(() => opened.close())
  const context = makeContext(makeStore(opened.directory, undefined, { keeps: () => false }), {
    readOnly: () => 'a bundle',
  })
  return { files, opened, source: bundleSource(localSource(context), context, opened.blobs) }
}

async function pull(source: Awaited<ReturnType<typeof serve>>['source'], bytes: Buffer, start = 0, end = bytes.length) {
  const blob = await source.pullBlob(A, digestOf(bytes), false)
  const pieces: Uint8Array[] = []
  await blob.send({ start, end }, async (piece) => void pieces.push(Buffer.from(piece)))
  await blob.close()
  return Buffer.concat(pieces)
}

const byTag = (tag: string) => ({ kind: 'tag', tag: tag as Tag }) as const
const ANY = { accepts: () => true } as never

t.test('a bundle gives its tags, manifests and blobs, whole and in part', async (t) => {
  const image = testImage(A, 'v1', 'one', [3000, 200_000])
  const { source } = await serve(t, [image])
  t.equal((await source.pullManifest(A, byTag('v1'), ANY)).digest, image.digest)
  for (const bytes of [...image.layers, image.config]) {
    t.equal(await source.statBlob(A, digestOf(bytes)), bytes.length)
    t.ok((await pull(source, bytes)).equals(bytes))
    t.ok((await pull(source, bytes, 7, bytes.length - 5)).equals(bytes.subarray(7, -5)))
  }
})

t.test('a manifest of many layers is served too', async (t) => {
  const image = testImage(
    A,
    'v1',
    'one',
    Array.from({ length: 900 }, () => 3),
  )
  t.ok(image.manifest.length > 100_000)
  const { source } = await serve(t, [image])
  t.ok(Buffer.from((await source.pullManifest(A, byTag('v1'), ANY)).bytes).equals(image.manifest))
})

t.test('a blob that is cut is read over its parts', async (t) => {
  const image = testImage(A, 'v1', 'one', [200, 200_000])
  const { source } = await serve(t, [image], { parts: 3, sliceSize: 80_000 })
  const large = image.layers[1] as Buffer
  t.ok((await pull(source, large)).equals(large))
  t.ok((await pull(source, large, 79_990, 160_010)).equals(large.subarray(79_990, 160_010)))
})

t.test('a blob that two bundles cut differently comes from one of them', async (t) => {
  const image = testImage(A, 'v1', 'one', [200, 200_000])
  const [cut, other, whole] = [
    makeBundle([image], { parts: 3, sliceSize: 80_000 }).parts,
    makeBundle([image, testImage(A, 'v2', 'two')], { parts: 2, sliceSize: 120_000 }).parts,
    makeBundle([image, testImage(A, 'v3', 'three')]).parts,
  ]
  // The same content as the first, so that their ids are one.
  const [same, uncut] = [makeBundle([image], { parts: 2, sliceSize: 120_000 }).parts, makeBundle([image]).parts]
  const large = image.layers[1] as Buffer
  for (const archives of [
    [...uncut, ...cut.slice(0, 1)],
    [...cut.slice(1), ...uncut],
    [...same, ...cut.slice(0, 2)],
    [...cut, ...same.slice(1)],
    [...whole, ...cut.slice(0, 2)],
    [...cut.slice(1), ...whole],
    [...cut, ...other],
    [...other.slice(1), ...cut],
  ]) {
    const { source } = await serveFiles(t, archives)
    t.ok((await pull(source, large)).equals(large))
  }
})

t.test('an image that misses a part is not served, and the others are', async (t) => {
  const [one, two] = [testImage(A, 'v1', 'one'), testImage(A, 'v2', 'two')]
  const second = new Set(two.layers.map((bytes) => digestOf(bytes)))
  const { source } = await serve(t, [one, two], { parts: 2, partOf: (digest) => (second.has(digest) ? 2 : 1) }, [2])
  t.equal((await source.pullManifest(A, byTag('v1'), ANY)).digest, one.digest)
  await t.rejects(source.pullManifest(A, byTag('v2'), ANY), { code: 'MANIFEST_UNKNOWN' })
  await t.rejects(source.pullBlob(A, digestOf(two.layers[0] as Buffer), false), { code: 'BLOB_UNKNOWN' })
})

t.test('a blob with wrong bytes is unknown, also one that turned wrong while it was served', async (t) => {
  const image = testImage(A, 'v1', 'one', [3000, 200_000])
  const large = image.layers[1] as Buffer
  const bad = await serve(t, [image], {
    bytesFor: (digest) => (digest === digestOf(large) ? Buffer.alloc(large.length) : undefined),
  })
  await t.rejects(bad.source.statBlob(A, digestOf(large)), { code: 'BLOB_UNKNOWN' })
  const good = await serve(t, [image])
  t.equal(await good.source.statBlob(A, digestOf(large)), large.length)
  const handle = await open(good.files[0] as string, 'r+')
  const { size } = await handle.stat()
  await handle.write(Buffer.alloc(100_000), 0, 100_000, Math.floor(size / 2) - 50_000)
  await handle.close()
  await t.rejects(good.source.statBlob(A, digestOf(large)), { code: 'BLOB_UNKNOWN' })
})

t.test(
  'the first byte of a large blob does not wait for the last, and the last leaves only when all are right',
  async (t) => {
    const image = testImage(A, 'v1', 'one', [6_000_000])
    const large = image.layers[0] as Buffer
    const { source, opened } = await serve(t, [image], { parts: 2, sliceSize: 3_500_000 })
    const digest = digestOf(large)
    const state = await opened.blobs.stateOf(digest)
    const blob = await source.pullBlob(A, digest, false)
    t.equal(opened.blobs.verdictIn(digest, state), undefined, 'nobody read it before the answer began')
    const received: Buffer[] = []
    await blob.send({ start: 0, end: large.length }, async (piece) => {
      if (received.length === 0) t.equal(opened.blobs.verdictIn(digest, state), undefined, 'nor before its first byte')
      received.push(Buffer.from(piece))
    })
    t.ok(Buffer.concat(received).equals(large))
    t.equal(opened.blobs.verdictIn(digest, state), true, 'it is remembered')
    t.ok((await pull(source, large, 10, 5_999_999)).equals(large.subarray(10, 5_999_999)))

    const wrong = Buffer.from(large)
    wrong[5_000_000] = (wrong[5_000_000] ?? 0) ^ 1
    const bad = await serve(t, [image], { bytesFor: (each) => (each === digest ? wrong : undefined) })
    const cut = await bad.source.pullBlob(A, digest, false)
    let sent = 0
    const sending = cut.send({ start: 0, end: large.length }, async (piece) => void (sent += piece.byteLength))
    await t.rejects(sending, { message: /not what its digest says/ })
    t.ok(sent > 0 && sent <= large.length - 65_536, 'the end was withheld')
    await t.rejects(bad.source.pullBlob(A, digest, false), { code: 'BLOB_UNKNOWN' }, 'and the next one knows')
  },
)

t.test('a blob that changes while it is sent never ends', async (t) => {
  const image = testImage(A, 'v1', 'one', [6_000_000])
  const large = image.layers[0] as Buffer
  const { source, files } = await serve(t, [image])
  t.equal(await source.statBlob(A, digestOf(large)), large.length)
  const blob = await source.pullBlob(A, digestOf(large), false)
  const handle = await open(files[0] as string, 'r+')
  const sending = blob.send({ start: 0, end: large.length }, async () => {
    await handle.write(Buffer.alloc(1), 0, 1, 3_000_000)
  })
  await t.rejects(sending, { message: /changed while it was served/ })
  await handle.close()
})

t.test('what cannot be read from the middle, or is not whole, is refused', async (t) => {
  const bytes = makeBundle([testImage(A, 'v1', 'one')]).parts[0] as Buffer
  const directory = t.testdir({ 'packed.tar.zst': '', 'short.tar': '' })
  const [packed, short] = [join(directory, 'packed.tar.zst'), join(directory, 'short.tar')]
  writeFileSync(packed, zstdCompressSync(bytes))
  writeFileSync(short, bytes.subarray(0, -1024))
  await t.rejects(openBundle([packed], NOBODY), { message: /is packed/ })
  await t.rejects(openBundle([short], NOBODY), { exitCode: 4, message: /its index says/ })
  await t.rejects(openBundle([short], { ...NOBODY, required: true }), { message: /required/ })
})

t.test('nothing is left when it is closed', async (t) => {
  const { opened } = await serve(t, [testImage(A, 'v1', 'one')])
  t.ok(existsSync(opened.directory))
  await opened.close()
  t.notOk(existsSync(opened.directory))
})
