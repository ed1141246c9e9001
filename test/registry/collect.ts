import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import t from 'tap'
import type { Digest } from '../../src/oci/digest.ts'
import { digestOf } from '../../src/oci/digest.ts'
import { parseRepositoryName } from '../../src/oci/name.ts'
import { resolveConfig } from '../../src/config/load.ts'
import { parseTag } from '../../src/oci/reference.ts'
import { Closures } from '../../src/registry/closures.ts'
import type { CollectReport, Progress } from '../../src/registry/collect.ts'
import type { StartSurvey } from '../../src/storage/collect/start-survey.ts'
import { startSurvey } from '../../src/storage/collect/start-survey.ts'
import type { SurveyMessage } from '../../src/storage/collect/survey-result.ts'
import { listFiles, makeCollector, surveyThen } from '../helpers/collect.ts'
import { imageOf, indexOf, partOf, plantBlob, plantBytes, plantFile, plantManifest } from '../helpers/plant.ts'
import type { TestStore } from '../helpers/store.ts'
import { A, B, makeStore } from '../helpers/store.ts'

const V1 = parseTag('v1')
const V2 = parseTag('v2')
const CONFIG = Buffer.from('{"os":"linux"}')
const LAYER = Buffer.from('a layer')
const OTHER = Buffer.from('another layer')
const IMAGE = imageOf(partOf(CONFIG), [partOf(LAYER)])
const BY_384 = `sha384/${'0'.repeat(96)}/link`
const PART_384 = { digest: `sha384:${'0'.repeat(96)}` as Digest, size: 7 }
const RUN = { dryRun: false }
const DRY = { dryRun: true }

/** An image with one tag, and what nothing needs: a layer that no manifest names and an orphan. */
function plantUsual(store: TestStore): { image: Digest; useless: Digest; orphan: Digest } {
  for (const bytes of [CONFIG, LAYER]) plantBlob(store, A, bytes)
  const useless = plantBlob(store, A, OTHER)
  const orphan = plantBytes(store, Buffer.from('nobody names me'))
  return { image: plantManifest(store, A, IMAGE, V1), useless, orphan }
}

const isThere = (store: TestStore, digest: Digest): boolean => existsSync(store.layout.blobData(digest))
const isTrashed = (store: TestStore, digest: Digest): boolean => existsSync(store.layout.blobTrash(digest))

t.test('a large directory is read where nobody else wants the processor, a small one at once', async (t) => {
  const store = makeStore(t.testdir({}))
  plantUsual(store)
  const asked: (boolean | undefined)[] = []
  let entries = 0
  const start: StartSurvey = (request, onMessage, signal) => {
    asked.push(request.gentle)
    return startSurvey(request, tellOf(entries, onMessage), signal)
  }
  const collector = makeCollector(store, {}, { serving: true, startSurvey: start })
  for (entries of [0, 6000, 0]) await collector.run(RUN)
  t.same(asked, [true, false, true], 'as the one before found it; nobody knows what the first will find')
  const alone = makeCollector(store, {}, { serving: false, startSurvey: start })
  await alone.run(RUN)
  t.equal(asked.at(-1), false, 'without clients there is nobody to give way to')
})

// A survey that found so many links more.
function tellOf(links: number, onMessage: (message: SurveyMessage) => void): (message: SurveyMessage) => void {
  return (message) => {
    if (message.kind !== 'end') return onMessage(message)
    const { totals } = message
    onMessage({ ...message, totals: { ...totals, links: totals.links + links } })
  }
}

