// How long a manifest stays after its last tag left it: by the age of that loss, and not by that of its push.
import { statSync } from 'node:fs'
import t from 'tap'
import type { Digest } from '../../src/oci/digest.ts'
import type { Tag } from '../../src/oci/reference.ts'
import { parseTag } from '../../src/oci/reference.ts'
import type { Context } from '../../src/registry/context.ts'
import { deleteManifest } from '../../src/registry/delete.ts'
import { pushManifest } from '../../src/registry/push-manifest.ts'
import { removeImages } from '../../src/registry/remove-images.ts'
import { applyRetention } from '../../src/registry/retention.ts'
import { noteUntagged } from '../../src/registry/untag.ts'
import { makeCollector, standStill } from '../helpers/collect.ts'
import { imageOf, indexOf, partOf, plantBlob, plantManifest } from '../helpers/plant.ts'
import { policyOf } from '../helpers/retention.ts'
import { A, makeContext, makeStore } from '../helpers/store.ts'

const DAY = 86_400_000
const V1 = parseTag('v1')
const CONFIG = Buffer.from('{}')
const imageNamed = (note: string): Buffer => imageOf(partOf(CONFIG), [], { annotations: { note } })

async function push(context: Context, bytes: Buffer, tag: Tag): Promise<void> {
  const reference = { kind: 'tag', tag } as const
  await pushManifest(context, { name: A, reference, tags: [], bytes, contentType: undefined })
}

const ways: Record<string, (context: Context, digest: Digest) => Promise<unknown>> = {
  'a push that moves the tag': (context) => push(context, imageNamed('new'), V1),
  'a DELETE of the tag': (context) => deleteManifest(context, A, { kind: 'tag', tag: V1 }),
  retention: (context) => {
    const { pins, pulls } = context.store
    const policies = [policyOf([{ tags: 'other' }])]
    return applyRetention(context, { policies, pulls, pins, clock: Date.now }, { dryRun: false })
  },
}

for (const [way, untag] of Object.entries(ways)) {
  t.test(`untaggedAfter begins with ${way}`, async (t) => {
    const directory = t.testdir({})
    const store = makeStore(directory, undefined, { lease: 1 })
    plantBlob(store, A, CONFIG)
    const [tagged, untagged] = [imageNamed('tagged'), imageNamed('untagged')]
    const digest = plantManifest(store, A, tagged, V1)
    const other = plantManifest(store, A, untagged)
    const link = store.layout.revisionLink(A, digest)
    const { mtimeMs } = statSync(link)
    const moment = standStill(directory)
    await untag(makeContext(store), digest)
    t.equal(store.tags.resolve(A, V1) === digest, false)
    t.equal(statSync(link).mtimeMs, mtimeMs, 'people still see when it was pushed')
    // After a restart, so that no lease in memory keeps it; a week after everything but the loss of the tag.
    const later = makeStore(directory, undefined, { lease: 1 })
    const settings = { untaggedAfter: [{ repositories: ['**'], age: 7 * DAY }] }
    const week = makeCollector(later, settings, { clock: () => moment + 7 * DAY })
    t.equal((await week.run({ dryRun: false })).manifests.removed, 1)
    t.equal(later.manifests.resolve(A, other), undefined, 'what had no tag is a week old')
    t.equal(later.manifests.resolve(A, digest), digest)
    const eighth = makeCollector(later, settings, { clock: () => moment + 8 * DAY })
    await eighth.run({ dryRun: false })
    t.equal(later.manifests.resolve(A, digest), undefined)
  })
}

t.test('removing a tag of what stays makes it young too', async (t) => {
  const directory = t.testdir({})
  const store = makeStore(directory, undefined, { lease: 1 })
  plantBlob(store, A, CONFIG)
  const child = imageNamed('child')
  const digest = plantManifest(store, A, child, V1)
  plantManifest(store, A, indexOf([partOf(child)]), parseTag('list'))
  const { ctimeMs } = statSync(store.layout.revisionLink(A, digest))
  standStill(directory)
  t.equal((await removeImages(makeContext(store), ['team/a:v1'], { dryRun: false })).tags, 1)
  t.equal(store.manifests.resolve(A, digest), digest)
  t.ok(statSync(store.layout.revisionLink(A, digest)).ctimeMs > ctimeMs)
})

t.test('a tag that is pushed again where it was touches nothing, nor does a dry run', async (t) => {
  const directory = t.testdir({})
  const store = makeStore(directory, undefined, { lease: 3_600_000 })
  store.turn(DAY)
  plantBlob(store, A, CONFIG)
  const digest = plantManifest(store, A, imageNamed('one'), V1)
  await applyRetention(
    makeContext(store),
    { policies: [policyOf([{ tags: 'other' }])], pulls: store.pulls, pins: store.pins, clock: store.clock },
    { dryRun: true },
  )
  t.ok(store.leases.isFree(digest))
  await deleteManifest(makeContext(store), A, { kind: 'digest', digest })
  t.ok(store.leases.isFree(digest), 'what goes itself is no longer promised')
})

t.test('a loss is leased, and a link that changed within the hour stays as it is', async (t) => {
  const directory = t.testdir({})
  const store = makeStore(directory, undefined, { lease: DAY })
  plantBlob(store, A, CONFIG)
  const digest = plantManifest(store, A, imageNamed('one'))
  const link = store.layout.revisionLink(A, digest)
  const { ctimeMs } = statSync(link)
  standStill(directory)
  await noteUntagged(store, A, digest)
  t.notOk(store.leases.isFree(digest))
  t.equal(statSync(link).ctimeMs, ctimeMs)
  store.turn(3_600_000)
  await noteUntagged(store, A, digest)
  t.ok(statSync(link).ctimeMs > ctimeMs)
})
