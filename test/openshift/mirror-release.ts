import { readFileSync, rmSync, writeFileSync, chmodSync } from 'node:fs'
import { Readable } from 'node:stream'
import t from 'tap'
import type { Test } from 'tap'
import { UnreadableTree } from '../../src/exchange/file-tree.ts'
import { storeSource } from '../../src/exchange/store-source.ts'
import { storeTarget } from '../../src/exchange/store-target.ts'
import { parseDigest } from '../../src/oci/digest.ts'
import { parseRepositoryName } from '../../src/oci/name.ts'
import { parseTag } from '../../src/oci/reference.ts'
import { mirrorRelease } from '../../src/openshift/mirror-release.ts'
import type { MirrorOrder } from '../../src/openshift/mirror-release.ts'
import { isInPart } from '../../src/openshift/release-report.ts'
import type { ReleasePlace } from '../../src/openshift/release-place.ts'
import { readRecord, writeRecord } from '../../src/openshift/release-record.ts'
import { verifyRelease } from '../../src/openshift/verify-release.ts'
import type { Context } from '../../src/registry/context.ts'
import { readSignatures, storeSignature } from '../../src/storage/signatures.ts'
import { UpstreamError } from '../../src/upstream/upstream-error.ts'
import { buildRelease } from '../fixtures/release.ts'
import type { FixtureRelease, ReleaseOptions } from '../fixtures/release.ts'
import { makeReleaseKey } from '../fixtures/release-key.ts'
import { openRegistry } from '../helpers/images.ts'
import { sourceOf } from '../helpers/release-source.ts'

const TO = parseRepositoryName('ocp4/openshift4')
const key = await makeReleaseKey()
const VERIFICATION = { stores: ['https://store.test'], keys: [key.publicKey] }

interface Scene {
  readonly release: FixtureRelease
  readonly context: Context
  readonly from: ReleasePlace
  readonly signatures: Map<string, Buffer[]>
  readonly order: MirrorOrder
  readonly tags: () => Promise<Map<string, string>>
}

async function setUp(
  t: Test,
  options: Partial<ReleaseOptions> = {},
  spoil?: (digest: string) => Buffer | undefined,
): Promise<Scene> {
  const release = await buildRelease({
    version: '4.4.10',
    host: 'quay.io',
    verification: VERIFICATION,
    largestBytes: 300_000,
    ...options,
  })
  const context = openRegistry(t.testdir({ data: {} }))
  const signatures = new Map([[release.digest, [await key.signRelease(release.digest, release.reference)]]])
  const source = sourceOf(release.placed, spoil)
  const from: ReleasePlace = {
    name: release.reference,
    source,
    repository: parseRepositoryName(release.releaseRepository),
    reference: { kind: 'tag', tag: parseTag(release.releaseTag) },
    origin: `quay.io/${release.releaseRepository}`,
    elsewhere: () => source,
    findSignatures: async (digest) => ({
      signatures: (signatures.get(digest) ?? []).map((bytes) => ({ bytes, from: 'store' })),
      failures: [],
    }),
  }
  const target = storeTarget(context, 'here')
  const order: MirrorOrder = {
    from,
    target: () => target,
    to: TO,
    host: 'mirror.test:5000',
    style: 'auto',
    instructions: 'auto',
    dryRun: false,
    requireSignature: false,
    storeSignature: async (digest, bytes) => (await storeSignature(context.store, digest, bytes)).added,
    record: (digest, record) => writeRecord(context.store, digest, record),
    clock: () => Date.now() + 60_000,
  }
  const tags = async (): Promise<Map<string, string>> => {
    const found = new Map<string, string>()
    for await (const tag of context.store.tags.list(TO)) found.set(tag, context.store.tags.resolve(TO, tag) ?? '')
    return found
  }
  return { release, context, from, signatures, order, tags }
}

const sorted = (map: ReadonlyMap<string, string>): [string, string][] =>
  [...map].toSorted(([a], [b]) => (a < b ? -1 : 1))

t.test('a release is mirrored under the tags of oc, and its good signature is kept for clusters', async (t) => {
  for (const [version, style] of [
    ['4.4.10', 'plain'],
    ['4.18.3', 'arch'],
  ] as const) {
    const { release, context, order, tags } = await setUp(t, { version })
    const report = await mirrorRelease(order)
    t.same(sorted(await tags()), sorted(release.expectedTags(style)))
    t.same([report.counts.failed, report.counts.copied], [0, release.components.length])
    t.equal(report.tags, release.components.length + 1)
    t.equal(
      report.bytes,
      report.images.reduce((sum, { bytes }) => sum + bytes, 0),
    )
    t.equal(report.signature.state, 'verified')
    t.equal(readSignatures(context.store.layout, parseDigest(release.digest)).length, 1)
    t.same(report.images.at(-1)?.tags, [style === 'plain' ? version : `${version}-x86_64`], 'the release comes last')
  }
})