t.test('what nothing needs goes into the trash, and a grace later out of it', async (t) => {
  const store = makeStore(t.testdir({}))
  const { image, useless, orphan } = plantUsual(store)
  const collector = makeCollector(store, { grace: 60_000 })
  const first = await collector.run(RUN)
  for (const digest of [useless, orphan]) {
    t.notOk(isThere(store, digest))
    t.ok(isTrashed(store, digest))
  }
  t.notOk(existsSync(dirname(store.layout.layerLink(A, useless))), 'the link is gone with its directory')
  for (const bytes of [CONFIG, LAYER, IMAGE]) t.ok(isThere(store, digestOf(bytes)))
  t.equal(store.tags.resolve(A, V1), image)
  t.match(first, {
    repositories: { seen: 1, removed: 0, left: 0 },
    manifests: { seen: 1, removed: 0 },
    links: { seen: 3, removed: 1 },
    blobs: { seen: 5, kept: 3, trashed: 2, restored: 0, deleted: 0 },
    trash: { blobs: 2 },
    problems: [],
    complete: true,
  })
  const second = await collector.run(RUN)
  t.match(second.blobs, { seen: 3, kept: 3, trashed: 0, deleted: 0 }, 'the grace is not over')
  store.turn(60_000)
  const third = await collector.run(RUN)
  t.match(third.blobs, { deleted: 2, deletedBytes: first.blobs.trashedBytes })
  t.same(third.trash, { blobs: 0, bytes: 0 })
  for (const digest of [useless, orphan]) t.notOk(existsSync(store.layout.blob(digest)))
})

t.test('it says what went by name, and in a dry run what would', async (t) => {
  const store = makeStore(t.testdir({}))
  const { useless, orphan } = plantUsual(store)
  const loose = plantManifest(store, B, indexOf([]))
  await store.mirrored.markManifest(B, loose, 'quay.io')
  const collector = makeCollector(store, { untagged: true })
  const dry = await collector.run(DRY)
  t.ok(store.mirrored.manifest(B, loose))
  const { removed } = await collector.run(RUN)
  t.notOk(store.mirrored.manifest(B, loose), 'the mark of the mirror goes along')
  t.same(removed.manifests, [`${B}@${loose}`])
  t.same(removed.repositories, [B])
  t.same(removed.blobs.toSorted(), [useless, orphan, loose].toSorted())
  t.same(dry.removed, removed)
  t.same(collector.last?.removed, { repositories: [], manifests: [], blobs: [] }, 'what is kept has no names')
})

t.test('what nothing needs and is too young to go is counted, with the time when it may', async (t) => {
  const store = makeStore(t.testdir({}))
  const { useless, orphan } = plantUsual(store)
  const collector = makeCollector(store)
  const hour = 3_600_000
  const { waiting, blobs } = await collector.run({ dryRun: true, olderThan: hour })
  t.equal(blobs.trashed, 0)
  t.match(waiting, { blobs: 2, bytes: OTHER.length + 'nobody names me'.length })
  const until = Date.parse(waiting.until ?? '')
  t.ok(until > Date.now() && until <= store.clock() + hour, `${waiting.until}`)
  t.same((await collector.run(DRY)).waiting, { blobs: 0, bytes: 0 }, 'nothing waits for no time')
  store.leases.lease(useless)
  const promised = await collector.run(RUN)
  t.match(promised.waiting, { blobs: 1 }, 'what was promised waits too')
  t.notOk(isThere(store, orphan))
})

t.test('nothing younger than a lease goes, and nothing younger than asked for', async (t) => {
  const store = makeStore(t.testdir({}))
  plantUsual(store)
  const before = listFiles(store.directory)
  await makeCollector(store, { lease: 60_000 }).run(RUN)
  await makeCollector(store, { lease: 60_000 }).run({ dryRun: false, olderThan: 0 })
  await makeCollector(store).run({ dryRun: false, olderThan: 60_000 })
  t.same(listFiles(store.directory), before)
  const alone = makeCollector(store, { lease: 60_000 }, { serving: false })
  t.equal((await alone.run({ dryRun: false, olderThan: 0 })).blobs.trashed, 2, 'without clients no lease must be kept')
})

t.test('what seems to come from the future is new', async (t) => {
  const store = makeStore(t.testdir({}))
  plantUsual(store)
  store.turn(-3_600_000)
  t.equal((await makeCollector(store, { lease: 1 }).run(RUN)).blobs.trashed, 0)
})

