import { readFileSync, readdirSync, writeFileSync } from 'node:fs'
import { Readable } from 'node:stream'
import t from 'tap'
import type { Test } from 'tap'
import type { ImageToCopy } from '../../src/exchange/copied-image.ts'
import { copyImages } from '../../src/exchange/copy-images.ts'
import type { ImageSource } from '../../src/exchange/image-source.ts'
import type { ImageTarget } from '../../src/exchange/image-target.ts'
import { storeSource } from '../../src/exchange/store-source.ts'
import { storeTarget } from '../../src/exchange/store-target.ts'
import { digestOf } from '../../src/oci/digest.ts'
import type { RepositoryName } from '../../src/oci/name.ts'
import type { Tag } from '../../src/oci/reference.ts'
import type { Progress } from '../../src/registry/collect.ts'
import type { Context } from '../../src/registry/context.ts'
import { APP, OTHER, openRegistry, push, pushBlob, pushFull, pushImage } from '../helpers/images.ts'
import { imageOf, partOf } from '../helpers/plant.ts'

const wish = (repository: RepositoryName, tag: string, to = repository): ImageToCopy => ({
  from: { repository, reference: { kind: 'tag', tag: tag as Tag } },
  to: { repository: to, tags: [tag as Tag] },
})

interface Pair {
  readonly here: Context
  readonly there: Context
  /** What was sent, put and tagged there, in its order. */
  readonly acts: string[]
  readonly parts: { readonly source: ReturnType<typeof storeSource>; readonly target: ImageTarget }
}

function open(t: Test): Pair {
  const directory = t.testdir({ here: {}, there: {} })
  const [here, there] = [openRegistry(`${directory}/here`), openRegistry(`${directory}/there`)]
  const acts: string[] = []
  const target = storeTarget(there, 'there')
  const watched: ImageTarget = {
    ...target,
    async putBlob(repository, blob, ...rest) {
      const outcome = await target.putBlob(repository, blob, ...rest)
      acts.push(`${outcome} ${repository} ${blob.digest}`)
      return outcome
    },
    async putManifest(repository, manifest, tag, options) {
      await target.putManifest(repository, manifest, tag, options)
      acts.push(`manifest ${repository} ${manifest.digest} ${tag ?? '-'}`)
    },
  }
  return { here, there, acts, parts: { source: storeSource(here, 'here'), target: watched } }
}

t.test('an image comes with its children, its referrers and cosign tags, and its own tag comes last', async (t) => {
  const { here, there, acts, parts } = open(t)
  const { amd64, arm64, digest, index, referrer, cosign } = await pushFull(here, APP, 'v1')

  const report = await copyImages({ ...parts, images: [wish(APP, 'v1')] })
  t.match(report.images, [{ from: 'team/app:v1', to: APP, tags: ['v1'], state: 'copied', digest, absent: 0 }])
  t.match(report.counts, { copied: 1, here: 0, incomplete: 0, failed: 0 })
  t.equal(acts.at(-1), `manifest ${APP} ${digest} v1`)
  for (const manifest of [amd64, arm64, referrer]) {
    t.ok(there.store.manifests.resolve(APP, digestOf(manifest)), 'it is there')
  }
  t.ok(there.store.tags.resolve(APP, cosign), 'the tag of cosign is there')
  const blobs = acts.filter((act) => act.startsWith('sent'))
  t.equal(new Set(blobs).size, blobs.length, 'no blob was sent twice')
  t.equal(report.blobs, blobs.length)
  t.same(readFileSync(there.store.layout.blobData(digest)), index, 'not a byte of it is changed')

  const again = await copyImages({ ...parts, images: [wish(APP, 'v1')] })
  t.match(again.counts, { copied: 0, here: 1 })
  t.equal(again.bytes, 0)
})

t.test('a blob that two repositories need is sent once and linked in the other', async (t) => {
  const { here, acts, parts } = open(t)
  for (const name of [APP, OTHER]) await pushImage(here, name, ['shared layer'], { tag: 'v1' })
  const report = await copyImages({ ...parts, images: [wish(APP, 'v1'), wish(OTHER, 'v1')] })
  t.equal(report.counts.copied, 2)
  t.equal(acts.filter((act) => act.startsWith('sent')).length, 2)
  t.equal(acts.filter((act) => act.startsWith('linked')).length, 2)
})

t.test('only the platforms that are meant come, and the index stays as it is', async (t) => {
  const { here, there, parts } = open(t)
  const { amd64, arm64, digest } = await pushFull(here, APP, 'v1')
  const report = await copyImages({ ...parts, images: [wish(APP, 'v1')], platforms: ['linux/arm64', 'linux/s390x'] })
  t.match(report.images, [{ state: 'copied', digest, missingPlatforms: ['linux/s390x'] }])
  t.notOk(there.store.manifests.resolve(APP, digestOf(amd64)))
  t.ok(there.store.manifests.resolve(APP, digestOf(arm64)))

  const next = await copyImages({ ...parts, images: [wish(APP, 'v1')], platforms: ['windows/amd64'] })
  t.match(next.images, [{ state: 'failed', why: 'it has none of the platforms windows/amd64' }])
})

