import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import t from 'tap'
import type { Test } from 'tap'
import type { Digest } from '../../src/oci/digest.ts'
import { digestOf, hexOf } from '../../src/oci/digest.ts'
import type { RepositoryName } from '../../src/oci/name.ts'
import type { Tag } from '../../src/oci/reference.ts'
import { parseTag } from '../../src/oci/reference.ts'
import type { Context } from '../../src/registry/context.ts'
import { pullManifest } from '../../src/registry/pull-manifest.ts'
import { pushManifest } from '../../src/registry/push-manifest.ts'
import { removeImages } from '../../src/registry/remove-images.ts'
import { listTree } from '../helpers/hostile.ts'
import { imageOf, indexOf, partOf, plantFile } from '../helpers/plant.ts'
import type { TestStore } from '../helpers/store.ts'
import { A, B, makeContext, makeStore, pushBytes, recordSyncs } from '../helpers/store.ts'

const CONFIG = Buffer.from('{}')
const V1 = parseTag('v1')

interface Setting {
  readonly store: TestStore
  readonly context: Context
  readonly push: (name: RepositoryName, bytes: Buffer, ...tags: string[]) => Promise<Digest>
  /** Pushes an image with one layer of that text. */
  readonly pushImage: (
    name: RepositoryName,
    layer: string,
    ...tags: string[]
  ) => Promise<{ bytes: Buffer; layer: Buffer }>
}

function make(t: Test, store = makeStore(t.testdir({}))): Setting {
  const context = makeContext(store)
  const push = async (name: RepositoryName, bytes: Buffer, ...tags: string[]): Promise<Digest> => {
    const digest = digestOf(bytes)
    await pushManifest(context, {
      name,
      reference: { kind: 'digest', digest },
      tags: tags.map(parseTag),
      bytes,
      contentType: undefined,
    })
    return digest
  }
  return {
    store,
    context,
    push,
    async pushImage(name, text, ...tags) {
      const layer = Buffer.from(text)
      await pushBytes(store, name, CONFIG)
      await pushBytes(store, name, layer)
      const bytes = imageOf(partOf(CONFIG), [partOf(layer)])
      await push(name, bytes, ...tags)
      return { bytes, layer }
    },
  }
}

t.test('removes a tag, and its manifest when no other tag needs it; the bytes stay for collection', async (t) => {
  const { store, context, pushImage } = make(t)
  const { bytes, layer } = await pushImage(A, 'layer', 'v1', 'v2')
  const first = await removeImages(context, ['team/a:v1'], { dryRun: false })
  t.match(first, { tags: 1, manifests: 0, freeable: { blobs: 0, bytes: 0 }, refused: [], missing: [] })
  t.equal(store.tags.resolve(A, V1), undefined)
  const second = await removeImages(context, ['team/a:v2'], { dryRun: false })
  t.same(second.repositories, [{ name: A, whole: false, tags: ['v2'], manifests: [digestOf(bytes)] }])
  t.same(second.freeable, { blobs: 3, bytes: CONFIG.length + layer.length + bytes.length })
  t.equal(store.manifests.resolve(A, digestOf(bytes)), undefined)
  t.ok(existsSync(store.layout.blobData(digestOf(layer))))
})

t.test('a tag that is not any more what somebody saw is left', async (t) => {
  const { store, context, pushImage } = make(t)
  const { bytes } = await pushImage(A, 'layer', 'v1', 'v2')
  const asked: string[] = []
  const isStill = (name: string, tag: string, digest: string): boolean => {
    asked.push(`${name}:${tag} ${digest}`)
    return tag === 'v2'
  }
  const report = await removeImages(context, ['team/a:v1', 'team/a:v2'], { dryRun: false, isStill })
  t.match(report, { tags: 1, repositories: [{ tags: ['v2'] }], missing: ['team/a:v1'] })
  t.equal(store.tags.resolve(A, V1), digestOf(bytes))
  t.same(asked, [`team/a:v1 ${digestOf(bytes)}`, `team/a:v2 ${digestOf(bytes)}`])
})