t.test('manifests without a tag stay until a policy says otherwise, and go with what only they need', async (t) => {
  const store = makeStore(t.testdir({}))
  const { image } = plantUsual(store)
  const old = imageOf(partOf(CONFIG), [partOf(OTHER)])
  const untagged = plantManifest(store, A, old)
  plantFile(store.layout.tagIndexLink(A, V1, untagged), untagged)
  plantFile(store.layout.tagIndexLink(A, V1, image), image)
  await makeCollector(store).run(RUN)
  t.ok(isThere(store, untagged))
  t.ok(isThere(store, digestOf(OTHER)))
  const report = await makeCollector(store).run({ dryRun: false, untagged: true })
  t.same(report.manifests, { seen: 2, removed: 1 })
  t.equal(report.untagged, true)
  t.same(report.links, { seen: 5, removed: 2 }, 'its layer, and its entry in the history of the tag')
  for (const digest of [untagged, digestOf(OTHER)]) t.ok(isTrashed(store, digest))
  t.equal(store.manifests.resolve(A, untagged), undefined)
  t.notOk(existsSync(store.layout.tagIndexLink(A, V1, untagged)))
  t.ok(existsSync(store.layout.tagIndexLink(A, V1, image)))
})

t.test('the first policy that matches a repository says how old its untagged manifests may become', async (t) => {
  const store = makeStore(t.testdir({}))
  for (const name of [A, B]) {
    plantBlob(store, name, CONFIG)
    plantManifest(store, name, imageOf(partOf(CONFIG), [], { annotations: { name } }))
  }
  const rule = (glob: string, age: number) => ({ repositories: [glob], age })
  const removed = async (...untaggedAfter: ReturnType<typeof rule>[]): Promise<number> =>
    (await makeCollector(store, { untaggedAfter }).run(DRY)).manifests.removed
  t.equal(await removed(rule('team/**', 60_000)), 0)
  t.equal(await removed(rule('team/**', 1000)), 2)
  t.equal(await removed(rule('team/b', Infinity), rule('**', 1000)), 1)
  t.equal(await removed(rule('*', 0)), 0, 'one star is one part of a name')
})

t.test('an index keeps its children, a subject its referrers, and not the other way round', async (t) => {
  const store = makeStore(t.testdir({}))
  plantUsual(store)
  const child = imageOf(partOf(CONFIG), [partOf(OTHER)])
  const inner = indexOf([partOf(child)])
  const sbom = plantBlob(store, A, Buffer.from('sbom'))
  const referrer = imageOf(partOf(CONFIG), [partOf(Buffer.from('sbom'))], { subject: partOf(child) })
  const lost = imageOf(partOf(CONFIG), [], { subject: partOf(Buffer.from('nowhere')) })
  for (const bytes of [child, inner, referrer]) plantManifest(store, A, bytes)
  const stray = plantManifest(store, A, lost)
  const top = plantManifest(store, A, indexOf([partOf(inner), partOf(Buffer.from('not held'))]), V2)
  const report = await makeCollector(store).run({ dryRun: false, untagged: true })
  t.same(report.manifests, { seen: 6, removed: 1 })
  t.notOk(isThere(store, stray))
  for (const digest of [top, ...[child, inner, referrer, OTHER].map((bytes) => digestOf(bytes)), sbom]) {
    t.ok(isThere(store, digest), digest)
  }
  rmSync(store.layout.tag(A, V2), { recursive: true })
  t.same((await makeCollector(store).run({ dryRun: false, untagged: true })).manifests, { seen: 5, removed: 4 })
})