t.test('without referrers only the image comes', async (t) => {
  const { here, there, parts } = open(t)
  const { referrer, cosign } = await pushFull(here, APP, 'v1')
  await copyImages({ ...parts, images: [wish(APP, 'v1')], referrers: false })
  t.notOk(there.store.manifests.resolve(APP, digestOf(referrer)))
  t.notOk(there.store.tags.resolve(APP, cosign))
})

t.test('an image whose blob is damaged fails by itself, and nothing of it can be seen', async (t) => {
  const { here, there, acts, parts } = open(t)
  await pushImage(here, APP, ['good'], { tag: 'good' })
  const layer = Buffer.from('a layer that rots')
  await pushBlob(here, APP, layer)
  const config = Buffer.from('{}')
  await pushBlob(here, APP, config)
  await push(here, APP, imageOf(partOf(config), [partOf(layer)]), 'bad')
  // As large as before, so that only its digest can tell.
  writeFileSync(here.store.layout.blobData(digestOf(layer)), 'A layer that rots')

  const report = await copyImages({ ...parts, images: [wish(APP, 'bad'), wish(APP, 'good'), wish(APP, 'none')] })
  t.match(report.counts, { copied: 1, failed: 2 })
  t.match(report.images[0], { state: 'failed', why: digestOf(layer) })
  t.match(report.images[2], { state: 'failed', why: 'it is not in here' })
  t.notOk(there.store.tags.resolve(APP, 'bad' as Tag))
  t.notOk(there.store.blobs.state(digestOf(layer)), 'the bytes did not come in')
  t.same(readdirSync(there.store.layout.uploads(APP)), [], 'nothing is left half written')
  t.notOk(acts.some((act) => act.includes(digestOf(layer))))
})

t.test('a tag that moves is told with what it meant before', async (t) => {
  const { here, there, parts } = open(t)
  const old = digestOf(await pushImage(there, APP, ['old'], { tag: 'v1' }))
  await pushImage(here, APP, ['new'], { tag: 'v1' })
  const report = await copyImages({ ...parts, images: [wish(APP, 'v1')] })
  t.match(report.images, [{ state: 'copied', moved: [{ tag: 'v1', before: old }] }])
})

t.test('a copying that is stopped ends when nothing is being written any more', async (t) => {
  const { here, there, parts } = open(t)
  const names = ['a', 'b', 'c'].map((name) => `team/${name}` as RepositoryName)
  for (const name of names) await pushImage(here, name, [`layer of ${name}`], { tag: 'v1' })
  const stop = new AbortController()
  const [begun, held] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
  let isWriting = false
  const target: ImageTarget = {
    ...storeTarget(there, 'there'),
    async putBlob() {
      isWriting = true
      begun.resolve()
      await held.promise
      isWriting = false
      throw new Error('broken off')
    },
  }
  const told: string[] = []
  const copying = copyImages({
    ...parts,
    target,
    images: names.map((name) => wish(name, 'v1')),
    atATime: { images: 1, blobs: 1 },
    signal: stop.signal,
    onImage: ({ from }) => told.push(from),
  })
  let hasEnded = false
  const ended = copying.then(
    () => undefined,
    (error: unknown) => error,
  )
  void ended.then(() => (hasEnded = true))
  await begun.promise
  stop.abort(new Error('enough'))
  await new Promise((resolve) => setImmediate(resolve))
  t.ok(isWriting)
  t.notOk(hasEnded, 'one is still written')
  held.resolve()
  t.match(await ended, { message: 'enough' })
  t.notOk(isWriting)
  t.same(told, [])
})

t.test('a dry run says what would come and changes nothing', async (t) => {
  const { here, there, acts, parts } = open(t)
  await pushFull(here, APP, 'v1')
  const dry = await copyImages({ ...parts, images: [wish(APP, 'v1')], dryRun: true })
  t.same(acts, [])
  t.notOk(there.store.repositories.exists(APP))
  const real = await copyImages({ ...parts, images: [wish(APP, 'v1')] })
  t.match(dry, { counts: { copied: 1 }, blobs: real.blobs, bytes: real.bytes })
})

t.test('an image that only has a digest is copied without a tag, to as many tags as are asked for else', async (t) => {
  const { here, there, parts } = open(t)
  const digest = digestOf(await pushImage(here, APP, ['x']))
  const from = { repository: APP, reference: { kind: 'digest', digest } } as const
  await copyImages({ ...parts, images: [{ from, to: { repository: OTHER, tags: [] } }] })
  t.ok(there.store.manifests.resolve(OTHER, digest))
  t.equal(there.store.tags.resolve(OTHER, 'a' as Tag), undefined)
  await copyImages({ ...parts, images: [{ from, to: { repository: OTHER, tags: ['a', 'b'] as Tag[] } }] })
  t.same(
    ['a', 'b'].map((tag) => there.store.tags.resolve(OTHER, tag as Tag)),
    [digest, digest],
  )
})

