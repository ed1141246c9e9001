// Collections against clients, in the one order that hurts. Each scenario says whether what a client was promised was
// kept; and each is run against a registry without that protection, to show that it can fail.
import { existsSync, linkSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { dirname } from 'node:path'
import t from 'tap'
import { digestOf } from '../../src/oci/digest.ts'
import { parseRepositoryName } from '../../src/oci/name.ts'
import { parseTag } from '../../src/oci/reference.ts'
import { pullBlob, statBlob } from '../../src/registry/pull-blob.ts'
import { notePull, promiseManifest, pullManifest } from '../../src/registry/pull-manifest.ts'
import { mountBlob } from '../../src/registry/push-blob.ts'
import { pushManifest } from '../../src/registry/push-manifest.ts'
import type { LeaseTable } from '../../src/storage/leases.ts'
import { Leases } from '../../src/storage/leases.ts'
import type { StoreOptions } from '../../src/storage/store.ts'
import type { Sync, SyncSite } from '../../src/storage/sync.ts'
import { realSync } from '../../src/storage/sync.ts'
import { listFiles, makeCollector, standStill, surveyThen } from '../helpers/collect.ts'
import { imageOf, partOf, plantBlob, plantFile, plantManifest } from '../helpers/plant.ts'
import type { TestStore } from '../helpers/store.ts'
import { A, B, makeContext, makeStore } from '../helpers/store.ts'

const CONFIG = Buffer.from('{"os":"linux"}')
const LAYER = Buffer.from('a layer')
const IMAGE = imageOf(partOf(CONFIG), [partOf(LAYER)])
const C = parseRepositoryName('elsewhere')
const [V1, V2] = [parseTag('v1'), parseTag('v2')]
const RUN = { dryRun: false }
const WISHES = { knowsDockerLists: true }

/** Leases of an hour, some of whose methods do nothing. */
function without(changes: Partial<LeaseTable>): LeaseTable {
  const real = new Leases(3_600_000)
  return {
    duration: real.duration,
    lease: (digest) => real.lease(digest),
    hold: (keys) => real.hold(keys),
    beginCollection: () => real.beginCollection(),
    endCollection: () => real.endCollection(),
    isFree: (key) => real.isFree(key),
    promised: () => real.promised(),
    ...changes,
  }
}

const NO_LEASE = { leases: without({ lease: () => undefined }) }
const NO_RECHECK = { leases: without({ isFree: () => true, promised: () => [] }) }
const NO_LIST = { leases: without({ promised: () => [] }) }
const NO_HOLD = { leases: without({ hold: () => () => undefined }) }
const NO_RESTORE = { restores: false }

/** Leases that keep a thing only until they were asked for it once. */
function forgetful(): Partial<StoreOptions> {
  const asked = new Set<string>()
  return { leases: without({ isFree: (key) => asked.has(key) || !asked.add(key) }) }
}

/** A gate in one fsync: `reached` when somebody stands there, `open` lets all through. */
function holdSync(site: SyncSite): { sync: Sync; close(): void; readonly reached: Promise<void>; open(): void } {
  const gate = Promise.withResolvers<void>()
  const reached = Promise.withResolvers<void>()
  let closed = false
  const wait = async (at: SyncSite): Promise<void> => {
    if (at !== site || !closed) return
    reached.resolve()
    await gate.promise
  }
  return {
    sync: {
      async file(at, handle) {
        await wait(at)
        await realSync.file(at, handle)
      },
      async directory(at, path) {
        await realSync.directory(at, path)
      },
    },
    close: () => void (closed = true),
    reached: reached.promise,
    open: () => gate.resolve(),
  }
}

const push = (store: TestStore, reference: Parameters<typeof pushManifest>[1]['reference']) =>
  pushManifest(makeContext(store), { name: A, reference, tags: [], bytes: IMAGE, contentType: undefined })
const byDigest = { kind: 'digest', digest: digestOf(IMAGE) } as const

/** Whether the image can be pulled whole, with nothing given back from the trash. */
async function isPullable(store: TestStore): Promise<boolean> {
  try {
    await pullManifest(makeContext(store), A, byDigest, WISHES)
    for (const bytes of [CONFIG, LAYER]) await (await pullBlob(makeContext(store), A, digestOf(bytes), false)).close()
    return [CONFIG, LAYER, IMAGE].every((bytes) => existsSync(store.layout.blobData(digestOf(bytes))))
  } catch {
    return false
  }
}

type Scenario = (directory: string, options: Partial<StoreOptions>) => Promise<boolean>

function check(what: string, scenario: Scenario, mutants: Record<string, Partial<StoreOptions>> = {}): void {
  t.test(what, async (t) => {
    t.equal(await scenario(t.testdir({}), { lease: 3_600_000 }), true)
    for (const [mutant, options] of Object.entries(mutants)) {
      await t.test(`and not ${mutant}`, async (t) => {
        t.equal(await scenario(t.testdir({}), options).catch(() => false), false)
      })
    }
  })
}

check(
  'a manifest whose push stands between the check of its blobs and its link is whole afterwards',
  async (directory, options) => {
    const gate = holdSync('blob file')
    const store = makeStore(directory, gate.sync, options)
    for (const bytes of [CONFIG, LAYER]) plantBlob(store, A, bytes)
    gate.close()
    const pushed = push(store, byDigest)
    await gate.reached
    const atLinks = Promise.withResolvers<void>()
    const collected = makeCollector(store).run(RUN, ({ phase }) => phase === 'collecting links' && atLinks.resolve())
    // The collection has seen the repository without the manifest and waits for the push to let go of it.
    await atLinks.promise
    gate.open()
    await Promise.all([pushed, collected])
    return isPullable(store)
  },
  // Without holds at all the new revision is one that nobody knows, and the repository is left.
  { 'without asking for each link': forgetful() },
)

check(
  'a blob whose push stands between its bytes and its link survives whole collections',
  async (directory, options) => {
    const gate = holdSync('link file')
    const store = makeStore(directory, gate.sync, options)
    const context = makeContext(store)
    plantBlob(store, B, LAYER)
    const digest = digestOf(LAYER)
    gate.close()
    const mounted = mountBlob(context, A, digest, B)
    await gate.reached
    // Deleted where it came from: now only the mount under way names it.
    await store.links.remove(B, digest)
    const collector = makeCollector(store)
    await collector.run(RUN)
    await collector.run(RUN)
    gate.open()
    return (await mounted) && existsSync(store.layout.blobData(digest))
  },
  { 'without holds': NO_HOLD, 'without asking again': NO_RECHECK },
)

check(
  'a blob of which HEAD said that it exists can be named in a manifest after any number of collections',
  async (directory, options) => {
    const store = makeStore(directory, undefined, options)
    for (const bytes of [CONFIG, LAYER]) {
      plantBlob(store, A, bytes)
      await statBlob(makeContext(store), A, digestOf(bytes))
    }
    const collector = makeCollector(store)
    await collector.run(RUN)
    await collector.run(RUN)
    return push(store, byDigest).then(
      () => isPullable(store),
      () => false,
    )
  },
  { 'without leases': NO_LEASE, 'without asking again': NO_RECHECK },
)

check(
  'a blob that was mounted can be named',
  async (directory, options) => {
    const store = makeStore(directory, undefined, options)
    for (const bytes of [CONFIG, LAYER]) {
      plantBlob(store, B, bytes)
      if (!(await mountBlob(makeContext(store), A, digestOf(bytes), B))) return false
    }
    await makeCollector(store).run(RUN)
    return push(store, byDigest).then(
      () => isPullable(store),
      () => false,
    )
  },
  { 'without leases': NO_LEASE },
)

check(
  'a blob of which HEAD said during the survey that it exists stays, though the lease itself is over',
  async (directory, options) => {
    const store = makeStore(directory, undefined, { lease: 0, ...options })
    const digest = plantBlob(store, A, LAYER)
    const head = async (): Promise<unknown> => statBlob(makeContext(store), A, digest)
    await makeCollector(store, {}, { startSurvey: surveyThen(head) }).run(RUN)
    return existsSync(store.layout.blobData(digest)) && existsSync(store.layout.layerLink(A, digest))
  },
  { 'without leases': NO_LEASE, 'without asking again': NO_RECHECK },
)

check(
  'a manifest without a tag that is pushed again during the survey stays, with all that it needs',
  async (directory, options) => {
    const store = makeStore(directory, undefined, options)
    for (const bytes of [CONFIG, LAYER]) plantBlob(store, A, bytes)
    plantManifest(store, A, IMAGE)
    const startSurvey = surveyThen(() => push(store, byDigest))
    const report = await makeCollector(store, {}, { startSurvey }).run({ dryRun: false, untagged: true })
    return report.repositories.left === 1 && isPullable(store)
  },
  { 'without asking again': NO_RECHECK },
)

check('a manifest that something unpacked a tag for during the survey stays', async (directory, options) => {
  const store = makeStore(directory, undefined, options)
  for (const bytes of [CONFIG, LAYER]) plantBlob(store, A, bytes)
  const old = plantManifest(store, A, IMAGE)
  const unpack = async (): Promise<unknown> => plantFile(store.layout.tagLink(A, V2), old)
  const collector = makeCollector(store, {}, { startSurvey: surveyThen(unpack) })
  await collector.run({ dryRun: false, untagged: true })
  return isPullable(store)
})

check('a tag that moves to an old manifest during the survey keeps it', async (directory, options) => {
  const store = makeStore(directory, undefined, options)
  for (const bytes of [CONFIG, LAYER]) plantBlob(store, A, bytes)
  const old = plantManifest(store, A, IMAGE)
  plantManifest(store, A, imageOf(partOf(CONFIG)), V1)
  const collector = makeCollector(store, {}, { startSurvey: surveyThen(() => store.tags.set(A, V1, old)) })
  await collector.run({ dryRun: false, untagged: true })
  return isPullable(store)
})

/** Writes the links of the image anew, as a tar does: other files, though they hold the same. */
async function unpackLinks(store: TestStore): Promise<void> {
  // A link that is to go is old; here it must only not be of the same tick of the clock.
  standStill(store.directory)
  for (const bytes of [CONFIG, LAYER]) plantFile(store.layout.layerLink(A, digestOf(bytes)), digestOf(bytes))
}

check('links that a tar wrote anew after the survey stay, and what they lead to', async (directory, options) => {
  const store = makeStore(directory, undefined, options)
  for (const bytes of [CONFIG, LAYER]) plantBlob(store, A, bytes)
  const useless = plantBlob(store, A, Buffer.from('useless'))
  const collector = makeCollector(store, {}, { startSurvey: surveyThen(() => unpackLinks(store)) })
  const report = await collector.run(RUN)
  if (report.links.removed !== 1 || existsSync(store.layout.blobData(useless))) throw new Error('nothing was collected')
  // The tar goes on with the manifest.
  plantManifest(store, A, IMAGE)
  return isPullable(store)
})

check('a revision that a tar wrote anew after the survey stays, with all that it needs', async (directory, options) => {
  const store = makeStore(directory, undefined, options)
  for (const bytes of [CONFIG, LAYER]) plantBlob(store, A, bytes)
  plantManifest(store, A, IMAGE)
  const unpack = async (): Promise<void> => {
    standStill(directory)
    plantFile(store.layout.revisionLink(A, digestOf(IMAGE)), digestOf(IMAGE))
  }
  const report = await makeCollector(store, {}, { startSurvey: surveyThen(unpack) }).run({ ...RUN, untagged: true })
  return report.repositories.left === 1 && isPullable(store)
})

for (const [what, ask] of Object.entries({
  'that nobody asked for': async () => undefined,
  'that somebody asked for': (store: TestStore) =>
    pullManifest(makeContext(store), A, byDigest, WISHES).then(() => store.leases.lease(digestOf(IMAGE))),
})) {
  check(`a revision that came after the survey past the registry, ${what}, is whole`, async (directory, options) => {
    const store = makeStore(directory, undefined, options)
    for (const bytes of [CONFIG, LAYER]) plantBlob(store, A, bytes)
    const bring = async (): Promise<unknown> => (plantManifest(store, A, IMAGE), ask(store))
    const report = await makeCollector(store, {}, { startSurvey: surveyThen(bring) }).run(RUN)
    return report.repositories.left === 1 && isPullable(store)
  })
}

check('a signature whose subject is pushed again during the survey stays', async (directory, options) => {
  const store = makeStore(directory, undefined, options)
  for (const bytes of [CONFIG, LAYER]) plantBlob(store, A, bytes)
  const signature = plantManifest(store, A, imageOf(partOf(CONFIG), [], { subject: partOf(IMAGE) }))
  const startSurvey = surveyThen(() => push(store, byDigest))
  await makeCollector(store, {}, { startSurvey }).run({ dryRun: false, untagged: true })
  return existsSync(store.layout.revisionLink(A, signature)) && isPullable(store)
})

check('pushes during each survey do not keep what nothing needs', async (directory, options) => {
  const store = makeStore(directory, undefined, options)
  const old = plantManifest(store, A, imageOf(partOf(plantedConfig(store))), V1)
  plantFile(store.layout.tagLink(A, parseTag('gone')), old)
  const useless = plantBlob(store, A, Buffer.from('useless'))
  const work = async (): Promise<void> => {
    for (const bytes of [CONFIG, LAYER]) await mountBlob(makeContext(store), A, digestOf(bytes), B)
    await push(store, { kind: 'tag', tag: V2 })
    // Tags that move to what was there, also past the registry, and tags that go.
    plantFile(store.layout.tagLink(A, parseTag('stable')), old)
    await store.tags.remove(A, parseTag('gone'))
  }
  for (const bytes of [CONFIG, LAYER]) plantBlob(store, B, bytes)
  const report = await makeCollector(store, {}, { startSurvey: surveyThen(work) }).run(RUN)
  return report.repositories.left === 0 && !existsSync(store.layout.blobData(useless)) && isPullable(store)
})

function plantedConfig(store: TestStore): Buffer {
  const bytes = Buffer.from('{"os":"plan9"}')
  plantBlob(store, A, bytes)
  return bytes
}

check('a tag that is being written during the sweep keeps the repository as it is', async (directory, options) => {
  const store = makeStore(directory, undefined, options)
  for (const bytes of [CONFIG, LAYER]) plantBlob(store, A, bytes)
  plantManifest(store, A, IMAGE)
  const write = async (): Promise<unknown> => plantFile(store.layout.tagLink(A, V2), '')
  const report = await makeCollector(store, {}, { startSurvey: surveyThen(write) }).run({ ...RUN, untagged: true })
  return report.repositories.left === 1 && isPullable(store)
})

check('one promised layer keeps its own link and blob, and nothing else', async (directory, options) => {
  const store = makeStore(directory, undefined, options)
  const base = plantBlob(store, A, LAYER)
  plantBlob(store, B, LAYER)
  const useless = plantBlob(store, B, CONFIG)
  await statBlob(makeContext(store), A, base)
  const report = await makeCollector(store).run(RUN)
  const { layout } = store
  return (
    report.repositories.left === 0 &&
    report.links.removed === 1 &&
    !existsSync(layout.blobData(useless)) &&
    [layout.blobData(base), layout.layerLink(A, base), layout.layerLink(B, base)].every((path) => existsSync(path))
  )
})

for (const [how, ask] of Object.entries({
  'that HEAD told of': (store: TestStore) => promiseManifest(makeContext(store), A, byDigest, digestOf(IMAGE)),
  'that is being pulled': async (store: TestStore) => notePull(makeContext(store), A, digestOf(IMAGE)),
})) {
  check(
    `a manifest without a tag ${how} stays with what it needs, and the rest of its repository goes`,
    async (directory, options) => {
      const store = makeStore(directory, undefined, options)
      for (const bytes of [CONFIG, LAYER]) plantBlob(store, A, bytes)
      plantManifest(store, A, IMAGE)
      const other = plantManifest(store, A, imageOf(partOf(CONFIG), [], { subject: partOf(LAYER) }))
      await ask(store)
      const report = await makeCollector(store).run({ dryRun: false, untagged: true })
      const isGone = !existsSync(store.layout.revisionLink(A, other)) && !existsSync(store.layout.blobData(other))
      return report.repositories.left === 0 && report.manifests.removed === 1 && isGone && isPullable(store)
    },
    { 'without leases': NO_LEASE, 'without telling the survey': NO_LIST },
  )
}

check('a signature stays while its subject, which is not here, is promised', async (directory, options) => {
  const store = makeStore(directory, undefined, options)
  plantBlob(store, A, CONFIG)
  const signature = plantManifest(store, A, imageOf(partOf(CONFIG), [], { subject: partOf(IMAGE) }))
  const useless = plantBlob(store, A, LAYER)
  store.leases.lease(digestOf(IMAGE))
  const report = await makeCollector(store).run({ dryRun: false, untagged: true })
  const isKept = existsSync(store.layout.revisionLink(A, signature))
  return report.repositories.left === 0 && isKept && !existsSync(store.layout.blobData(useless))
})

check(
  'what a promised link leads to under another name stays with it',
  async (directory, options) => {
    const store = makeStore(directory, undefined, options)
    const alias = digestOf(LAYER, 'sha512')
    const stored = plantBlob(store, B, LAYER)
    plantFile(store.layout.layerLink(A, alias), stored)
    // Whoever held only the name by which a manifest is going to name it.
    const startSurvey = surveyThen(async () => store.leases.lease(alias))
    await makeCollector(store, {}, { startSurvey }).run(RUN)
    return existsSync(store.layout.layerLink(A, alias)) && existsSync(store.layout.blobData(stored))
  },
  { 'without leases': NO_LEASE },
)

check(
  'what a tar brings links for while its bytes lie in the trash is given back to the first reader',
  async (directory, options) => {
    const store = makeStore(directory, undefined, options)
    const digest = plantBlob(store, A, LAYER)
    await makeCollector(store).run(RUN)
    if (existsSync(store.layout.blobData(digest))) throw new Error('it was not collected')
    plantFile(store.layout.layerLink(B, digest), digest)
    return statBlob(makeContext(store), B, digest).then(
      (size) => size === LAYER.length,
      () => false,
    )
  },
  { 'without giving back': NO_RESTORE },
)

check('a download goes on, and its blob stays, whatever was deleted meanwhile', async (directory, options) => {
  const store = makeStore(directory, undefined, options)
  const digest = plantBlob(store, A, LAYER)
  const blob = await pullBlob(makeContext(store), A, digest, false)
  await store.links.remove(A, digest)
  const collector = makeCollector(store)
  await collector.run(RUN)
  await collector.run(RUN)
  const stayed = existsSync(store.layout.blobData(digest))
  await blob.close()
  await collector.run(RUN)
  return stayed && !existsSync(store.layout.blobData(digest))
})

check('the directory above a repository stays while a push is on its way below it', async (directory, options) => {
  const gate = holdSync('link file')
  const store = makeStore(directory, gate.sync, options)
  await store.repositories.ensure(B)
  plantBlob(store, C, LAYER)
  gate.close()
  const pushed = mountBlob(makeContext(store), A, digestOf(LAYER), C)
  await gate.reached
  // Empty, and the only other thing there: team/ itself must wait for the push.
  await rm(store.layout.repository(A), { recursive: true })
  await makeCollector(store).run(RUN)
  const stayed = existsSync(dirname(store.layout.repository(A)))
  gate.open()
  await pushed.catch(() => undefined)
  return stayed && !existsSync(store.layout.repository(B))
})

check('a repository into which a push is on its way is not removed', async (directory, options) => {
  const gate = holdSync('link file')
  const store = makeStore(directory, gate.sync, options)
  await store.repositories.ensure(A)
  gate.close()
  const pushed = pushBlobHeld(store)
  await gate.reached
  const report = await makeCollector(store).run(RUN)
  gate.open()
  await pushed
  return report.repositories.removed === 0 && existsSync(store.layout.layerLink(A, digestOf(LAYER)))
})

async function pushBlobHeld(store: TestStore): Promise<unknown> {
  plantBlob(store, B, LAYER)
  return mountBlob(makeContext(store), A, digestOf(LAYER), B)
}

t.test('what a crash leaves at any step of a collection is ended by the next one', async (t) => {
  const plant = (directory: string): TestStore => {
    const store = makeStore(directory)
    for (const bytes of [CONFIG, LAYER]) plantBlob(store, A, bytes)
    plantManifest(store, A, imageOf(partOf(CONFIG)), V1)
    const old = plantManifest(store, A, IMAGE)
    plantFile(store.layout.tagIndexLink(A, V1, old), old)
    plantBlob(store, B, Buffer.from('of b'))
    plantFile(store.layout.blobTrash(digestOf(Buffer.from('t'))), 't')
    return store
  }
  const whole = plant(t.testdir({ whole: {} }) + '/whole')
  await makeCollector(whole).run({ dryRun: false, untagged: true })
  await makeCollector(whole).run({ dryRun: false, untagged: true })
  const wanted = listFiles(whole.directory)
  let steps = 0
  for (let crashed = true; crashed; steps += 1) {
    const directory = t.testdir({ [`step${steps}`]: {} }) + `/step${steps}`
    const store = plant(directory)
    let left = steps
    // Each question whether writing is allowed comes right before one act.
    const rules = { readOnly: () => (left-- <= 0 ? 'crash' : undefined) }
    crashed = await makeCollector(store, {}, { rules })
      .run({ dryRun: false, untagged: true })
      .then(
        () => false,
        () => true,
      )
    const again = makeCollector(makeStore(directory))
    await again.run({ dryRun: false, untagged: true })
    const last = await again.run({ dryRun: false, untagged: true })
    t.same(listFiles(directory), wanted, `after ${steps} steps`)
    t.same(last.problems, [])
  }
  t.ok(steps > 8, `${steps} steps`)
})

t.test('a blob that a crash left under both names is collected all the same', async (t) => {
  const store = makeStore(t.testdir({}))
  const digest = plantBlob(store, A, LAYER)
  await makeCollector(store).run(RUN)
  linkSync(store.layout.blobTrash(digest), store.layout.blobData(digest))
  const collector = makeCollector(store)
  await collector.run(RUN)
  t.notOk(existsSync(store.layout.blobData(digest)))
  await collector.run(RUN)
  t.notOk(existsSync(store.layout.blob(digest)))
})
