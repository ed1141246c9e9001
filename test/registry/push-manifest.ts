import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import type { Test } from 'tap'
import t from 'tap'
import type { Digest } from '../../src/oci/digest.ts'
import { digestOf } from '../../src/oci/digest.ts'
import { RegistryError } from '../../src/oci/errors.ts'
import { OCI_MANIFEST } from '../../src/oci/media-type.ts'
import type { Tag } from '../../src/oci/reference.ts'
import { parseTag } from '../../src/oci/reference.ts'
import type { Context } from '../../src/registry/context.ts'
import { deleteManifest } from '../../src/registry/delete.ts'
import type { ManifestPush } from '../../src/registry/push-manifest.ts'
import { pushManifest } from '../../src/registry/push-manifest.ts'
import { pullManifest } from '../../src/registry/pull-manifest.ts'
import { listTree } from '../helpers/hostile.ts'
import { imageOf, indexOf, partOf, plantBlob } from '../helpers/plant.ts'
import { A, B, breakSyncs, makeContext, makeStore, pushBytes, recordSyncs } from '../helpers/store.ts'

const CONFIG = Buffer.from('{"os":"linux"}')
const LAYER = Buffer.from('a layer')
const IMAGE = imageOf(partOf(CONFIG), [partOf(LAYER)])
const V1 = parseTag('v1')

function push(context: Context, bytes: Buffer, options: Partial<ManifestPush> = {}) {
  return pushManifest(context, {
    name: A,
    reference: { kind: 'tag', tag: V1 },
    tags: [],
    bytes,
    contentType: undefined,
    ...options,
  })
}

/** What lies in the directory, without the cache, which may learn of anything. */
const tree = (root: string): string[] => listTree(root).filter((line) => !line.startsWith('.tarn'))

/** The refusal of a push, which must have written nothing. */
async function refusal(
  t: Test,
  context: Context,
  bytes: Buffer,
  options: Partial<ManifestPush> = {},
): Promise<RegistryError> {
  const { root } = context.store.layout
  const before = tree(root)
  const error = await push(context, bytes, options).then(
    () => undefined,
    (thrown: unknown) => thrown,
  )
  t.same(tree(root), before, 'nothing was written')
  if (error instanceof RegistryError) return error
  throw new Error('it was taken', { cause: error })
}

t.test('bytes, revision link, history of the tag, tag: each durable before the next', async (t) => {
  const sync = recordSyncs()
  const store = makeStore(t.testdir({}), sync)
  for (const bytes of [CONFIG, LAYER]) await pushBytes(store, A, bytes)
  sync.seen.length = 0
  const { digest } = await push(makeContext(store), IMAGE)
  const short = (line: string): string =>
    line
      .replace(`${store.directory}/docker/registry/v2/`, '')
      .replace(
        / (?:blobs|repositories\/team\/a)\/.*?(revisions|index|current|blobs)?(?:\/sha256)?(?:\/[0-9a-f]{2,64})*$/,
        ' $1',
      )
  const order = sync.seen.filter((line) => !line.startsWith('new directory')).map(short)
  t.same(order, [
    'blob file',
    'blob directory ',
    'link file',
    'link directory revisions',
    'link file',
    'link directory index',
    'link file',
    'link directory current',
  ])
  t.equal(store.tags.resolve(A, V1), digest)
})

t.test('blobs that a tar brought, and their links, are made durable before the push is acknowledged', async (t) => {
  const sync = recordSyncs()
  const store = makeStore(t.testdir({}), sync)
  for (const bytes of [CONFIG, LAYER]) plantBlob(store, A, bytes)
  await push(makeContext(store), IMAGE)
  const files = sync.seen.filter((site) => site === 'held file').length
  t.equal(files, 4, 'two blobs and their links')
  for (const bytes of [CONFIG, LAYER]) {
    const directory = store.layout.blob(digestOf(bytes))
    const held = sync.seen.indexOf(`held directory ${directory}`)
    t.ok(held >= 0 && held < sync.seen.indexOf('link file'), 'its name too, and before the link')
  }
})

t.test('bytes that are wrong do not count as a blob, and a push of them does', async (t) => {
  const store = makeStore(t.testdir({}))
  const context = makeContext(store)
  plantBlob(store, A, CONFIG)
  const layer = plantBlob(store, A, LAYER)
  writeFileSync(store.layout.blobData(layer), 'rotten!')
  const error = await refusal(t, context, IMAGE)
  t.equal(error.code, 'MANIFEST_BLOB_UNKNOWN')
  t.equal(error.detail, layer)
  await pushBytes(store, A, LAYER)
  t.equal((await push(context, IMAGE)).digest, digestOf(IMAGE))
})