t.test('a dry run changes nothing and says the same', async (t) => {
  const { store, context, push, pushImage } = make(t)
  const { bytes } = await pushImage(A, 'one', 'v1')
  await push(A, indexOf([partOf(bytes)]), 'list')
  await pushImage(B, 'one', 'v1')
  for (const patterns of [
    ['team/a:v1'],
    ['team/*:*'],
    ['team/a', 'team/b:v1'],
    ['**'],
    [`team/a@${digestOf(bytes)}`],
  ]) {
    const before = listTree(store.directory)
    const dry = await removeImages(context, patterns, { dryRun: true })
    t.same(listTree(store.directory), before)
    t.ok(dry.dryRun)
  }
  const dry = await removeImages(context, ['team/a'], { dryRun: true })
  t.same({ ...(await removeImages(context, ['team/a'], { dryRun: false })), dryRun: true }, dry)
})

t.test('tags go durably and before manifests, an index before its children', async (t) => {
  const sync = recordSyncs()
  const { context, push, pushImage } = make(t, makeStore(t.testdir({}), sync))
  const { bytes } = await pushImage(A, 'one')
  const index = indexOf([partOf(bytes)])
  await push(A, index, 'list')
  sync.seen.length = 0
  await removeImages(context, ['team/a:list'], { dryRun: false })
  const removed = sync.seen.filter((line) => line.startsWith('removed name'))
  const at = (end: string): number => removed.findIndex((line) => line.endsWith(end))
  t.equal(at('/tags/list/current'), 0)
  t.ok(at('/tags') > 0)
  t.ok(at(hexOf(digestOf(index))) > at('/tags'))
  t.ok(at(hexOf(digestOf(bytes))) > at('/tags'))
})

t.test('bytes that another repository holds are not counted as free, by whichever link', async (t) => {
  const { store, context, pushImage } = make(t)
  const { bytes, layer } = await pushImage(A, 'shared layer', 'v1')
  await pushBytes(store, B, layer)
  const report = await removeImages(context, ['team/a:v1'], { dryRun: true })
  t.same(report.freeable, { blobs: 2, bytes: bytes.length + CONFIG.length })
  // What registry:2 leaves of a deleted link: a directory.
  rmSync(store.layout.layerLink(B, digestOf(layer)))
  t.equal((await removeImages(context, ['team/a:v1'], { dryRun: true })).freeable.blobs, 3)
})

t.test('bytes that another manifest of the repository needs, or a pin, are not counted as free', async (t) => {
  const { store, context, push, pushImage } = make(t)
  const { bytes, layer } = await pushImage(A, 'layer', 'v1')
  await push(A, imageOf(partOf(CONFIG), [partOf(layer)], { annotations: { other: 'yes' } }), 'v2')
  t.same((await removeImages(context, ['team/a:v1'], { dryRun: true })).freeable, { blobs: 1, bytes: bytes.length })
  await store.pins.add('x', { reason: '', images: [], blobs: [digestOf(bytes)] })
  t.same((await removeImages(context, ['team/a:v1'], { dryRun: true })).freeable, { blobs: 0, bytes: 0 })
})

t.test('a whole repository is gone from the disk but for its uploads', async (t) => {
  const { store, context, push, pushImage } = make(t)
  const { bytes } = await pushImage(A, 'layer', 'v1')
  await push(A, indexOf([partOf(bytes)]), 'list')
  await pushBytes(store, A, Buffer.from('never named'))
  plantFile(store.layout.tagLink(A, parseTag('torn')), '')
  plantFile(store.layout.revisionLink(A, digestOf(CONFIG)), '')
  mkdirSync(dirname(store.layout.layerLink(A, digestOf(bytes))), { recursive: true })
  const upload = await store.uploads.begin(A, undefined, 'sha256')
  const report = await removeImages(context, ['team/a'], { dryRun: false })
  t.match(report.repositories, [{ name: A, whole: true, manifests: { length: 2 } }])
  t.equal(report.freeable.blobs, 5)
  t.notOk(store.repositories.exists(A))
  t.same(
    listTree(store.layout.repository(A)).filter((path) => !path.includes('_uploads')),
    [],
  )
  t.ok(existsSync(store.layout.uploadData(A, upload.id)))
})

