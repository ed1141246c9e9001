import { createHash } from 'node:crypto'
import { readFileSync, readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { gzipSync, zstdCompressSync } from 'node:zlib'
import t from 'tap'
import { importData } from '../../src/bundle/import-data.ts'
import { digestOf } from '../../src/oci/digest.ts'
import type { RepositoryName } from '../../src/oci/name.ts'
import type { Tag } from '../../src/oci/reference.ts'
import { pullManifest } from '../../src/registry/pull-manifest.ts'
import type { Context } from '../../src/registry/context.ts'
import { blobPath, imageEntries, inPieces, rawEntry, tarOf, testImage } from '../helpers/data-tar.ts'
import type { TestImage } from '../helpers/data-tar.ts'
import { makeContext, makeStore } from '../helpers/store.ts'

const take = (context: Context, tar: Uint8Array, dryRun = false) => importData(context, inPieces(tar), { dryRun })

/** Everything below `directory` in one hash. */
function hashTree(directory: string): string {
  const hash = createHash('sha256')
  for (const name of (readdirSync(directory, { recursive: true }) as string[]).toSorted()) {
    const path = join(directory, name)
    hash.update(`${name}\n`)
    if (statSync(path).isFile()) hash.update(readFileSync(path))
  }
  return hash.digest('hex')
}

async function isServed(context: Context, { repository, tag, digest }: TestImage): Promise<boolean> {
  const found = await pullManifest(context, repository as RepositoryName, { kind: 'tag', tag: tag as Tag }, {
    accepts: () => true,
  } as never).catch(() => undefined)
  return found?.digest === digest
}

for (const [name, pack] of [
  ['a tar', (tar: Buffer) => tar],
  ['a tar.gz', (tar: Buffer) => gzipSync(tar)],
  ['a tar.zst', (tar: Buffer) => zstdCompressSync(tar)],
] as const) {
  t.test(`${name} of a data directory comes in whole: blobs, images, tags`, async (t) => {
    const store = makeStore(t.testdir())
    const context = makeContext(store)
    const images = [testImage('team/a', 'v1', 'one'), testImage('team/b', 'v2', 'two')]
    const report = await take(context, pack(tarOf(...images.flatMap((image) => imageEntries(image)))))
    t.match(report, { blobs: { read: 8, added: 8, here: 0, wrong: [] }, held: [] })
    t.same(
      report.repositories.map((one) => [one.name, one.set]),
      [
        ['team/a', ['v1']],
        ['team/b', ['v2']],
      ],
    )
    for (const image of images) {
      t.equal(store.tags.resolve(image.repository as RepositoryName, image.tag as Tag), image.digest)
      t.ok(await isServed(context, image))
    }
    t.same(
      readdirSync(store.layout.tmp).filter((entry) => entry === 'incoming'),
      [],
      'nothing waits any more',
    )
  })
}

t.test('wherever the data directory lies in the tar', async (t) => {
  for (const root of ['', './', 'data/', './data/', 'var/lib/registry/', 'opt/my registry/data/']) {
    const store = makeStore(t.testdir({ d: {} }))
    const image = testImage('team/a', 'v1', root)
    const report = await take(makeContext(store), tarOf(...imageEntries(image, root)))
    t.equal(report.repositories[0]?.tags, 1, root)
  }
})

t.test('what comes once more changes nothing', async (t) => {
  const directory = t.testdir()
  const context = makeContext(makeStore(directory))
  const tar = tarOf(...imageEntries(testImage('team/a', 'v1', 'one')))
  await take(context, tar)
  const before = hashTree(join(directory, 'docker'))
  const report = await take(context, tar)
  t.match(report, { blobs: { added: 0, here: 4 }, repositories: [{ added: 0, set: [] }], held: [] })
  t.equal(hashTree(join(directory, 'docker')), before)
})

t.test('a dry run tells the same and writes nothing', async (t) => {
  const directory = t.testdir()
  const context = makeContext(makeStore(directory))
  const tar = tarOf(...imageEntries(testImage('team/a', 'v1', 'one')))
  const before = hashTree(directory)
  const tried = await take(context, tar, true)
  t.equal(hashTree(directory), before)
  const { seconds: _one, dryRun: _dry, ...would } = tried
  const { seconds: _two, dryRun: _wet, ...did } = await take(context, tar)
  t.same(would, did)
})

t.test(
  'a blob with other bytes than its name says is left out, with the images that need it, and the rest comes in',
  async (t) => {
    const store = makeStore(t.testdir())
    const context = makeContext(store)
    const [good, bad] = [testImage('team/a', 'v1', 'one'), testImage('team/a', 'v2', 'two')]
    const layer = digestOf(bad.layers[0] as Buffer)
    const entries = imageEntries(bad)
    entries[0] = rawEntry({ name: `data/${blobPath(layer)}` }, Buffer.alloc(3000))
    const report = await take(context, tarOf(...imageEntries(good), ...entries))
    t.same(report.blobs.wrong, [layer])
    t.same(report.held, [{ repository: 'team/a', digest: bad.digest, tags: ['v2'], missing: layer }])
    t.ok(await isServed(context, good))
    t.equal(store.tags.resolve('team/a' as RepositoryName, 'v2' as Tag), undefined)
    t.equal(store.blobs.state(layer), undefined)
  },
)

t.test('a tag whose image lacks a blob waits, and comes in when another tar brings the blob', async (t) => {
  const store = makeStore(t.testdir())
  const context = makeContext(store)
  const image = testImage('team/a', 'v1', 'one')
  const entries = imageEntries(image)
  const first = await take(context, tarOf(...entries.slice(1)))
  t.same(
    first.held.map(({ tags }) => tags),
    [['v1']],
  )
  t.notOk(await isServed(context, image))
  await take(context, tarOf(...entries))
  t.ok(await isServed(context, image))
})

t.test('a blob that is here already need not be in the tar', async (t) => {
  const context = makeContext(makeStore(t.testdir()))
  const image = testImage('team/a', 'v1', 'one')
  await take(context, tarOf(...imageEntries(image)))
  const other = { ...image, repository: 'team/b' }
  const report = await take(context, tarOf(...imageEntries(other).slice(4)))
  t.same(report.held, [])
  t.ok(await isServed(context, other))
})

t.test('a tag that moves is told', async (t) => {
  const context = makeContext(makeStore(t.testdir()))
  const [before, after] = [testImage('team/a', 'v1', 'one'), testImage('team/a', 'v1', 'two')]
  await take(context, tarOf(...imageEntries(before)))
  const report = await take(context, tarOf(...imageEntries(after)))
  t.same(report.repositories[0]?.moved, [{ tag: 'v1', from: before.digest, to: after.digest }])
  t.ok(await isServed(context, after))
})

t.test('an archive that is cut short changes nothing, and neither does what came of it stay', async (t) => {
  const directory = t.testdir()
  const context = makeContext(makeStore(directory))
  const tar = tarOf(...imageEntries(testImage('team/a', 'v1', 'one')))
  for (const length of [0, 511, 512, 2000, 40_000, tar.length - 1024, tar.length - 512]) {
    const cut = take(context, tar.subarray(0, length))
    await t.rejects(cut, { exitCode: 4, message: /cut short|empty|missing/ }, `${length} bytes`)
    t.same(
      readdirSync(directory, { recursive: true }).filter((name) => /data$|link$|part$/.test(String(name))),
      [],
    )
  }
})

t.test('what came before the line broke is not read from the disk of the sender again', async (t) => {
  const store = makeStore(t.testdir())
  const context = makeContext(store)
  const image = testImage('team/a', 'v1', 'one')
  const tar = tarOf(...imageEntries(image))
  const broken = async function* () {
    yield tar.subarray(0, 20_000)
    throw Object.assign(new Error('the line broke'), { code: 'ECONNRESET' })
  }
  await t.rejects(importData(context, broken(), { dryRun: false }), { message: 'the line broke' })
  t.same(readdirSync(store.layout.incoming).length, 1, 'the first layer waits')
  await take(context, tar)
  t.ok(await isServed(context, image))
})
