import { once } from 'node:events'
import {
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import t from 'tap'
import { writeBundle } from '../../src/bundle/write-bundle.ts'
import { digestOf } from '../../src/oci/digest.ts'
import type { CheckReport, Finding } from '../../src/registry/check.ts'
import { Closures } from '../../src/registry/closures.ts'
import { pullBlob } from '../../src/registry/pull-blob.ts'
import { findManifest } from '../../src/registry/pull-manifest.ts'
import { STILL_FOR_MS } from '../../src/storage/quarantine.ts'
import { plan } from '../helpers/bundle-images.ts'
import {
  copyOf,
  inside,
  makeChecker,
  makeImages,
  plantImage,
  plantStored,
  plantTagged,
  runCheck,
} from '../helpers/checking.ts'
import { imageOf, partOf, plantFile } from '../helpers/plant.ts'
import { makeContext, pushBytes } from '../helpers/store.ts'

const summaryOf = ({ findings }: CheckReport): string[] =>
  findings.map(({ kind, outcome, by, path }) => `${kind} ${outcome}${by === undefined ? '' : ` by ${by}`} ${path}`)

t.test('a directory in order has no findings, and all of it was looked at', async (t) => {
  const { store } = makeImages(t)
  const report = await runCheck(t, store)
  t.same(report.findings, [])
  t.match(report, {
    unrepaired: 0,
    blobs: { checked: 6 },
    manifests: { checked: 2 },
    links: { checked: 10 },
    repositories: { checked: 2 },
  })
  t.ok(report.blobs.bytes > 10_000)
})

t.test('without --repair nothing is changed, and what is wrong is counted', async (t) => {
  const { store, one, two } = makeImages(t)
  writeFileSync(store.layout.blobData(one.layer), 'rot')
  rmSync(store.layout.tagLink(two.name, two.tag))
  plantFile(`${store.layout.repositories}/stray`, '')
  const events: Finding[] = []
  const checker = makeChecker(t, store)
  const report = await checker.run({ repair: false, fast: false, repositories: [], from: [] }, (event) => {
    if ('kind' in event) events.push(event)
  })
  t.equal(report.unrepaired, 2)
  t.same(
    summaryOf(report)
      .map((line) => line.split(' docker')[0] ?? '')
      .toSorted(),
    ['blob-wrong found', 'stray found', 'tag-wrong found'],
  )
  t.same(events, report.findings, 'each was told when it was found')
  t.equal(readFileSync(store.layout.blobData(one.layer), 'utf8'), 'rot')
})

t.test('wrong bytes that were known to be whole are refused from the check on', async (t) => {
  const { store, one } = makeImages(t)
  const context = makeContext(store)
  await store.blobs.ensureWhole(one.layer)
  const path = store.layout.blobData(one.layer)
  // Rot leaves the state of the file as it was: the verdict is carried over to it.
  writeFileSync(path, Buffer.alloc(5000, 'rot'))
  const facts = store.blobs.state(one.layer)?.facts
  if (facts === undefined) throw new Error('absent')
  store.verdicts.markWhole(one.layer, facts, true)
  const served = await pullBlob(context, one.name, one.layer, false)
  await served.close()
  await runCheck(t, store, {}, { closures: context.closures })
  await t.rejects(pullBlob(context, one.name, one.layer, false), { code: 'BLOB_UNKNOWN' })
  t.equal(await findManifest(context, one.name, { kind: 'tag', tag: one.tag }), undefined)
})

t.test('a wrong blob is healed out of the trash, the wrong bytes are gone', async (t) => {
  const { store, one } = makeImages(t)
  const { layout } = store
  const good = readFileSync(layout.blobData(one.layer))
  plantFile(layout.blobTrash(one.layer), good)
  writeFileSync(layout.blobData(one.layer), 'rot')
  const report = await runCheck(t, store, { repair: true })
  t.match(summaryOf(report), [/^blob-wrong healed by the trash /])
  t.equal(report.unrepaired, 0)
  t.same(readFileSync(layout.blobData(one.layer)), good)
  t.same((await runCheck(t, store)).findings, [])
})

t.test('a lost blob is taken back out of the trash, and a wrong one in the trash is not', async (t) => {
  const { store, one } = makeImages(t)
  const { layout } = store
  renameSync(layout.blobData(one.layer), layout.blobTrash(one.layer))
  t.match(summaryOf(await runCheck(t, store)), [/^blob-in-trash found /])
  t.match(summaryOf(await runCheck(t, store, { repair: true })), [/^blob-in-trash healed by the trash /])
  renameSync(layout.blobData(one.layer), layout.blobTrash(one.layer))
  writeFileSync(layout.blobTrash(one.layer), 'rot')
  const report = await runCheck(t, store, { repair: true })
  t.match(summaryOf(report), [/^blob-in-trash found /])
  t.equal(report.unrepaired, 1)
})

t.test('a lost blob is healed from a right copy in quarantine, the newest first', async (t) => {
  const { store, one } = makeImages(t)
  const { layout } = store
  const good = readFileSync(layout.blobData(one.layer))
  renameSync(layout.blobData(one.layer), plantFile(layout.quarantined(one.layer, 1), ''))
  plantFile(layout.quarantined(one.layer, 2), 'rot')
  t.match(summaryOf(await runCheck(t, store, { repair: true })), [/^blob-missing healed by the quarantine /])
  t.same(readFileSync(layout.blobData(one.layer)), good)
  t.same(readdirSync(layout.quarantine), [layout.quarantined(one.layer, 2).split('/').at(-1)])
})

t.test('a manifest that the server still knows is healed from its memory', async (t) => {
  const { store, one } = makeImages(t)
  await store.manifests.load(one.manifest)
  rmSync(store.layout.blobData(one.manifest))
  t.match(summaryOf(await runCheck(t, store, { repair: true })), [/^blob-missing healed by memory /])
})

t.test('sources are asked in turn: one that fails, lies or is too long is passed over', async (t) => {
  const { store, one } = makeImages(t)
  const copy = copyOf(store)
  const good = readFileSync(store.layout.blobData(one.layer))
  writeFileSync(store.layout.blobData(one.layer), 'rot')
  const { Readable } = await import('node:stream')
  const asked: string[] = []
  const source = (name: string, open: () => InstanceType<typeof Readable> | undefined) => ({
    name,
    async open(digest: string, size?: number) {
      asked.push(`${name} ${digest === one.layer} ${size}`)
      return open()
    },
  })
  const broken = (): InstanceType<typeof Readable> =>
    Readable.from(
      (async function* () {
        yield good.subarray(0, 100)
        throw new Error('broke off')
      })(),
    )
  const sources = [
    source('none', () => undefined),
    source('down', () => {
      throw new Error('no route')
    }),
    source('liar', () => Readable.from([Buffer.from('lie')])),
    source('endless', () => Readable.from([good, good])),
    source('broken', broken),
  ]
  const report = await runCheck(t, store, { repair: true, from: [copy] }, { sources })
  t.match(summaryOf(report), [`blob-wrong healed by ${copy} `])
  t.match(report.findings[0]?.what, /down failed: no route/)
  t.same(
    asked,
    ['none', 'down', 'liar', 'endless', 'broken'].map((name) => `${name} true 5000`),
  )
  t.same(readFileSync(store.layout.blobData(one.layer)), good)
  t.same(
    readdirSync(store.layout.tmp).filter((name) => name.startsWith('heal-')),
    [],
    'nothing is left over',
  )
})

t.test('a bundle heals, and so does a directory with its parts', async (t) => {
  const { store, one, root } = makeImages(t)
  const big = ['x', 'y', 'z'].map((tag) => plantImage(store, 'team/big', tag, 600_000))
  const media = join(root, '..', 'media')
  mkdirSync(media)
  const options = { path: join(media, 'march.tar'), zstd: false, key: undefined, layout: store.layout }
  const parts = (await writeBundle(await plan(store, {}, { partSize: 1_000_000 }), options)).map(({ path }) => path)
  t.ok(parts.length > 1)
  const harm = (): void => {
    writeFileSync(store.layout.blobData(one.layer), 'rot')
    for (const { layer } of big) rmSync(store.layout.blobData(layer))
    rmSync(store.layout.blobData(one.manifest))
  }
  for (const from of [[media], parts, parts.toReversed()]) {
    harm()
    t.match(await runCheck(t, store, { repair: true, from }), { unrepaired: 0, findings: { length: 5 } })
  }
  t.same((await runCheck(t, store)).findings, [])
})

t.test(
  'a blob that is cut over the parts of a bundle is joined, when they come in their order and are right',
  async (t) => {
    const { store, root } = makeImages(t)
    const { layer } = plantImage(store, 'team/big', 'v1', 2_500_000)
    const media = join(root, '..', 'media')
    mkdirSync(media)
    const options = { path: join(media, 'march.tar'), zstd: false, key: undefined, layout: store.layout }
    const parts = (await writeBundle(await plan(store, {}, { partSize: 1_000_000 }), options)).map(({ path }) => path)
    t.ok(parts.length >= 3)
    const file = store.layout.blobData(layer)
    const heal = async (...from: string[]) => {
      rmSync(file, { force: true })
      const report = await runCheck(t, store, { repair: true, from })
      t.same(existsSync(store.layout.tmp) ? readdirSync(store.layout.tmp) : [], [], 'nothing unfinished is left')
      return report
    }
    t.match(await heal(media), { unrepaired: 0, findings: [{ outcome: 'healed', by: /march\.part-000\d/ }] })
    t.same((await runCheck(t, store)).findings, [])
    t.match(await heal(...parts.toReversed()), { unrepaired: 1 })
    t.match(await heal(...parts.slice(0, -1)), { unrepaired: 1 })
    t.match(await heal(...parts.toReversed(), ...parts), { unrepaired: 0 })
    for (const part of parts) {
      const bytes = readFileSync(part)
      const middle = Math.floor(bytes.length / 2)
      bytes[middle] = (bytes[middle] ?? 0) ^ 1
      writeFileSync(part, bytes)
    }
    t.match(await heal(media), { unrepaired: 1 })
    for (const part of parts) truncateSync(part, statSync(part).size / 2)
    t.match(await heal(media), { unrepaired: 1 })
  },
)

t.test('a copy that is itself wrong heals nothing', async (t) => {
  const { store, one } = makeImages(t)
  const copy = copyOf(store)
  const path = store.layout.blobData(one.layer)
  writeFileSync(path, 'rot')
  writeFileSync(`${copy}/${inside(store, path)}`, Buffer.alloc(5000, 'r'))
  const report = await runCheck(t, store, { repair: true, from: [copy] })
  t.match(summaryOf(report), [/^blob-wrong found /])
  t.equal(readFileSync(path, 'utf8'), 'rot')
})

t.test('a wrong blob that nobody has is set aside when it has stood still, and a push heals it', async (t) => {
  const { store, one } = makeImages(t)
  const { layout } = store
  const path = layout.blobData(one.layer)
  const good = readFileSync(path)
  writeFileSync(path, 'rot')
  const early = await runCheck(t, store, { repair: true })
  t.match(summaryOf(early), [/^blob-wrong found /])
  t.match(early.findings[0]?.what, /less than 10 minutes/)
  store.turn(STILL_FOR_MS)
  const late = await runCheck(t, store, { repair: true })
  t.match(summaryOf(late), [/^blob-wrong quarantined /])
  t.equal(late.unrepaired, 1)
  const [kept = ''] = readdirSync(layout.quarantine)
  t.equal(readFileSync(`${layout.quarantine}/${kept}`, 'utf8'), 'rot')
  t.equal((await runCheck(t, store)).unrepaired, 1, 'it is still missed')
  await pushBytes(store, one.name, good)
  t.same((await runCheck(t, store)).findings, [])
})

t.test('what the disk does not give is set aside; what only this user may not read never is', async (t) => {
  const { store, one } = makeImages(t)
  const path = store.layout.blobData(one.layer)
  rmSync(path)
  symlinkSync('/proc/self/mem', path)
  store.turn(Date.now())
  t.match(summaryOf(await runCheck(t, store, { repair: true })), [/^blob-unreadable quarantined /])
})

t.test('an unreadable blob and unreadable links are healed from a copy', async (t) => {
  const { store, one } = makeImages(t)
  const copy = copyOf(store)
  const { layout } = store
  const paths = [
    layout.blobData(one.layer),
    layout.layerLink(one.name, one.layer),
    layout.revisionLink(one.name, one.manifest),
    layout.tagIndexLink(one.name, one.tag, one.manifest),
    layout.tagLink(one.name, one.tag),
  ]
  for (const path of paths) {
    rmSync(path)
    symlinkSync('/proc/self/mem', path)
  }
  const report = await runCheck(t, store, { repair: true, from: [copy] })
  t.equal(report.unrepaired, 0)
  t.ok(paths.every((path) => report.findings.some((finding) => finding.path === inside(store, path))))
  t.same((await runCheck(t, store)).findings, [])
})

t.test('links are written anew from their paths', async (t) => {
  const { store, one, two } = makeImages(t)
  const { layout } = store
  writeFileSync(layout.layerLink(one.name, one.layer), '')
  writeFileSync(layout.layerLink(two.name, two.layer), one.layer)
  rmSync(layout.layerLink(one.name, one.config))
  writeFileSync(layout.revisionLink(one.name, one.manifest), two.manifest)
  writeFileSync(layout.tagIndexLink(one.name, one.tag, one.manifest), 'sha256:')
  rmSync(layout.revisionLink(two.name, two.manifest))
  const report = await runCheck(t, store, { repair: true })
  t.equal(report.findings.length, 6)
  t.ok(report.findings.every(({ outcome, by }) => outcome === 'healed' && by === 'its path'))
  t.same((await runCheck(t, store)).findings, [])
})

t.test('a link is not led to what is no manifest, or not here', async (t) => {
  const { store, one } = makeImages(t)
  const { layout } = store
  plantFile(layout.revisionLink(one.name, one.layer), 'torn')
  const lost = digestOf(Buffer.from('lost'))
  plantFile(layout.layerLink(one.name, lost), 'torn')
  const report = await runCheck(t, store, { repair: true })
  t.equal(report.unrepaired, 2)
  t.equal(readFileSync(layout.layerLink(one.name, lost), 'utf8'), 'torn')
})

t.test('a tag is healed from its history when that leaves one answer', async (t) => {
  const { store, one, two } = makeImages(t)
  const { layout } = store
  const path = layout.tagLink(one.name, one.tag)
  for (const content of ['', two.manifest, undefined]) {
    rmSync(path)
    if (content !== undefined) plantFile(path, content)
    t.match(summaryOf(await runCheck(t, store, { repair: true })), [/^tag-wrong healed by its history /])
    t.equal(readFileSync(path, 'utf8'), one.manifest)
  }
  rmSync(layout.tagIndexLink(one.name, one.tag, one.manifest))
  t.match(summaryOf(await runCheck(t, store, { repair: true })), [/^tag-wrong healed by the tag /])
  t.same((await runCheck(t, store)).findings, [])
})

t.test(
  'a tag that pointed to several manifests is healed from a copy that knows them all, and never by a guess',
  async (t) => {
    const { store, one } = makeImages(t)
    const { layout } = store
    const older = copyOf(store, 'older')
    const config = readFileSync(layout.blobData(one.config))
    const newer = plantTagged(store, one.name, 'v1', imageOf(partOf(config)))
    const copy = copyOf(store)
    const path = layout.tagLink(one.name, one.tag)
    rmSync(path)
    t.equal((await runCheck(t, store, { repair: true })).unrepaired, 1)
    const report = await runCheck(t, store, { repair: true, from: [older] })
    t.equal(report.unrepaired, 1, 'a copy of before the tag moved would move it back')
    t.match(summaryOf(await runCheck(t, store, { repair: true, from: [older, copy] })), [
      `tag-wrong healed by ${copy} `,
    ])
    t.equal(readFileSync(path, 'utf8'), newer)
  },
)

t.test('what was hidden behind a broken manifest is healed in the same run', async (t) => {
  const { store, one } = makeImages(t)
  const copy = copyOf(store)
  const { layout } = store
  writeFileSync(layout.blobData(one.manifest), 'rot')
  rmSync(layout.layerLink(one.name, one.layer))
  rmSync(layout.layerLink(one.name, one.config))
  rmSync(layout.blobData(one.layer))
  const report = await runCheck(t, store, { repair: true, from: [copy] })
  t.equal(report.unrepaired, 0)
  t.equal(report.findings.length, 4)
  t.same((await runCheck(t, store)).findings, [])
})

t.test('a lost revision link is healed together with the manifest behind it', async (t) => {
  const { store, one } = makeImages(t)
  const copy = copyOf(store)
  rmSync(store.layout.revisionLink(one.name, one.manifest))
  rmSync(store.layout.blobData(one.manifest))
  rmSync(store.layout.layerLink(one.name, one.layer))
  t.equal((await runCheck(t, store, { repair: true, from: [copy] })).unrepaired, 0)
  t.same((await runCheck(t, store)).findings, [])
})

t.test('a link that leads nowhere and that nothing needs is removed, unless a copy has the blob', async (t) => {
  const { store, one } = makeImages(t)
  const { layout } = store
  const bytes = Buffer.from('pushed, its manifest never came')
  const digest = plantStored(store, one.name, bytes)
  const copy = copyOf(store)
  rmSync(layout.blobData(digest))
  t.match(summaryOf(await runCheck(t, store, { repair: true, from: [copy] })), [`link-dangling healed by ${copy} `])
  rmSync(layout.blobData(digest))
  const report = await runCheck(t, store, { repair: true })
  t.match(summaryOf(report), [/^link-dangling removed /])
  t.equal(report.unrepaired, 0)
  t.same((await runCheck(t, store)).findings, [])
})

t.test('a dangling link stays while a manifest of the repository cannot be read', async (t) => {
  const { store, one } = makeImages(t)
  const lost = digestOf(Buffer.from('lost'))
  const path = plantFile(store.layout.layerLink(one.name, lost), lost)
  writeFileSync(store.layout.blobData(one.manifest), 'rot')
  const report = await runCheck(t, store, { repair: true })
  t.match(summaryOf(report).toSorted(), [/^blob-wrong found /, /^link-dangling found /])
  t.equal(readFileSync(path, 'utf8'), lost)
})

t.test('an alias of distribution is healed from a copy, when the bytes hash to both', async (t) => {
  const { store, one } = makeImages(t)
  const { layout } = store
  const bytes = readFileSync(layout.blobData(one.layer))
  const long = digestOf(bytes, 'sha512')
  plantFile(layout.layerLink(one.name, long), one.layer)
  const manifest = imageOf(partOf(readFileSync(layout.blobData(one.config))), [{ digest: long, size: bytes.length }])
  plantTagged(store, one.name, 'alias', manifest)
  t.same((await runCheck(t, store)).findings, [])
  const copy = copyOf(store)
  rmSync(layout.layerLink(one.name, long))
  const report = await runCheck(t, store, { repair: true, from: [copy] })
  t.equal(report.unrepaired, 0)
  t.equal(readFileSync(layout.layerLink(one.name, long), 'utf8'), one.layer)
})

t.test('a repository of one half gets its other one', async (t) => {
  const { store, one } = makeImages(t)
  const { layout } = store
  rmSync(layout.layers(one.name), { recursive: true })
  const bytes = Buffer.from('{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[]}')
  rmSync(layout.tag(one.name, one.tag), { recursive: true })
  rmSync(layout.revisionLink(one.name, one.manifest))
  plantFile(layout.blobData(digestOf(bytes)), bytes)
  plantFile(layout.revisionLink(one.name, digestOf(bytes)), digestOf(bytes))
  t.equal((await runCheck(t, store)).unrepaired, 0, 'it is a note')
  await runCheck(t, store, { repair: true })
  t.same((await runCheck(t, store)).findings, [])
})

t.test('a finding that is over when it is looked at again is none', async (t) => {
  const { store, one } = makeImages(t)
  const { layout } = store
  const good = readFileSync(layout.blobData(one.layer))
  writeFileSync(layout.blobData(one.layer), 'rot')
  rmSync(layout.tagLink(one.name, one.tag))
  // The survey ends before anything of it is heard; meanwhile a push puts all in order.
  const { runSurvey } = await import('../../src/storage/check/run-survey.ts')
  const report = await runCheck(
    t,
    store,
    {},
    {
      async startSurvey(options, onMessage, signal) {
        const messages: Parameters<typeof onMessage>[0][] = []
        await runSurvey(options, (message) => messages.push(message), signal)
        await pushBytes(store, one.name, good)
        await store.tags.set(one.name, one.tag, one.manifest)
        messages.forEach(onMessage)
      },
    },
  )
  t.same(report.findings, [])
})

t.test('a repair is refused where nothing may be written, a check is not', async (t) => {
  const { store } = makeImages(t)
  const rules = { readOnly: () => 'another process keeps the directory' }
  await t.rejects(runCheck(t, store, { repair: true }, { rules }), { code: 'UNSUPPORTED', message: /another process/ })
  t.equal((await runCheck(t, store, {}, { rules })).unrepaired, 0)
})

t.test('a repair ends when nothing may be written any more', async (t) => {
  const { store, one, two } = makeImages(t)
  rmSync(store.layout.layerLink(one.name, one.layer))
  rmSync(store.layout.layerLink(two.name, two.layer))
  let asked = 0
  const rules = { readOnly: () => ((asked += 1) > 3 ? 'the lock was lost' : undefined) }
  await t.rejects(runCheck(t, store, { repair: true }, { rules }), /the lock was lost/)
  t.equal((await runCheck(t, store)).unrepaired, 1)
})

t.test('globs that match nothing and places that are none are refused with a hint', async (t) => {
  const { store } = makeImages(t)
  const file = plantFile(`${store.directory}/../notes.txt`, 'not a tar')
  await t.rejects(runCheck(t, store, { repositories: ['team/*', 'tema/a'] }), { message: /tema\/a/, hint: /tarn ls/ })
  await t.rejects(runCheck(t, store, { from: ['/nowhere'] }), { message: /ENOENT/, hint: /\.tar/ })
  await t.rejects(runCheck(t, store, { from: [file] }), { message: /neither a data directory nor a tar/ })
  await t.rejects(runCheck(t, store, { from: [store.layout.blobs] }), { message: /neither/ })
})

t.test('a check ends at once when it is told to, and leaves the next one its turn', async (t) => {
  const { store } = makeImages(t)
  const checker = makeChecker(t, store, {
    async startSurvey(_options, _onMessage, signal) {
      await once(signal ?? new EventTarget(), 'abort')
      signal?.throwIfAborted()
    },
  })
  const stop = new AbortController()
  const options = { repair: false, fast: false, repositories: [], from: [] }
  const one = checker.run(options, undefined, stop.signal)
  const two = checker.run(options)
  setImmediate(() => stop.abort(new Error('no longer wanted')))
  await t.rejects(one, /no longer wanted/)
  setImmediate(() => checker.close())
  await t.rejects(two, /closing/)
})

t.test('closing ends a repair before it writes, and resolves when it has ended', async (t) => {
  const { store, one } = makeImages(t)
  const { layout } = store
  const good = readFileSync(layout.blobData(one.layer))
  rmSync(layout.blobData(one.layer))
  const [asked, gate] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
  const source = {
    name: 'upstream',
    async open() {
      return Readable.from(
        (async function* () {
          asked.resolve()
          await gate.promise
          yield good
        })(),
      )
    },
  }
  const checker = makeChecker(t, store, { sources: [source] })
  let isOver = false
  const running = checker
    .run({ repair: true, fast: true, repositories: [], from: [] })
    .catch((error: Error) => error.message)
    .finally(() => (isOver = true))
  await asked.promise
  // The source is silent for ever: closing waits for our own work and for nobody else's.
  await checker.close()
  await new Promise((resolve) => setImmediate(resolve))
  t.ok(isOver)
  t.match(await running, /closing/)
  gate.resolve()
  for (let turn = 0; turn < 20; turn += 1) await new Promise((resolve) => setImmediate(resolve))
  t.notOk(existsSync(layout.blobData(one.layer)))
  t.same(
    readdirSync(layout.tmp).filter((name) => name.startsWith('heal-')),
    [],
  )
  await t.rejects(checker.run({ repair: true, fast: true, repositories: [], from: [] }), /closing/)
})

t.test('a lock that is lost while a source gives its bytes keeps them out', async (t) => {
  const { store, one } = makeImages(t)
  const { layout } = store
  const good = readFileSync(layout.blobData(one.layer))
  rmSync(layout.blobData(one.layer))
  rmSync(layout.layerLink(one.name, one.layer))
  let reason: string | undefined
  const source = {
    name: 'upstream',
    async open() {
      reason = 'the lock was lost'
      return Readable.from([good])
    },
  }
  const parts = { sources: [source], rules: { readOnly: () => reason } }
  await t.rejects(runCheck(t, store, { repair: true }, parts), /the lock was lost/)
  t.notOk(existsSync(layout.blobData(one.layer)))
  t.notOk(existsSync(layout.layerLink(one.name, one.layer)))
})

t.test('a repair that the disk refuses is told, and the rest goes on', async (t) => {
  const { store, one, two } = makeImages(t)
  const copy = copyOf(store)
  // A directory in the place of a file cannot be replaced by a rename.
  rmSync(store.layout.blobData(one.layer))
  plantFile(`${store.layout.blobData(one.layer)}/in-the-way`, '')
  rmSync(store.layout.blobData(two.layer))
  const report = await runCheck(t, store, { repair: true, from: [copy] })
  t.equal(report.unrepaired, 1)
  t.match(report.findings.find(({ digest }) => digest === one.layer)?.what, /not repaired: E/)
  t.match(
    report.findings.find(({ digest }) => digest === two.layer),
    { outcome: 'healed' },
  )
})

t.test('a collection takes nothing while a copy of it is looked at', async (t) => {
  const { store, one } = makeImages(t)
  rmSync(store.layout.blobData(one.layer))
  let wasFree: boolean | undefined
  const source = {
    name: 'watcher',
    async open() {
      wasFree = store.leases.isFree(one.layer) || store.leases.isFree(one.name)
      return undefined
    },
  }
  await runCheck(t, store, { repair: true }, { sources: [source] })
  t.equal(wasFree, false)
  t.ok(store.leases.isFree(one.layer))
})

t.test('closures that need a lost blob are forgotten', async (t) => {
  const { store, one } = makeImages(t)
  const closures = new Closures(store, store.clock)
  const { manifest } = (await store.manifests.load(one.manifest)) ?? {}
  if (manifest === undefined) throw new Error('absent')
  t.ok(await closures.isWhole(one.name, one.manifest, manifest))
  rmSync(store.layout.blobData(one.layer))
  await runCheck(t, store, {}, { closures })
  t.notOk(closures.isKnown(one.name, one.manifest))
})

t.test('times long ago mean nothing', async (t) => {
  const { store, one } = makeImages(t)
  const path = store.layout.blobData(one.layer)
  writeFileSync(path, 'rot')
  utimesSync(path, 0, 0)
  t.match(summaryOf(await runCheck(t, store, { repair: true })), [/^blob-wrong found /], 'its ctime is young')
})
