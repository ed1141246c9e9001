import t from 'tap'
import type { Digest } from '../../src/oci/digest.ts'
import { digestOf } from '../../src/oci/digest.ts'
import { parseTag } from '../../src/oci/reference.ts'
import type { Context } from '../../src/registry/context.ts'
import { pullManifest } from '../../src/registry/pull-manifest.ts'
import { imageOf, partOf, plantBlob, plantBytes, plantFile, plantManifest } from '../helpers/plant.ts'
import { A, makeContext, makeStore } from '../helpers/store.ts'

const CONFIG = Buffer.from('{}')
const IMAGE = imageOf(partOf(CONFIG))
const TAG = parseTag('v1')
const MODERN = { knowsDockerLists: true }
const OLD = { knowsDockerLists: false }
const DOCKER = 'application/vnd.docker.distribution.manifest'

function dockerList(children: readonly { digest: Digest; size: number; architecture: string; os?: string }[]): Buffer {
  const manifests = children.map(({ digest, size, architecture, os = 'linux' }) => ({
    mediaType: `${DOCKER}.v2+json`,
    digest,
    size,
    platform: { architecture, os },
  }))
  return Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: `${DOCKER}.list.v2+json`, manifests }))
}

const pullTag = async (context: Context, wishes = MODERN): Promise<Digest> =>
  (await pullManifest(context, A, { kind: 'tag', tag: TAG }, wishes)).digest

t.test('a tag and a digest give the same bytes', async (t) => {
  const context = makeContext(makeStore(t.testdir({})))
  plantBlob(context.store, A, CONFIG)
  const digest = plantManifest(context.store, A, IMAGE, TAG)
  for (const reference of [{ kind: 'tag', tag: TAG } as const, { kind: 'digest', digest } as const]) {
    t.ok(IMAGE.equals((await pullManifest(context, A, reference, MODERN)).bytes))
  }
})

t.test('a tag that tar moved leads to the new manifest at once', async (t) => {
  const context = makeContext(makeStore(t.testdir({})))
  plantBlob(context.store, A, CONFIG)
  const first = plantManifest(context.store, A, IMAGE, TAG)
  t.equal(await pullTag(context), first)
  const second = plantManifest(context.store, A, imageOf(partOf(CONFIG), [], { annotations: { n: '2' } }), TAG)
  t.equal(await pullTag(context), second)
})

t.test('what is missing says so in distribution’s words', async (t) => {
  const context = makeContext(makeStore(t.testdir({})))
  const digest = digestOf(IMAGE)
  await t.rejects(pullTag(context), { code: 'MANIFEST_UNKNOWN', detail: { Tag: 'v1' } })
  await t.rejects(pullManifest(context, A, { kind: 'digest', digest }, MODERN), {
    code: 'MANIFEST_UNKNOWN',
    detail: { Name: A, Revision: digest },
  })
})

t.test('a tag whose manifest has no revision link, and bytes without one, are unknown', async (t) => {
  const context = makeContext(makeStore(t.testdir({})))
  plantBlob(context.store, A, CONFIG)
  const digest = plantBytes(context.store, IMAGE)
  plantFile(context.store.layout.tagLink(A, TAG), digest)
  await t.rejects(pullTag(context), { code: 'MANIFEST_UNKNOWN' })
  await t.rejects(pullManifest(context, A, { kind: 'digest', digest }, MODERN), { code: 'MANIFEST_UNKNOWN' })
})

t.test('a client from before lists gets linux/amd64 by tag, and the list itself by digest', async (t) => {
  const context = makeContext(makeStore(t.testdir({})))
  const { store } = context
  plantBlob(store, A, CONFIG)
  const child = plantManifest(store, A, IMAGE)
  const bytes = dockerList([
    { digest: digestOf(Buffer.from('arm')), size: 3, architecture: 'arm64' },
    { digest: child, size: IMAGE.length, architecture: 'amd64' },
  ])
  const list = plantManifest(store, A, bytes, TAG)
  t.equal(await pullTag(context, OLD), child)
  t.equal(await pullTag(context, MODERN), list)
  t.equal((await pullManifest(context, A, { kind: 'digest', digest: list }, OLD)).digest, list)
})

t.test('that client gets the list where the child is not there or not whole', async (t) => {
  const context = makeContext(makeStore(t.testdir({})))
  const bytes = dockerList([{ digest: digestOf(IMAGE), size: IMAGE.length, architecture: 'amd64' }])
  const list = plantManifest(context.store, A, bytes, TAG)
  t.equal(await pullTag(context, OLD), list)
  plantManifest(context.store, A, IMAGE)
  t.equal(await pullTag(context, OLD), list, 'its config is missing')
  plantBlob(context.store, A, CONFIG)
  t.equal(await pullTag(context, OLD), digestOf(IMAGE))
  const windows = dockerList([{ digest: digestOf(IMAGE), size: 1, architecture: 'amd64', os: 'windows' }])
  t.equal(await pullTag(context, OLD), digestOf(IMAGE))
  const other = plantManifest(context.store, A, windows, TAG)
  t.equal(await pullTag(context, OLD), other, 'no linux/amd64 in it')
})
