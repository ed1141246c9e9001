import { existsSync } from 'node:fs'
import type { Test } from 'tap'
import t from 'tap'
import { digestOf } from '../../src/oci/digest.ts'
import { parseTag } from '../../src/oci/reference.ts'
import type { Context, Rules } from '../../src/registry/context.ts'
import { deleteBlob, deleteManifest } from '../../src/registry/delete.ts'
import { statBlob } from '../../src/registry/pull-blob.ts'
import { appendUpload, beginUpload, cancelUpload, finishUpload, mountBlob } from '../../src/registry/push-blob.ts'
import { pushManifest } from '../../src/registry/push-manifest.ts'
import { listTree } from '../helpers/hostile.ts'
import { imageOf, indexOf, partOf } from '../helpers/plant.ts'
import type { TestStore } from '../helpers/store.ts'
import { A, B, breakSyncs, makeContext, makeStore, pushBytes, recordSyncs, streamOf } from '../helpers/store.ts'

const CONFIG = Buffer.from('{}')
const IMAGE = imageOf(partOf(CONFIG))
const DIGEST = digestOf(IMAGE)
const TAGS = ['v1', 'v2', 'v3'].map(parseTag)
const [V1] = TAGS as [ReturnType<typeof parseTag>]

async function fill(context: Context): Promise<void> {
  await pushBytes(context.store, A, CONFIG)
  await pushManifest(context, {
    name: A,
    reference: { kind: 'digest', digest: DIGEST },
    tags: TAGS,
    bytes: IMAGE,
    contentType: undefined,
  })
}

t.test('a deleted tag is gone and its manifest stays', async (t) => {
  const context = makeContext(makeStore(t.testdir({})))
  await fill(context)
  await deleteManifest(context, A, { kind: 'tag', tag: V1 })
  t.equal(context.store.tags.resolve(A, V1), undefined)
  t.equal(context.store.manifests.resolve(A, DIGEST), DIGEST)
  await t.rejects(deleteManifest(context, A, { kind: 'tag', tag: V1 }), {
    code: 'MANIFEST_UNKNOWN',
    detail: { Tag: 'v1' },
  })
})

t.test('with a manifest go all its tags, before it', async (t) => {
  const sync = recordSyncs()
  const store = makeStore(t.testdir({}), sync)
  const context = makeContext(store)
  await fill(context)
  const other = imageOf(partOf(CONFIG), [], { annotations: { other: 'yes' } })
  const kept = parseTag('kept')
  await pushManifest(context, {
    name: A,
    reference: { kind: 'tag', tag: kept },
    tags: [],
    bytes: other,
    contentType: undefined,
  })
  sync.seen.length = 0
  await deleteManifest(context, A, { kind: 'digest', digest: DIGEST })
  for (const tag of TAGS) t.equal(store.tags.resolve(A, tag), undefined)
  t.equal(store.tags.resolve(A, kept), digestOf(other))
  t.equal(store.manifests.resolve(A, DIGEST), undefined)
  t.match(sync.seen.at(-1), new RegExp(`^removed name .*/revisions/sha256/${DIGEST.slice(7)}$`))
  t.equal(sync.seen.filter((line) => /^removed name .*\/current$/.test(line)).length, TAGS.length, 'each tag durably')
  t.ok(existsSync(store.layout.blobData(DIGEST)), 'the bytes are freed by collection, not here')
  await t.rejects(deleteManifest(context, A, { kind: 'digest', digest: DIGEST }), { code: 'MANIFEST_UNKNOWN' })
})

t.test('the children of a deleted index stay', async (t) => {
  const context = makeContext(makeStore(t.testdir({})))
  await fill(context)
  const index = indexOf([partOf(IMAGE)])
  const tag = parseTag('list')
  await pushManifest(context, {
    name: A,
    reference: { kind: 'tag', tag },
    tags: [],
    bytes: index,
    contentType: undefined,
  })
  await deleteManifest(context, A, { kind: 'digest', digest: digestOf(index) })
  t.equal(context.store.manifests.resolve(A, DIGEST), DIGEST)
})

t.test('a deleted blob is gone from its repository; others and its bytes stay', async (t) => {
  const context = makeContext(makeStore(t.testdir({})))
  const digest = await pushBytes(context.store, A, CONFIG)
  await pushBytes(context.store, B, CONFIG)
  await deleteBlob(context, A, digest)
  await t.rejects(statBlob(context, A, digest), { code: 'BLOB_UNKNOWN' })
  t.equal(await statBlob(context, B, digest), CONFIG.length)
  await t.rejects(deleteBlob(context, A, digest), { code: 'BLOB_UNKNOWN', detail: digest })
  await deleteBlob(context, B, digest)
  t.ok(existsSync(context.store.layout.blobData(digest)))
})