t.test('what a manifest names by sha512 is found through the link that says where it lies', async (t) => {
  const store = makeStore(t.testdir({}))
  const [alias, native, lost] = ['alias', 'native', 'lost'].map((text) => Buffer.from(text))
  if (!alias || !native || !lost) throw new Error('three')
  const by512 = (bytes: Buffer) => ({ digest: digestOf(bytes, 'sha512'), size: bytes.length })
  const stored = plantBytes(store, alias)
  plantFile(store.layout.layerLink(A, by512(alias).digest), stored)
  plantFile(store.layout.layerLink(A, stored), stored)
  plantBytes(store, native, by512(native).digest)
  plantFile(store.layout.layerLink(A, by512(native).digest), by512(native).digest)
  plantBytes(store, alias, by512(alias).digest)
  const unlinked = plantBytes(store, lost)
  plantManifest(store, A, imageOf(partOf(lost), [by512(alias), by512(native)]), V1)
  const report = await makeCollector(store).run(RUN)
  t.ok(isThere(store, stored))
  t.ok(isThere(store, by512(native).digest))
  t.ok(isThere(store, unlinked), 'named without a link')
  t.ok(isTrashed(store, by512(alias).digest), 'the link leads elsewhere')
  t.equal(report.links.removed, 0, 'both names of the bytes stay')
})

t.test('a pin keeps a manifest with all that it needs, and blobs', async (t) => {
  const store = makeStore(t.testdir({}))
  const { image, orphan } = plantUsual(store)
  rmSync(store.layout.tag(A, V1), { recursive: true })
  const pin = (text: string): string => plantFile(join(store.layout.pins, 'mine.json'), text)
  pin(JSON.stringify({ reason: 'mine', images: [`${A}@${image}`], blobs: [orphan] }))
  const report = await makeCollector(store).run({ dryRun: false, untagged: true })
  t.equal(report.manifests.removed, 0)
  for (const digest of [image, orphan, digestOf(LAYER), digestOf(CONFIG)]) t.ok(isThere(store, digest))
  t.ok(isTrashed(store, digestOf(OTHER)))
})

t.test('with a pin that cannot be read nothing is taken at all', async (t) => {
  const store = makeStore(t.testdir({}))
  plantUsual(store)
  plantManifest(store, A, imageOf(partOf(CONFIG)))
  plantFile(join(store.layout.pins, 'mine.json'), '{"images": ["team/a:')
  const before = listFiles(store.directory)
  const report = await makeCollector(store).run({ dryRun: false, untagged: true })
  t.same(listFiles(store.directory), before)
  t.equal(report.complete, false)
  t.match(report.problems, [{ path: '.tarn/state/pins/mine.json' }])
})