t.test('every missing blob has an error of its own', async (t) => {
  const context = makeContext(makeStore(t.testdir({})))
  await pushBytes(context.store, A, CONFIG)
  await pushBytes(context.store, B, LAYER)
  const missing = [partOf(LAYER), partOf(Buffer.from('two')), partOf(Buffer.from('three'))]
  const error = await refusal(t, context, imageOf(partOf(CONFIG), missing))
  t.same(
    [error, ...error.others].map(({ code, detail }) => [code, detail]),
    missing.map(({ digest }) => ['MANIFEST_BLOB_UNKNOWN', digest]),
  )
})

t.test('a size that is not that of the blob is SIZE_INVALID, never MANIFEST_INVALID', async (t) => {
  const context = makeContext(makeStore(t.testdir({})))
  for (const bytes of [CONFIG, LAYER]) await pushBytes(context.store, A, bytes)
  for (const size of [0, LAYER.length - 1, LAYER.length + 1]) {
    const error = await refusal(t, context, imageOf(partOf(CONFIG), [{ ...partOf(LAYER), size }]))
    t.same([error.code, error.status], ['SIZE_INVALID', 400])
  }
  const both = [partOf(LAYER), { ...partOf(LAYER), size: 1 }]
  t.equal((await refusal(t, context, imageOf(partOf(CONFIG), both))).code, 'SIZE_INVALID', 'named twice')
})

t.test('bytes that are not what the digest says are refused', async (t) => {
  const context = makeContext(makeStore(t.testdir({})))
  for (const bytes of [CONFIG, LAYER]) await pushBytes(context.store, A, bytes)
  for (const algorithm of ['sha256', 'sha512'] as const) {
    const digest = digestOf(Buffer.from('other'), algorithm)
    t.equal((await refusal(t, context, IMAGE, { reference: { kind: 'digest', digest } })).code, 'DIGEST_INVALID')
    const right = digestOf(IMAGE, algorithm)
    t.equal((await push(context, IMAGE, { reference: { kind: 'digest', digest: right } })).digest, right)
  }
})

t.test('no refusal writes anything', async (t) => {
  const store = makeStore(t.testdir({}))
  for (const bytes of [CONFIG, LAYER]) await pushBytes(store, A, bytes)
  const wrong: readonly [string, Partial<Context['rules']>, Buffer, Partial<ManifestPush>, string][] = [
    ['read-only', { readOnly: () => 'closed' }, IMAGE, {}, 'UNSUPPORTED'],
    ['no JSON', {}, Buffer.from('{'), {}, 'MANIFEST_INVALID'],
    ['another type than the header', {}, indexOf([]), { contentType: OCI_MANIFEST }, 'MANIFEST_INVALID'],
    [
      'a forbidden url',
      { allowsUrl: () => false },
      imageOf(partOf(CONFIG), [{ ...partOf(LAYER), urls: ['http://x'] }]),
      {},
      'MANIFEST_INVALID',
    ],
    ['a child that must be here', { requiresChild: () => true }, indexOf([partOf(IMAGE)]), {}, 'MANIFEST_BLOB_UNKNOWN'],
    ['another repository', {}, IMAGE, { name: B }, 'MANIFEST_BLOB_UNKNOWN'],
  ]
  for (const [what, rules, bytes, options, code] of wrong) {
    t.equal((await refusal(t, makeContext(store, rules), bytes, options)).code, code, what)
  }
})

t.test('validation.disabled takes a manifest whose blobs are not here', async (t) => {
  const context = makeContext(makeStore(t.testdir({})), { requiresWhole: false })
  t.equal((await push(context, IMAGE)).digest, digestOf(IMAGE))
})

t.test('a push says what its subject is, and further tags all lead to it', async (t) => {
  const context = makeContext(makeStore(t.testdir({})))
  for (const bytes of [CONFIG, LAYER]) await pushBytes(context.store, A, bytes)
  const subject = partOf(Buffer.from('not here, which is allowed'))
  const bytes = imageOf(partOf(CONFIG), [], { subject: { ...subject, mediaType: OCI_MANIFEST } })
  const digest = digestOf(bytes)
  const tags = ['a', 'b', 'c'].map(parseTag)
  t.same(await push(context, bytes, { reference: { kind: 'digest', digest }, tags }), {
    digest,
    subject: subject.digest,
  })
  for (const tag of tags) t.equal(context.store.tags.resolve(A, tag), digest)
  t.equal(context.store.tags.resolve(A, V1), undefined)
  t.equal((await push(context, IMAGE)).subject, undefined)
})

t.test('a torn manifest of an earlier life is replaced by the next push', async (t) => {
  const store = makeStore(t.testdir({}))
  for (const bytes of [CONFIG, LAYER]) await pushBytes(store, A, bytes)
  const { digest } = await push(makeContext(store), IMAGE)
  writeFileSync(store.layout.blobData(digest), IMAGE.subarray(0, 10))
  writeFileSync(store.layout.tagLink(A, V1), '')
  const again = makeContext(makeStore(store.directory))
  await push(again, IMAGE)
  t.ok(IMAGE.equals(readFileSync(store.layout.blobData(digest))))
  t.equal(again.store.tags.resolve(A, V1), digest)
})