t.test('what is printed at the end is what oc prints', async (t) => {
  const { order } = await setUp(t)
  const named = { repository: TO, tag: parseTag('4.4.10-x86_64') }
  t.equal(
    (await mirrorRelease({ ...order, releaseImage: named })).instructions,
    `Success
Update image:  mirror.test:5000/ocp4/openshift4:4.4.10-x86_64
Mirror prefix: mirror.test:5000/ocp4/openshift4
Mirror prefix: mirror.test:5000/ocp4/openshift4:4.4.10-x86_64

To use the new mirrored repository to install, add the following section to the install-config.yaml:

imageContentSources:
- mirrors:
  - mirror.test:5000/ocp4/openshift4
  source: quay.io/openshift-release-dev/ocp-release
- mirrors:
  - mirror.test:5000/ocp4/openshift4
  source: quay.io/openshift-release-dev/ocp-v4.0-art-dev


To use the new mirrored repository for upgrades, use the following to create an ImageContentSourcePolicy:

apiVersion: operator.openshift.io/v1alpha1
kind: ImageContentSourcePolicy
metadata:
  name: example
spec:
  repositoryDigestMirrors:
  - mirrors:
    - mirror.test:5000/ocp4/openshift4
    source: quay.io/openshift-release-dev/ocp-release
  - mirrors:
    - mirror.test:5000/ocp4/openshift4
    source: quay.io/openshift-release-dev/ocp-v4.0-art-dev`,
  )
})

t.test('where there is no room nothing is copied, and what an earlier run left counts', async (t) => {
  const { release, order, tags } = await setUp(t)
  const asked = new Set<string>()
  const room = (spare: number, begun = 0) => ({
    spare: () => spare,
    begun: (digest: string) => {
      asked.add(digest)
      return digest === release.components[0]?.image.blobs[0]?.digest ? begun : 0
    },
  })
  const put: string[] = []
  const target = order.target(order.from)
  const watched = {
    ...order,
    target: () => ({
      ...target,
      putBlob: (...args: Parameters<typeof target.putBlob>) => {
        put.push(args[1].digest)
        return target.putBlob(...args)
      },
    }),
  }
  await t.rejects(mirrorRelease({ ...watched, room: room(release.bytes - 1) }), {
    name: 'Problem',
    message: `there is no room: ${release.bytes} bytes are needed, and ${release.bytes - 1} may still be written`,
    exitCode: 1,
  })
  t.same([put, await tags()], [[], new Map()])
  t.equal(asked.size, new Set(release.placed.flatMap(({ image }) => image.blobs.map(({ digest }) => digest))).size)
  const report = await mirrorRelease({ ...watched, room: room(release.bytes - 1, 1) })
  t.equal(report.counts.failed, 0)
  t.equal(report.bytes, release.bytes)
  t.equal((await mirrorRelease({ ...watched, room: room(-1) })).counts.failed, 0, 'what is all here needs none')
})

t.test('a list is mirrored with all its images, tagged -multi', async (t) => {
  const { release, context, order, tags } = await setUp(t, { version: '4.18.3', architectures: ['amd64', 'arm64'] })
  const report = await mirrorRelease(order)
  t.same(sorted(await tags()), sorted(release.expectedTags('arch')))
  for (const { image } of release.placed) {
    for (const { digest } of image.manifests)
      t.ok(context.store.manifests.resolve(TO, parseDigest(digest)), `${digest} is here`)
  }
  t.match(report.instructions, /kind: ImageDigestMirrorSet/)
})

t.test('the second run sends nothing', async (t) => {
  const { release, order } = await setUp(t)
  await mirrorRelease(order)
  const again = await mirrorRelease(order)
  t.same([again.bytes, again.blobs, again.stored], [0, 0, 0])
  t.equal(again.counts.here, release.components.length)
})

t.test('a dry run tells the sizes and changes nothing', async (t) => {
  const { release, order, tags } = await setUp(t)
  const report = await mirrorRelease({ ...order, dryRun: true })
  t.equal(report.bytes, release.bytes)
  t.equal((await tags()).size, 0)
})