t.test('a repository with something broken keeps all that it names; others do not', async (t) => {
  const missing = digestOf(Buffer.from('missing'))
  const breaks: Record<string, (store: TestStore, image: Digest) => unknown> = {
    'a manifest that is missing': (store, image) => rmSync(store.layout.blobData(image)),
    'a manifest cut short': (store, image) => writeFileSync(store.layout.blobData(image), IMAGE.subarray(0, 20)),
    'a manifest of other bytes': (store, image) => writeFileSync(store.layout.blobData(image), imageOf(partOf(OTHER))),
    'a manifest that is none': (store) => plantManifest(store, A, Buffer.from('{"schemaVersion":3}')),
    'an empty revision link': (store, image) => writeFileSync(store.layout.revisionLink(A, image), ''),
    'a revision link with a newline': (store, image) =>
      writeFileSync(store.layout.revisionLink(A, image), `${image}\n`),
    'an empty tag link': (store) => writeFileSync(store.layout.tagLink(A, V1), ''),
    'a revision of which the manifest never came': (store) => plantFile(store.layout.revisionLink(A, missing), missing),
    'an empty sha512 link': (store) => plantFile(store.layout.layerLink(A, digestOf(LAYER, 'sha512')), ''),
    'a tag to broken bytes without a link': (store) => {
      plantFile(store.layout.tagLink(A, V2), missing)
      plantBytes(store, Buffer.from('wrong'), missing)
    },
    'a link by an algorithm that Tarn does not know': (store) => plantFile(join(store.layout.layers(A), BY_384), ''),
    'a revision by such a one': (store) => plantFile(join(store.layout.revisions(A), BY_384), ''),
    'a manifest that names a config so': (store) => plantManifest(store, A, imageOf(PART_384)),
    'a manifest that names a layer so': (store) => plantManifest(store, A, imageOf(partOf(CONFIG), [PART_384])),
    'a manifest that names a child so': (store) => plantManifest(store, A, indexOf([PART_384, partOf(IMAGE)])),
    'a manifest that names a subject so': (store) =>
      plantManifest(store, A, imageOf(partOf(CONFIG), [], { subject: PART_384 })),
  }
  for (const [what, hurt] of Object.entries(breaks)) {
    await t.test(what, async (t) => {
      const store = makeStore(t.testdir({}))
      const { image, useless, orphan } = plantUsual(store)
      plantManifest(store, A, imageOf(partOf(CONFIG), [], { annotations: { note: 'untagged' } }))
      plantBlob(store, B, Buffer.from('of b'))
      hurt(store, image)
      const wasHere = listFiles(store.layout.repository(A))
      const report = await makeCollector(store).run({ dryRun: false, untagged: true })
      t.same(listFiles(store.layout.repository(A)), wasHere)
      t.ok(isThere(store, useless), 'it may be what the broken thing needs')
      t.ok(isTrashed(store, orphan))
      t.ok(isTrashed(store, digestOf(Buffer.from('of b'))))
      t.equal(report.complete, true)
      t.equal(report.manifests.removed, 0)
      const told = report.problems.map(({ path }) => path)
      t.ok(told.includes('docker/registry/v2/repositories/team/a'), told.join())
      t.equal(told.length, 2, told.join())
    })
  }
})

t.test('what a link by an unknown algorithm holds stays; an empty directory of one stops nothing', async (t) => {
  const store = makeStore(t.testdir({}))
  const { useless, orphan } = plantUsual(store)
  plantFile(join(store.layout.layers(B), BY_384), orphan)
  mkdirSync(join(store.layout.layers(A), 'sha384'))
  const report = await makeCollector(store).run(RUN)
  t.ok(isThere(store, orphan))
  t.ok(isTrashed(store, useless))
  t.equal(report.complete, true)
  t.match(report.problems, [{ what: /does not belong/ }, { path: /team\/b\/_layers\/sha384$/ }, { path: /team\/b$/ }])
})

t.test('what is torn and leaves no doubt stops nothing, and is told', async (t) => {
  const store = makeStore(t.testdir({}))
  const { useless } = plantUsual(store)
  writeFileSync(store.layout.layerLink(A, useless), '')
  writeFileSync(store.layout.layerLink(A, digestOf(LAYER)), '')
  const gone = digestOf(Buffer.from('expired'))
  plantFile(store.layout.tagLink(A, V2), gone)
  const report = await makeCollector(store).run(RUN)
  t.ok(isTrashed(store, useless))
  t.ok(isThere(store, digestOf(LAYER)), 'the path says what the link held')
  t.equal(report.problems.length, 3)
  t.match(report.problems.at(-1), { path: /tags\/v2\/current\/link$/, what: /not here/ })
})

t.test('a link that leads to another digest keeps both', async (t) => {
  const store = makeStore(t.testdir({}))
  const { orphan } = plantUsual(store)
  writeFileSync(store.layout.layerLink(A, digestOf(LAYER)), orphan)
  const report = await makeCollector(store).run(RUN)
  for (const digest of [orphan, digestOf(LAYER)]) t.ok(isThere(store, digest))
  t.match(report.problems, [{ what: /leads to/ }])
})