for (const site of ['blob file', 'blob directory', 'link file', 'link directory', 'new directory'] as const) {
  t.test(`a push is not acknowledged when the fsync of a ${site} fails, and works when it works again`, async (t) => {
    let broken = false
    const store = makeStore(
      t.testdir({}),
      breakSyncs(site, 'EIO', () => broken),
    )
    const context = makeContext(store)
    for (const bytes of [CONFIG, LAYER]) await pushBytes(store, A, bytes)
    broken = true
    // A tag of its own, so that there is a new directory too.
    await t.rejects(push(context, IMAGE, { reference: { kind: 'tag', tag: parseTag('new') } }), { code: 'EIO' })
    t.equal(store.tags.resolve(A, parseTag('new')) === undefined || site === 'link directory', true)
    broken = false
    t.equal((await push(context, IMAGE)).digest, digestOf(IMAGE))
  })
}

t.test('50 pushes, retags and deletes of one repository at once leave it consistent', async (t) => {
  const context = makeContext(makeStore(t.testdir({})))
  const { store } = context
  for (const bytes of [CONFIG, LAYER]) await pushBytes(store, A, bytes)
  const images = Array.from({ length: 8 }, (_, i) =>
    imageOf(partOf(CONFIG), [partOf(LAYER)], { annotations: { i: `${i}` } }),
  )
  const tags = ['a', 'b', 'c', 'd'].map(parseTag)
  const at = <T>(list: readonly T[], i: number): T => list[i % list.length] as T
  const acts = Array.from({ length: 50 }, (_, i) => async (): Promise<void> => {
    const bytes = at(images, i * 7)
    if (i % 5 === 3) await deleteManifest(context, A, { kind: 'digest', digest: digestOf(bytes) })
    else if (i % 5 === 4) await deleteManifest(context, A, { kind: 'tag', tag: at(tags, i) })
    else await push(context, bytes, { reference: { kind: 'tag', tag: at(tags, i * 3) } })
  })
  const ends = await Promise.allSettled(acts.map((act) => act()))
  for (const end of ends) if (end.status === 'rejected') t.match(end.reason, { code: 'MANIFEST_UNKNOWN' })

  const seen: [Tag, Digest][] = []
  for await (const tag of store.tags.list(A)) seen.push([tag, store.tags.resolve(A, tag) as Digest])
  t.ok(seen.length > 0)
  for (const [tag, digest] of seen) {
    const pulled = await pullManifest(context, A, { kind: 'tag', tag }, { knowsDockerLists: true })
    t.equal(pulled.digest, digest)
    t.equal(digestOf(pulled.bytes), digest)
  }
  t.same(
    tree(store.layout.root).filter((line) => line.endsWith('.tmp')),
    [],
  )
  rmSync(join(store.layout.root, '.tarn'), { recursive: true, force: true })
  const after = makeContext(makeStore(store.layout.root))
  for (const [tag, digest] of seen) {
    t.equal((await pullManifest(after, A, { kind: 'tag', tag }, { knowsDockerLists: true })).digest, digest)
  }
})

t.test(
  'what the mirror brought is no longer its own, durably, before the first link of a push is written',
  async (t) => {
    const sync = recordSyncs()
    const store = makeStore(t.testdir({}), sync, { home: 'a home' })
    const digest = digestOf(IMAGE)
    const [V2, V3] = [parseTag('v2'), parseTag('v3')]
    for (const bytes of [CONFIG, LAYER]) await pushBytes(store, A, bytes)
    const { mirrored, layout } = store
    await mirrored.markManifest(A, digest, 'quay.io')
    for (const tag of [V1, V2, V3]) await mirrored.markTag(A, tag, digest, 'quay.io')
    sync.seen.length = 0
    await push(makeContext(store), IMAGE, { tags: [V2] })
    const cleared = sync.seen.indexOf(`link directory ${dirname(layout.mirrored(A))}`)
    t.ok(cleared >= 0 && cleared < sync.seen.indexOf('blob file'))
    const next = makeStore(store.directory, undefined, { home: 'a home' }).mirrored.marks(A)
    t.same([...next.tags.keys()], [V3])
    t.equal(next.manifests.size, 0)
  },
)

t.test('a push that is refused leaves the marks, and one whose mark cannot be taken away writes no link', async (t) => {
  let broken = false
  const store = makeStore(
    t.testdir({}),
    breakSyncs('link file', 'ENOSPC', () => broken),
  )
  const context = makeContext(store)
  await pushBytes(store, A, CONFIG)
  for (const tag of [V1, parseTag('v2')]) await store.mirrored.markTag(A, tag, digestOf(IMAGE), 'quay.io')
  await refusal(t, context, IMAGE)
  t.ok(store.mirrored.tag(A, V1))
  await pushBytes(store, A, LAYER)
  broken = true
  await t.rejects(push(context, IMAGE), { code: 'ENOSPC' })
  t.equal(store.tags.resolve(A, V1), undefined)
  t.equal(store.manifests.resolve(A, digestOf(IMAGE)), undefined)
})