t.test('sigstore’s tag comes with the release', async (t) => {
  const { release, tags, order } = await setUp(t, { sigstore: true })
  await mirrorRelease(order)
  t.ok((await tags()).has(`${release.digest.replace(':', '-')}.sig`))
})

t.test('a release whose sigstore signature did not come along is mirrored in part', async (t) => {
  let broken: string | undefined
  const { release, order } = await setUp(t, { sigstore: true }, (digest) =>
    digest === broken ? Buffer.from('x') : undefined,
  )
  const artifact = release.placed.find(({ tags }) => tags.some((tag) => tag.endsWith('.sig')))
  broken = artifact?.image.blobs.at(-1)?.digest
  const report = await mirrorRelease(order)
  t.same([report.counts.failed, report.counts.incomplete, isInPart(report)], [0, 1, true])
  broken = undefined
  t.equal(isInPart(await mirrorRelease(order)), false)
})

t.test('a component that cannot be copied keeps back the release image alone, and the next run heals it', async (t) => {
  let broken: string | undefined
  const { release, order, tags } = await setUp(t, {}, (digest) => (digest === broken ? Buffer.from('x') : undefined))
  const etcd = release.components.find(({ name }) => name === 'etcd')
  broken = etcd?.image.blobs.at(1)?.digest
  const report = await mirrorRelease(order)
  t.same(
    report.images.filter(({ state }) => state === 'failed').map(({ components }) => components),
    [['etcd'], []],
  )
  t.equal(report.instructions, undefined)
  t.equal(report.stored, 0)
  const there = await tags()
  t.same([there.has('4.4.10'), there.has('4.4.10-etcd'), there.has('4.4.10-cli')], [false, false, true])
  broken = undefined
  t.equal((await mirrorRelease(order)).counts.failed, 0)
  t.same(sorted(await tags()), sorted(release.expectedTags('plain')))
})

t.test('a release that is signed wrongly is not copied at all', async (t) => {
  const stranger = await makeReleaseKey('stranger')
  const { release, order, signatures, tags } = await setUp(t)
  signatures.set(release.digest, [await stranger.signRelease(release.digest, release.reference)])
  await t.rejects(mirrorRelease(order), { name: 'Problem', exitCode: 4, message: /is not verified/ })
  t.equal((await tags()).size, 0)
})

t.test('a release without a signature is copied and said to be unsigned, unless one is required', async (t) => {
  const { order, signatures, context, release } = await setUp(t)
  signatures.clear()
  await t.rejects(mirrorRelease({ ...order, requireSignature: true }), { message: /is not verified/ })
  const report = await mirrorRelease(order)
  t.same([report.signature.state, report.counts.failed, report.stored], ['unsigned', 0, 0])
  t.same(readSignatures(context.store.layout, parseDigest(release.digest)), [])
})

t.test('a payload without a keyring is copied, and refused where a signature is required', async (t) => {
  const release = await buildRelease({ version: '4.4.10', host: 'quay.io' })
  const { order } = await setUp(t)
  const source = sourceOf(release.placed)
  const from = { ...order.from, source, elsewhere: () => source }
  await t.rejects(mirrorRelease({ ...order, from, requireSignature: true }), { message: /is not verified/ })
  const report = await mirrorRelease({ ...order, from })
  t.same([report.signature.state, report.counts.failed], ['none', 0])
})

async function verify({ context, order, release }: Scene, fast = false, more: Partial<ReleasePlace> = {}) {
  const place: ReleasePlace = {
    ...order.from,
    name: `${TO}:${release.version}`,
    source: storeSource(context, 'here'),
    repository: TO,
    reference: { kind: 'tag', tag: parseTag(release.version) },
    elsewhere: undefined,
    findSignatures: async (digest) => ({
      signatures: readSignatures(context.store.layout, digest).map(({ bytes }) => ({ bytes, from: 'here' })),
      failures: [],
    }),
    recorded: async (digest) => readRecord(context.store.layout, digest),
    ...more,
  }
  return verifyRelease({ place, style: 'auto', fast, requireSignature: false, clock: order.clock })
}

t.test('a mirrored release is verified whole', async (t) => {
  const scene = await setUp(t)
  await mirrorRelease(scene.order)
  const report = await verify(scene)
  t.same(report.faults, [])
  t.equal(report.ok, true)
  t.same([report.components, report.bytes > 0], [scene.release.components.length, true])
})