t.test('no blob is taken while something could not be read that may name any', async (t) => {
  const hides: Record<string, (store: TestStore) => unknown> = {
    'a repository on a disk that is not mounted': ({ layout }) =>
      symlinkSync('/nonexistent/disk', join(layout.repositories, 'far')),
    'layers on a disk that is not mounted': ({ layout }) => {
      rmSync(layout.layers(A), { recursive: true })
      symlinkSync('/nonexistent/disk', layout.layers(A))
    },
    'a link that is no file': ({ layout }) => mkdirSync(layout.revisionLink(A, digestOf(OTHER)), { recursive: true }),
    'a tag that is no file': ({ layout }) => mkdirSync(layout.tagLink(A, V2), { recursive: true }),
    'the repositories moved away': ({ layout, directory }) => renameSync(layout.repositories, join(directory, 'away')),
  }
  for (const [what, hide] of Object.entries(hides)) {
    await t.test(what, async (t) => {
      const store = makeStore(t.testdir({}))
      plantUsual(store)
      const trashed = plantFile(store.layout.blobTrash(digestOf(Buffer.from('t'))), 't')
      hide(store)
      const before = listFiles(store.layout.blobs)
      const report = await makeCollector(store).run(RUN)
      t.same(listFiles(store.layout.blobs), before)
      t.ok(existsSync(trashed))
      t.equal(report.complete, false)
      t.not(report.problems.length, 0)
    })
  }
})

t.test('strays of all kinds are told and left where they are', async (t) => {
  const store = makeStore(t.testdir({}))
  plantUsual(store)
  const { layout } = store
  const strays = [
    join(layout.repositories, 'README'),
    join(layout.repositories, '_ours/file'),
    join(layout.blobs, 'md5/aa/aabb/data'),
    join(layout.blobs, 'sha256/zz/data'),
    join(layout.blobs, 'sha256/aa/notadigest/data'),
    join(layout.tags(A), 'a plain file'),
    join(layout.tags(A), '.hidden/current/link'),
    join(layout.layers(A), '@eaDir/notes'),
    join(layout.layers(A), 'md5'),
    join(layout.tagIndex(A, V1), 'md5/aabb/link'),
    join(layout.layers(A), 'sha256/aabb/link'),
    join(layout.layers(A), `sha256/${'0'.repeat(64)}/link.123.tmp`),
    join(layout.uploads(A), 'no-uuid/data'),
  ]
  for (const path of strays) plantFile(path, 'stray')
  const report = await makeCollector(store).run(RUN)
  for (const path of strays) t.ok(existsSync(path), path)
  t.equal(report.problems.length, strays.length)
  t.equal(report.complete, true)
  t.equal(report.blobs.trashed, 2, 'and nothing else is disturbed')
})

t.test(
  'what deletions left is cleared away: directories of links, dead tags, blobs, emptied repositories',
  async (t) => {
    const store = makeStore(t.testdir({}))
    plantUsual(store)
    const { layout } = store
    const nothing = digestOf(Buffer.from('nothing'))
    const deep = parseRepositoryName('deep/er/one')
    const empty = [
      dirname(layout.layerLink(A, nothing)),
      dirname(layout.revisionLink(A, nothing)),
      dirname(layout.tagIndexLink(A, V1, nothing)),
      dirname(layout.tagLink(A, V2)),
      layout.blob(nothing),
      layout.tags(deep),
      dirname(layout.layerLink(deep, nothing)),
      join(layout.repositories, 'left/over'),
    ]
    for (const path of empty) mkdirSync(path, { recursive: true })
    plantBlob(store, B, Buffer.from('of b'))
    const dead = plantFile(layout.tagIndexLink(A, V2, nothing), nothing)
    const report = await makeCollector(store).run(RUN)
    for (const path of [...empty, dead, layout.tag(A, V2), layout.repository(B)]) t.notOk(existsSync(path), path)
    t.notOk(existsSync(join(layout.repositories, 'deep')))
    t.notOk(existsSync(join(layout.repositories, 'left')))
    t.ok(existsSync(layout.repository(A)))
    t.same(report.repositories, { seen: 3, removed: 2, left: 0 })
    t.same(report.problems, [])
  },
)