t.test('a tag that leads nowhere, torn or lost, can be removed by its name, and by nothing else', async (t) => {
  const { store, context, pushImage } = make(t)
  const { bytes } = await pushImage(A, 'layer', 'v1')
  const [torn, lost, pinned] = ['torn', 'lost', 'pinned'].map(parseTag) as [Tag, Tag, Tag]
  const plant = (): void => {
    for (const tag of [torn, pinned]) plantFile(store.layout.tagLink(A, tag), '')
    for (const tag of [torn, lost]) plantFile(store.layout.tagIndexLink(A, tag, digestOf(bytes)), digestOf(bytes))
  }
  await store.mirrored.markTag(A, torn, digestOf(bytes), 'quay.io')
  plant()
  plantFile(join(store.layout.pins, 'x.json'), JSON.stringify({ reason: '', images: ['team/a:pinned'], blobs: [] }))
  const gone = (): boolean[] => [torn, lost, pinned].map((tag) => !existsSync(store.layout.tag(A, tag)))
  await removeImages(context, [`team/a@${digestOf(Buffer.from('x'))}`, 'team/a:v2'], { dryRun: false })
  t.same(gone(), [false, false, false])
  const isStill = (): boolean => true
  t.match(await removeImages(context, ['team/a:torn'], { dryRun: false, isStill }), { missing: ['team/a:torn'] })
  const before = listTree(store.directory)
  const dry = await removeImages(context, ['team/a:torn', '**:lo?t', '*/*:pinned'], { dryRun: true })
  t.same(listTree(store.directory), before)
  const report = await removeImages(context, ['team/a:torn', '**:lo?t', '*/*:pinned'], { dryRun: false })
  t.same(report, { ...dry, dryRun: false })
  t.match(report, { tags: 2, manifests: 0, missing: [], refused: [{ image: 'team/a:pinned', why: 'pinned' }] })
  t.same(report.repositories[0]?.tags.toSorted(), ['lost', 'torn'])
  t.same(gone(), [true, true, false])
  t.equal(store.mirrored.tag(A, torn), undefined, 'nor does it count as mirrored when it comes again')
  t.equal(store.tags.resolve(A, V1), digestOf(bytes), 'the others are as they were')
})

t.test('a repository that is being written to keeps its directories, and the push its link', async (t) => {
  const { store, context, pushImage } = make(t)
  await pushImage(A, 'layer', 'v1')
  const release = store.leases.hold([A])
  await removeImages(context, ['team/a'], { dryRun: false })
  t.ok(existsSync(store.layout.layers(A)))
  t.ok(existsSync(store.layout.tags(A)))
  release()
  await pushImage(A, 'layer', 'v1')
  t.ok(await pullManifest(context, A, { kind: 'tag', tag: V1 }, { knowsDockerLists: true }))
})

t.test('a repository can be pushed to again after it was removed', async (t) => {
  const { store, context, pushImage } = make(t)
  await pushImage(A, 'layer', 'v1')
  await removeImages(context, ['team/a'], { dryRun: false })
  await pushImage(A, 'layer', 'v1')
  t.ok(await pullManifest(context, A, { kind: 'tag', tag: V1 }, { knowsDockerLists: true }))
  for (const directory of [store.layout.layers(A), store.layout.tags(A), store.layout.revisions(A)]) {
    t.ok(existsSync(directory))
  }
})

t.test('files that nobody knows stay where they are', async (t) => {
  const { store, context, pushImage } = make(t)
  await pushImage(A, 'layer', 'v1')
  const stray = join(store.layout.tags(A), 'README')
  writeFileSync(stray, 'x')
  await removeImages(context, ['team/a'], { dryRun: false })
  t.ok(existsSync(stray))
  t.notOk(store.repositories.exists(A))
})

t.test('globs take what they match in every repository, and name what matches nothing', async (t) => {
  const { store, context, pushImage } = make(t)
  await pushImage(A, 'a', 'v1', 'w1')
  await pushImage(B, 'b', 'v1', 'v2')
  const report = await removeImages(context, ['team/*:v*', '**:x*', 'none', 'team/a:none'], { dryRun: false })
  t.same(
    report.repositories.map(({ name, tags }) => [name, tags]),
    [
      [A, ['v1']],
      [B, ['v1', 'v2']],
    ],
  )
  t.same(report.missing, ['**:x*', 'none', 'team/a:none'])
  t.ok(store.tags.resolve(A, parseTag('w1')))
})