t.test('a removed component, a corrupted blob, a lost tag and a lost signature are found and named', async (t) => {
  const scene = await setUp(t)
  await mirrorRelease(scene.order)
  const { layout, tags, manifests } = scene.context.store
  const [etcd, console] = ['etcd', 'hyperkube'].map((name) => scene.release.components.find((c) => c.name === name))
  const digest = parseDigest(etcd?.digest ?? '')
  rmSync(layout.revisionLink(TO, digest))
  const layer = parseDigest(console?.image.blobs.at(1)?.digest ?? '')
  const path = layout.blobData(layer)
  const bytes = readFileSync(path)
  bytes[100] = (bytes[100] ?? 0) ^ 1
  chmodSync(path, 0o644)
  writeFileSync(path, bytes)
  await tags.remove(TO, parseTag('4.4.10-cli'))
  rmSync(layout.signature(parseDigest(scene.release.digest), 1))
  t.equal(manifests.resolve(TO, digest), undefined)
  const report = await verify(scene)
  t.equal(report.ok, false)
  const kinds = report.faults.map(({ kind, component }) => `${kind} ${component ?? '-'}`)
  t.ok(kinds.includes('missing image etcd'), kinds.join(', '))
  t.ok(kinds.includes('missing tag cli'), kinds.join(', '))
  t.ok(kinds.includes('signature -'), kinds.join(', '))
  t.ok(
    kinds.some((kind) => /^(?:missing|wrong) (?:blob|image) hyperkube$/.test(kind)),
    kinds.join(', '),
  )
})

t.test('a lost signature of sigstore is named, of a component and of the release itself', async (t) => {
  const scene = await setUp(t, { sigstore: 'all' })
  const { release, order, context } = scene
  await mirrorRelease(order)
  const digests = new Set([release.digest, ...release.components.map(({ digest }) => digest)])
  const whole = await verify(scene)
  t.same([whole.faults, whole.recorded, whole.referrers], [[], true, digests.size])
  const etcd = release.components.find(({ name }) => name === 'etcd')?.digest ?? ''
  const { tags, layout } = context.store
  for (const digest of [etcd, release.digest]) await tags.remove(TO, parseTag(`${digest.replace(':', '-')}.sig`))
  for (const fast of [true, false]) {
    const { faults, ok } = await verify(scene, fast)
    t.equal(ok, false)
    t.match(faults, [
      { kind: 'missing signature', digest: release.digest, what: /^sha256-[0-9a-f]{64}\.sig, .* is not here$/ },
      { kind: 'missing signature', component: 'etcd', digest: etcd },
    ])
    t.equal(faults.length, 2)
  }
  t.equal((await mirrorRelease(order)).counts.failed, 0)
  t.same((await verify(scene)).faults, [], 'mirrored again it is whole')
  const [layer] = release.placed.find(({ tags: [tag] }) => tag === `${etcd.replace(':', '-')}.sig`)?.image.blobs ?? []
  rmSync(layout.blobData(parseDigest(layer?.digest ?? '')))
  const half = (await verify(scene)).faults
  t.match(half, [{ kind: /^missing (?:blob|signature)$/, component: 'etcd' }], 'half a signature is none')
})

t.test('what refers to an image and cannot be read is named, and keeps nothing else from being told', async (t) => {
  const scene = await setUp(t, { sigstore: 'all' })
  await mirrorRelease(scene.order)
  const source = storeSource(scene.context, 'here')
  const etcd = scene.release.components.find(({ name }) => name === 'etcd')?.digest ?? ''
  const tag = `${etcd.replace(':', '-')}.sig`
  const torn = new UnreadableTree('the manifest is empty')
  const readManifest: typeof source.readManifest = async (repository, reference, options) => {
    if (reference.kind === 'tag' && reference.tag === tag) throw torn
    return source.readManifest(repository, reference, options)
  }
  const { faults } = await verify(scene, false, { source: { ...source, readManifest } })
  t.ok(faults.some(({ kind, component }) => kind === 'missing signature' && component === 'etcd'))
  t.same([...new Set(faults.map(({ component }) => component))], ['etcd'])
  const closed = async (): Promise<never> => {
    throw new UpstreamError('refused', 'it does not list what refers to images', { status: 501 })
  }
  const other = await verify(scene, false, {
    source: { ...source, listReferrers: closed },
    recorded: async () => undefined,
  })
  t.same([other.faults, other.ok], [[], true], 'a registry that lists no referrers')
})

t.test('what bundles brought for other images is no record of this release', async (t) => {
  const scene = await setUp(t)
  await mirrorRelease(scene.order)
  const of = parseDigest(`sha256:${'a'.repeat(64)}`)
  const referrers = [{ repository: TO, subject: of, tag: parseTag(`sha256-${'a'.repeat(64)}.sig`), digest: of }]
  const report = await verify(scene, true, { recorded: async () => ({ places: [], referrers }) })
  t.same([report.recorded, report.faults], [false, []])
})