t.test('many empty directories are removed in steps between which others work', async (t) => {
  const store = makeStore(t.testdir({}))
  plantUsual(store)
  const of = (count: number): string => dirname(store.layout.layerLink(A, digestOf(Buffer.from(`${count}`))))
  for (let count = 0; count < 2000; count += 1) mkdirSync(of(count))
  let turns = 0
  let phase = ''
  const others = (): void => {
    if (phase === 'collecting links') turns += 1
    if (phase !== 'over') setImmediate(others)
  }
  others()
  await makeCollector(store).run(RUN, (progress) => (phase = progress.phase))
  phase = 'over'
  t.notOk(existsSync(of(0)) || existsSync(of(1999)))
  t.ok(turns >= 5, `${turns} turns`)
})

t.test('with the usual grace a collection at each night deletes what the night before took', async (t) => {
  const store = makeStore(t.testdir({}))
  const { useless } = plantUsual(store)
  const { grace } = resolveConfig({}).gc
  const first = store.clock()
  const collectAt = (now: number) => makeCollector(store, { grace }, { clock: () => now }).run(RUN)
  t.equal((await collectAt(first)).blobs.trashed, 2)
  t.ok(isTrashed(store, useless))
  // The clock of the store is ahead of the ctimes: a run begins so much less than a day after what the last one took.
  t.equal((await collectAt(first + 86_400_000 - 20_000)).blobs.deleted, 2)
})

t.test('a repository with an upload, a stray file or young directories is not removed', async (t) => {
  const store = makeStore(t.testdir({}))
  const { layout } = store
  await store.uploads.begin(A, undefined, 'sha256')
  plantFile(join(layout.layers(B), 'notes'), 'mine')
  await makeCollector(store).run(RUN)
  t.ok(existsSync(layout.uploads(A)))
  t.ok(existsSync(join(layout.layers(B), 'notes')))
  await store.repositories.ensure(parseRepositoryName('new'))
  await makeCollector(store, { lease: 60_000 }).run(RUN)
  t.ok(existsSync(layout.layers(parseRepositoryName('new'))))
})

t.test(
  'what lies in the trash and is needed after all is given back; an old copy of what is here is deleted',
  async (t) => {
    const store = makeStore(t.testdir({}))
    const { image } = plantUsual(store)
    renameSync(store.layout.blobData(image), store.layout.blobTrash(image))
    plantFile(store.layout.blobTrash(digestOf(LAYER)), 'of yesterday')
    const report = await makeCollector(store, { grace: 5000 }).run(RUN)
    t.ok(isThere(store, image))
    t.same(readFileSync(store.layout.blobData(digestOf(LAYER))), LAYER)
    t.notOk(isTrashed(store, digestOf(LAYER)))
    t.match(report.blobs, { restored: 1, deleted: 1 })
  },
)

t.test('a dry run says what the run then does, and changes nothing', async (t) => {
  const store = makeStore(t.testdir({}))
  const { image } = plantUsual(store)
  plantManifest(store, A, imageOf(partOf(CONFIG), [partOf(OTHER)]))
  plantBlob(store, B, Buffer.from('of b'))
  renameSync(store.layout.blobData(image), store.layout.blobTrash(image))
  plantFile(store.layout.blobTrash(digestOf(Buffer.from('t'))), 't')
  const before = listFiles(store.directory)
  const collector = makeCollector(store)
  const numbers = (report: CollectReport): CollectReport => ({ ...report, startedAt: '', seconds: 0, dryRun: false })
  const dry = await collector.run({ dryRun: true, untagged: true })
  t.same(listFiles(store.directory), before)
  t.equal(collector.last, undefined, 'it is no collection')
  t.same(numbers(await collector.run({ dryRun: false, untagged: true })), numbers(dry))
  t.equal(dry.dryRun, true)
})