t.test('what is not there cannot be deleted, and nothing is made by trying', async (t) => {
  const store = makeStore(t.testdir({}))
  const context = makeContext(store)
  await t.rejects(deleteManifest(context, A, { kind: 'tag', tag: V1 }), { code: 'MANIFEST_UNKNOWN' })
  await t.rejects(deleteManifest(context, A, { kind: 'digest', digest: DIGEST }), { code: 'MANIFEST_UNKNOWN' })
  await t.rejects(deleteBlob(context, A, DIGEST), { code: 'BLOB_UNKNOWN' })
  t.same(listTree(store.directory), [])
})

// Everything that changes the directory, by what it needs (R6).
const DELETES: Readonly<Record<string, (context: Context) => Promise<unknown>>> = {
  'deleting a tag': (context) => deleteManifest(context, A, { kind: 'tag', tag: V1 }),
  'deleting a manifest': (context) => deleteManifest(context, A, { kind: 'digest', digest: DIGEST }),
  'deleting a blob': (context) => deleteBlob(context, A, digestOf(CONFIG)),
  'deleting what is not there': (context) => deleteManifest(context, B, { kind: 'tag', tag: V1 }),
}
const WRITES: Readonly<Record<string, (context: Context, store: TestStore) => Promise<unknown>>> = {
  'beginning an upload': (context) => beginUpload(context, A, undefined, 'sha256'),
  'appending to an upload': async (context, store) =>
    appendUpload(context, await uploadOf(store), { source: streamOf(CONFIG) }),
  'ending an upload': async (context, store) =>
    finishUpload(context, await uploadOf(store), digestOf(Buffer.alloc(0)), undefined),
  'cancelling an upload': async (context, store) => cancelUpload(context, await uploadOf(store)),
  'mounting a blob': (context) => mountBlob(context, B, digestOf(CONFIG), A),
  'mounting a blob that is not here': (context) => mountBlob(context, B, DIGEST, undefined),
  'pushing a manifest': (context) =>
    pushManifest(context, {
      name: A,
      reference: { kind: 'tag', tag: V1 },
      tags: [],
      bytes: IMAGE,
      contentType: undefined,
    }),
}

let upload: Promise<Awaited<ReturnType<TestStore['uploads']['begin']>>> | undefined
const uploadOf = (store: TestStore) => (upload ??= store.uploads.begin(A, undefined, 'sha256'))

async function refuseAll(
  t: Test,
  acts: Readonly<Record<string, (context: Context, store: TestStore) => Promise<unknown>>>,
  rules: Partial<Rules>,
  message: RegExp,
): Promise<void> {
  const store = makeStore(t.testdir({}))
  await fill(makeContext(store))
  upload = undefined
  await uploadOf(store)
  const before = listTree(store.directory)
  for (const [what, act] of Object.entries(acts)) {
    const wanted = { code: 'UNSUPPORTED', status: 405, message }
    await t.rejects(act(makeContext(store, rules), store), wanted, what)
  }
  t.same(listTree(store.directory), before)
}

t.test('a registry that is read-only refuses every kind of change', async (t) => {
  await refuseAll(t, { ...WRITES, ...DELETES }, { readOnly: () => 'closed for a reason' }, /^closed for a reason$/)
})

t.test('without storage.delete.enabled every deletion is refused, of tags too', async (t) => {
  await refuseAll(t, DELETES, { deleteEnabled: false }, /storage\.delete\.enabled/)
})

t.test('without storage.delete.enabled everything else is taken', async (t) => {
  const store = makeStore(t.testdir({}))
  await fill(makeContext(store))
  const context = makeContext(store, { deleteEnabled: false })
  for (const [what, act] of Object.entries(WRITES)) {
    upload = undefined
    await t.resolves(act(context, store), what)
  }
})

t.test('with a link goes the mark of the mirror, also where a full disk takes no new file', async (t) => {
  let full = false
  const store = makeStore(
    t.testdir({}),
    breakSyncs('link file', 'ENOSPC', () => full),
  )
  const context = makeContext(store)
  await fill(context)
  const { mirrored } = store
  await mirrored.markManifest(A, DIGEST, 'quay.io')
  for (const tag of TAGS) await mirrored.markTag(A, tag, DIGEST, 'quay.io')
  full = true
  await deleteManifest(context, A, { kind: 'tag', tag: V1 })
  t.same([...mirrored.marks(A).tags.keys()], ['v2', 'v3'])
  await deleteManifest(context, A, { kind: 'digest', digest: DIGEST })
  t.equal(mirrored.marks(A).tags.size + mirrored.marks(A).manifests.size, 0)
  t.equal(store.manifests.resolve(A, DIGEST), undefined)
})