t.test('two patterns for the same image are both found', async (t) => {
  const { context, pushImage } = make(t)
  await pushImage(A, 'a', 'v1')
  const report = await removeImages(context, ['team/a:v1', 'team/a:v*', 'team/a:none'], { dryRun: false })
  t.same([report.tags, report.missing], [1, ['team/a:none']])
})

t.test('what is pinned stays and is named, the rest goes', async (t) => {
  const { store, context, pushImage } = make(t)
  const { bytes } = await pushImage(A, 'a', 'v1', 'v2')
  await pushImage(A, 'b', 'v3')
  await store.pins.add('x', { reason: '', images: [{ name: A, tag: V1 }], blobs: [] })
  const tags = await removeImages(context, ['team/a:v*'], { dryRun: true })
  t.same(tags.refused, [{ image: 'team/a:v1', why: 'pinned' }])
  t.same([tags.tags, tags.manifests], [2, 1])
  const whole = await removeImages(context, ['team/a'], { dryRun: false })
  t.match(whole.repositories, [{ whole: false, tags: ['v2', 'v3'] }])
  t.equal(store.manifests.resolve(A, digestOf(bytes)), digestOf(bytes))
  t.ok(await pullManifest(context, A, { kind: 'tag', tag: V1 }, { knowsDockerLists: true }))
})

t.test('while a pin cannot be read nothing is removed', async (t) => {
  const { store, context, pushImage } = make(t)
  await pushImage(A, 'a', 'v1')
  plantFile(join(store.layout.pins, 'x.json'), '{')
  await t.rejects(removeImages(context, ['team/a:v1'], { dryRun: false }), /a pin cannot be read/)
  t.ok(store.tags.resolve(A, V1))
})

t.test('a manifest that cannot be read keeps what it may need, and is told', async (t) => {
  const { store, context, pushImage } = make(t)
  const { bytes } = await pushImage(A, 'a', 'v1')
  plantFile(store.layout.revisionLink(A, digestOf(CONFIG)), digestOf(CONFIG))
  const report = await removeImages(context, ['team/a:v1'], { dryRun: false })
  t.match(report, {
    tags: 1,
    manifests: 0,
    problems: [{ path: /^docker\/.*revisions$/, what: /cannot be read: 1;/ }],
  })
  t.ok(store.manifests.resolve(A, digestOf(bytes)))
})

t.test('a registry that is read-only refuses, and a dry run may still look', async (t) => {
  const { store, pushImage } = make(t)
  await pushImage(A, 'a', 'v1')
  const closed = makeContext(store, { readOnly: () => 'closed' })
  await t.rejects(removeImages(closed, ['team/a:v1'], { dryRun: false }), { code: 'UNSUPPORTED', message: 'closed' })
  t.equal((await removeImages(closed, ['team/a:v1'], { dryRun: true })).tags, 1)
})

t.test('storage.delete.enabled is about clients, not about who keeps the registry', async (t) => {
  const { store, pushImage } = make(t)
  await pushImage(A, 'a', 'v1')
  const context = makeContext(store, { deleteEnabled: false })
  t.equal((await removeImages(context, ['team/a:v1'], { dryRun: false })).tags, 1)
})

t.test('wrong words are refused before anything is removed', async (t) => {
  const { store, context, pushImage } = make(t)
  await pushImage(A, 'a', 'v1')
  await t.rejects(removeImages(context, ['team/a:v1', 'A:B:C'], { dryRun: false }), { name: 'Problem', exitCode: 2 })
  t.ok(store.tags.resolve(A, V1))
})

t.test('a push that came before the removal is seen by it', async (t) => {
  const { store, context, push, pushImage } = make(t)
  const { bytes } = await pushImage(A, 'a', 'v1')
  const [, report] = await Promise.all([
    push(A, indexOf([partOf(bytes)]), 'list'),
    removeImages(context, ['team/a:v1'], { dryRun: false }),
  ])
  t.same([report.tags, report.manifests], [1, 0])
  t.ok(store.manifests.resolve(A, digestOf(bytes)))
})