t.test('collections run one at a time, and the last report outlives the process', async (t) => {
  const store = makeStore(t.testdir({}))
  plantUsual(store)
  const collector = makeCollector(store)
  const runs = [collector.run(RUN), collector.run(RUN)]
  t.equal(collector.running, true)
  const [first, second] = await Promise.all(runs)
  t.equal(collector.running, false)
  t.equal(first?.blobs.trashed, 2)
  t.equal(second?.blobs.deleted, 2, 'the second found what the first had done')
  t.same(collector.last, second)
  t.same(makeCollector(store).last, second)
})

t.test('the survey runs in a thread of its own and tells how far it is', async (t) => {
  const store = makeStore(t.testdir({}))
  plantUsual(store)
  const seen: Progress[] = []
  const report = await makeCollector(store, {}, { startSurvey }).run(RUN, (progress) => seen.push(progress))
  t.equal(report.blobs.trashed, 2)
  t.same(
    [...new Set(seen.map(({ phase }) => phase))],
    ['reading repositories', 'reading blobs', 'collecting links', 'collecting blobs'],
  )
})

t.test('a survey that fails fails the collection, and the next one is not in its way', async (t) => {
  const store = makeStore(t.testdir({}))
  plantUsual(store)
  let fails = true
  const collector = makeCollector(
    store,
    {},
    {
      startSurvey: async (...args) => {
        if (fails) return startSurvey({ ...args[0], root: 7 as unknown as string }, args[1], args[2])
        return startSurvey(...args)
      },
    },
  )
  await t.rejects(collector.run(RUN), { code: 'ERR_INVALID_ARG_TYPE' })
  fails = false
  t.equal((await collector.run(RUN)).blobs.trashed, 2)
})

t.test('closing ends a collection under way', async (t) => {
  const store = makeStore(t.testdir({}))
  plantUsual(store)
  const before = listFiles(store.directory)
  const collector = makeCollector(store, {}, { startSurvey })
  const run = collector.run(RUN)
  await Promise.all([t.rejects(run, { message: /stopped/ }), collector.close()])
  t.same(listFiles(store.directory), before)
  await t.rejects(collector.run(RUN), { message: /stopped/ })
})

t.test('nothing is collected that may not be written, not even when that begins in the middle', async (t) => {
  const store = makeStore(t.testdir({}))
  plantUsual(store)
  const before = listFiles(store.directory)
  let reason: string | undefined = 'another process keeps it'
  const rules = { readOnly: () => reason }
  await t.rejects(makeCollector(store, {}, { rules }).run(RUN), { code: 'UNSUPPORTED' })
  t.equal((await makeCollector(store, {}, { rules }).run(DRY)).blobs.trashed, 2)
  reason = undefined
  const lost = surveyThen(async () => (reason = 'the lock is lost'))
  await t.rejects(makeCollector(store, {}, { rules, startSurvey: lost }).run(RUN), { code: 'UNSUPPORTED' })
  t.same(listFiles(store.directory), before)
})

t.test('what the disk refuses is told and stops nothing else', async (t) => {
  const store = makeStore(t.testdir({}))
  const { orphan, useless } = plantUsual(store)
  mkdirSync(store.layout.blobTrash(orphan))
  const report = await makeCollector(store).run(RUN)
  t.ok(isThere(store, orphan))
  t.ok(isTrashed(store, useless))
  t.match(report.problems, [{ path: /^docker.*\/[0-9a-f]{64}$/, what: /cannot be collected/ }])
  t.match(report.blobs, { trashed: 1, kept: 4 })
})

t.test('what is remembered of removed things is forgotten', async (t) => {
  const store = makeStore(t.testdir({}))
  plantUsual(store)
  const untagged = plantManifest(store, A, imageOf(partOf(CONFIG), [partOf(OTHER)]))
  const closures = new Closures(store, store.clock)
  const found = await store.manifests.load(untagged)
  t.ok(found && (await closures.isWhole(A, untagged, found.manifest)))
  await makeCollector(store, {}, { closures }).run({ dryRun: false, untagged: true })
  t.equal(store.manifests.recall(untagged), undefined)
  t.notOk(closures.isKnown(A, untagged))
})
