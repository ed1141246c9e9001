import { execFileSync } from 'node:child_process'
import { mkdirSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { findDataDirectory, measureDirectory, tarDirectory } from '../../src/bundle/directory-tar.ts'
import { importData } from '../../src/bundle/import-data.ts'
import type { RepositoryName } from '../../src/oci/name.ts'
import type { Tag } from '../../src/oci/reference.ts'
import { imageEntries, inPieces, tarOf, testImage } from '../helpers/data-tar.ts'
import { makeContext, makeStore } from '../helpers/store.ts'

const IMAGE = testImage('team/a', 'v1', 'one')

/** The data directory of somebody else, unpacked by tar. */
function unpack(directory: string): string {
  execFileSync('tar', ['-xf', '-', '-C', directory], { input: tarOf(...imageEntries(IMAGE)) })
  return join(directory, 'data')
}

t.test('a data directory comes in as a tar of it does', async (t) => {
  const directory = t.testdir({ ours: {} })
  const theirs = unpack(directory)
  const store = makeStore(join(directory, 'ours'))
  const report = await importData(makeContext(store), tarDirectory(theirs), {
    dryRun: false,
    size: measureDirectory(theirs),
  })
  t.match(report, { blobs: { added: 4, wrong: [] }, held: [], torn: 0, passedOver: 0 })
  t.equal(store.tags.resolve('team/a' as RepositoryName, 'v1' as Tag), IMAGE.digest)
})

t.test('real tar reads it', async (t) => {
  const theirs = unpack(t.testdir())
  const pieces: Uint8Array[] = []
  for await (const piece of tarDirectory(theirs)) pieces.push(piece)
  const listed = execFileSync('tar', ['-tf', '-'], { input: Buffer.concat(pieces) })
    .toString()
    .trim()
    .split('\n')
  t.equal(listed.filter((name) => name.endsWith('/data')).length, 4)
  t.equal(listed.filter((name) => name.endsWith('/current/link')).length, 1)
})

t.test('it is found in the usual places below what is named', (t) => {
  const directory = t.testdir()
  const theirs = unpack(directory)
  t.equal(findDataDirectory(theirs), theirs)
  t.equal(findDataDirectory(directory), theirs)
  t.throws(() => findDataDirectory(join(theirs, 'docker')), { message: /no data directory/ })
  t.end()
})

t.test('uploads, torn links and strangers are left out', async (t) => {
  const directory = t.testdir({ ours: {} })
  const theirs = unpack(directory)
  const repository = join(theirs, 'docker/registry/v2/repositories/team/a')
  mkdirSync(join(repository, '_uploads/00000000-0000-4000-8000-000000000000'), { recursive: true })
  writeFileSync(join(repository, '_uploads/00000000-0000-4000-8000-000000000000/data'), 'half')
  mkdirSync(join(repository, '_manifests/tags/torn/current'), { recursive: true })
  writeFileSync(join(repository, '_manifests/tags/torn/current/link'), '')
  const report = await importData(makeContext(makeStore(join(directory, 'ours'))), tarDirectory(theirs), {
    dryRun: false,
  })
  t.match(report.repositories, [{ set: ['v1'] }])
})

t.test('a file that becomes shorter while it is read ends it', async (t) => {
  const theirs = unpack(t.testdir())
  const large = join(theirs, 'docker/registry/v2/blobs/sha256/00', '0'.repeat(64))
  mkdirSync(large, { recursive: true })
  writeFileSync(join(large, 'data'), Buffer.alloc(8 * 1024 * 1024))
  const reading = tarDirectory(theirs)
  // Its header, and the first piece of it.
  await reading.next()
  await reading.next()
  truncateSync(join(large, 'data'), 10)
  const rest = async (): Promise<void> => {
    while ((await reading.next()).done !== true) continue
  }
  await t.rejects(rest(), { message: /changed while it was read/ })
})

t.test('the same archive from a pipe', async (t) => {
  const report = await importData(makeContext(makeStore(t.testdir())), inPieces(tarOf(...imageEntries(IMAGE)), 1), {
    dryRun: true,
  })
  t.equal(report.blobs.read, 4)
})