t.test('what a run does can be ended, and ends with the reason', async (t) => {
  const { here, parts } = open(t)
  await pushImage(here, APP, ['x'], { tag: 'v1' })
  const signal = AbortSignal.abort(new Error('enough'))
  await t.rejects(copyImages({ ...parts, images: [wish(APP, 'v1')], signal }), { message: 'enough' })
})

t.test('progress goes up to its end', async (t) => {
  const { here, parts } = open(t)
  for (const tag of ['1', '2', '3']) await pushImage(here, APP, [`layer ${tag}`], { tag })
  const seen: string[] = []
  const images = ['1', '2', '3'].map((tag) => wish(APP, tag))
  await copyImages({ ...parts, images, onProgress: ({ done, total }) => seen.push(`${done} of ${total}`) })
  t.equal(seen[0], '0 of 3')
  t.equal(seen.at(-1), '3 of 3')
})

t.test('who foresees knows how many bytes there are, once each, and at the end that all of them came', async (t) => {
  const { here, parts } = open(t)
  await pushImage(here, APP, ['base', 'one'], { tag: 'v1' })
  await pushImage(here, APP, ['base', 'two'], { tag: 'v2' })
  const told: Progress[] = []
  const images = [wish(APP, 'v1'), wish(APP, 'v2'), wish(APP, 'gone')]
  const report = await copyImages({
    ...parts,
    images,
    foresee: true,
    onProgress: (progress) => void told.push(progress),
  })
  t.match(report.counts, { copied: 2, failed: 1 })
  const phases = told.map(({ phase }) => phase)
  t.same(
    phases,
    [...phases].toSorted((a, b) => b.localeCompare(a)),
    'all manifests before the first image',
  )
  const totals = told.flatMap(({ totalBytes }) => totalBytes ?? [])
  t.equal(totals[0], report.bytes)
  t.match(told.at(-1), { phase: 'images', done: 3, total: 3, bytes: report.bytes, totalBytes: report.bytes })
  told.length = 0
  await copyImages({ ...parts, images, foresee: true, onProgress: (progress) => void told.push(progress) })
  t.ok(
    told.every(({ totalBytes = 0 }) => totalBytes === 0),
    'what is there is nothing to wait for',
  )
})

t.test('an image of which something cannot be right leaves nothing behind, and keeps no other', async (t) => {
  const { here, there, acts, parts } = open(t)
  const [config, layer] = [Buffer.from('{}'), Buffer.from('layer')]
  for (const bytes of [config, layer]) await pushBlob(here, APP, bytes)
  await push(here, APP, imageOf(partOf(config), [partOf(layer)]), 'v1')
  await pushImage(here, APP, ['other'], { tag: 'v2' })
  const source = {
    ...parts.source,
    async checkBlob(_repository: unknown, { digest }: { readonly digest: string }) {
      if (digest === digestOf(layer)) throw new Error('the layer is not right')
    },
  }
  const images = [wish(APP, 'v1'), wish(APP, 'v2')]
  const report = await copyImages({ source, target: parts.target, images, foresee: true })
  t.match(report.images, [{ state: 'failed', why: 'the layer is not right' }, { state: 'copied' }])
  t.notOk(
    acts.some((act) => act.includes(digestOf(config))),
    'not even what was right of it went over',
  )
  await pushBlob(there, APP, layer)
  const again = await copyImages({ source, target: parts.target, images, foresee: true })
  t.match(again.counts, { copied: 1, here: 1 }, 'where the target has it, it is not needed from there')
})

t.test('large blobs are all right before any of them is taken, and images that share them all come', async (t) => {
  const { here, there, acts, parts } = open(t)
  const [one, two, three] = ['1', '2', '3'].map((text) => text.repeat(5_000_000)) as [string, string, string]
  await pushImage(here, APP, [one, two], { tag: 'v1' })
  await pushImage(here, APP, [two, three], { tag: 'v2' })
  await pushImage(here, OTHER, [three, one], { tag: 'v3' })
  const images = [wish(APP, 'v1'), wish(APP, 'v2'), wish(OTHER, 'v3')]
  const wrong = digestOf(Buffer.from(two))
  const source = {
    ...parts.source,
    async openBlob(...ask: Parameters<ImageSource['openBlob']>) {
      const [repository, blob] = ask
      if (blob.digest !== wrong) return parts.source.openBlob(repository, blob)
      return Readable.from([Buffer.alloc(5_000_000, '4')], { objectMode: false })
    },
  }
  const report = await copyImages({ source, target: parts.target, images, foresee: true })
  t.match(report.images, [{ state: 'failed', why: /another digest/ }, { state: 'failed' }, { state: 'copied' }])
  t.notOk(
    acts.some((act) => act.includes(` ${APP} `)),
    'nothing of the images that have it is there',
  )
  t.notOk(there.store.repositories.exists(APP))
  const again = await copyImages({ ...parts, images, foresee: true })
  t.match(again.counts, { copied: 2, here: 1, failed: 0 })
  t.equal(again.blobs, 1, 'the one that was wrong; the rest is linked')
})