t.test('the bytes of a signature of sigstore are hashed as those of images are', async (t) => {
  const scene = await setUp(t, { sigstore: 'all' })
  await mirrorRelease(scene.order)
  const etcd = scene.release.components.find(({ name }) => name === 'etcd')?.digest ?? ''
  const signature = scene.release.placed.find(({ tags: [tag] }) => tag === `${etcd.replace(':', '-')}.sig`)
  const spoiled = signature?.image.blobs[0]?.digest
  const source = storeSource(scene.context, 'here')
  const { faults } = await verify(scene, false, {
    source: {
      ...source,
      openBlob: async (repository, blob, options) =>
        blob.digest === spoiled ? Readable.from([Buffer.from('x')]) : source.openBlob(repository, blob, options),
    },
  })
  t.match(faults, [{ kind: 'wrong blob', component: 'etcd', digest: spoiled }])
  t.equal(faults.length, 1)
})

t.test(
  'a release that came without signatures of sigstore lacks none, and neither does one that others pushed',
  async (t) => {
    const old = await setUp(t)
    await mirrorRelease(old.order)
    t.match(await verify(old), { faults: [], recorded: true, referrers: 0 })
    const pushed = await setUp(t, { sigstore: 'all' })
    await mirrorRelease({ ...pushed.order, record: undefined })
    const { tags } = pushed.context.store
    await tags.remove(TO, parseTag(`${pushed.release.digest.replace(':', '-')}.sig`))
    t.match(await verify(pushed), { faults: [], recorded: false })
  },
)

t.test('a signature that did not come along is missed later, and one of another repository is not', async (t) => {
  let broken: string | undefined
  const scene = await setUp(t, { sigstore: true }, (digest) => (digest === broken ? Buffer.from('x') : undefined))
  broken = scene.release.placed.find(({ tags }) => tags.some((tag) => tag.endsWith('.sig')))?.image.blobs.at(-1)?.digest
  t.equal((await mirrorRelease(scene.order)).counts.incomplete, 1)
  t.match((await verify(scene)).faults, [{ kind: 'missing signature', digest: scene.release.digest }])
  const other = parseRepositoryName('ocp4/other')
  await mirrorRelease({ ...scene.order, to: other, record: undefined })
  t.same((await verify(scene, false, { repository: other })).faults, [])
})

t.test(
  'a release image beside its components’ repository is verified with them, its first one missing or not',
  async (t) => {
    const scene = await setUp(t)
    const image = parseRepositoryName('releases/ocp')
    await mirrorRelease({ ...scene.order, releaseImage: { repository: image, tag: parseTag('4.4.10') } })
    t.same((await verify(scene, false, { repository: image })).faults, [])
    const [first] = scene.release.components
    const { layout, tags } = scene.context.store
    rmSync(layout.revisionLink(TO, parseDigest(first?.digest ?? '')))
    await tags.remove(TO, parseTag('4.4.10-cli'))
    const { faults } = await verify(scene, false, { repository: image })
    const kinds = faults.map(({ kind, component }) => `${kind} ${component ?? '-'}`)
    t.ok(kinds.includes(`missing image ${first?.name}`), kinds.join(', '))
    t.ok(kinds.includes('missing tag cli'), kinds.join(', '))
    t.ok(
      faults.every(
        ({ component }) => component === first?.name || component === 'cli' || component === 'cli-artifacts',
      ),
    )
  },
)

t.test('a release that oc-mirror laid out over two repositories is verified and mirrored from there', async (t) => {
  const { release, order } = await setUp(t)
  for (const [images, components] of [
    ['om/openshift-release-dev/ocp-release', `om/${release.componentRepository}`],
    ['om/openshift/release-images', 'om/openshift/release'],
  ] as const) {
    const source = sourceOf(
      release.placed.map((each) => ({
        ...each,
        repository: each.repository === release.releaseRepository ? images : components,
      })),
    )
    const place = {
      ...order.from,
      source,
      repository: parseRepositoryName(images),
      origin: undefined,
      elsewhere: undefined,
    }
    const ask = { place, style: 'auto', fast: false, requireSignature: true, clock: order.clock } as const
    t.same((await verifyRelease(ask)).faults, [])
    t.equal((await mirrorRelease({ ...order, from: place })).counts.failed, 0)
  }
})
