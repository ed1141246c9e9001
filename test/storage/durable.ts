import {
  mkdirSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
  existsSync,
  statSync,
} from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { Durable } from '../../src/storage/durable.ts'
import { realSync } from '../../src/storage/sync.ts'
import { breakSyncs, recordSyncs } from '../helpers/store.ts'

/** The files below a directory, without directories. */
function filesBelow(directory: string): string[] {
  return readdirSync(directory, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map(({ name }) => name)
}

t.test('a small file is synced before its name, its name before the call returns', async (t) => {
  const root = t.testdir({})
  const sync = recordSyncs()
  await new Durable(root, join(root, 'tmp'), sync).writeSmall('link', join(root, 'a/b/link'), 'text')
  t.same(sync.seen, [`new directory ${root}`, `new directory ${root}/a`, 'link file', `link directory ${root}/a/b`])
  t.equal(readFileSync(join(root, 'a/b/link'), 'utf8'), 'text')
  t.same(filesBelow(join(root, 'tmp')), [])
})

t.test('a directory whose name is known to be durable is not synced again', async (t) => {
  const root = t.testdir({})
  const sync = recordSyncs()
  const durable = new Durable(root, join(root, 'tmp'), sync)
  await durable.ensureDirectory(join(root, 'a/b'))
  sync.seen.length = 0
  await durable.ensureDirectory(join(root, 'a/b'))
  t.same(sync.seen, [])
})

t.test('a directory that another program made gets its name synced once', async (t) => {
  const root = t.testdir({ a: { b: {} } })
  const sync = recordSyncs()
  const durable = new Durable(root, join(root, 'tmp'), sync)
  await durable.ensureDirectory(join(root, 'a/b'))
  t.same(sync.seen, [`new directory ${root}`, `new directory ${root}/a`])
})

t.test('a directory that was removed and made again is synced again', async (t) => {
  const root = t.testdir({})
  const sync = recordSyncs()
  const durable = new Durable(root, join(root, 'tmp'), sync)
  await durable.ensureDirectory(join(root, 'a/b'))
  rmSync(join(root, 'a'), { recursive: true })
  mkdirSync(join(root, 'a/b'), { recursive: true })
  sync.seen.length = 0
  await durable.ensureDirectory(join(root, 'a/b'))
  t.same(sync.seen, [`new directory ${root}`, `new directory ${root}/a`])
})

t.test('holding a file that came from elsewhere syncs its bytes and its name, once', async (t) => {
  const root = t.testdir({ a: { data: 'x' } })
  const sync = recordSyncs()
  const durable = new Durable(root, join(root, 'tmp'), sync)
  t.equal((await durable.hold(join(root, 'a/data')))?.size, 1)
  t.same(sync.seen, ['held file', `new directory ${root}`, `held directory ${root}/a`])
  sync.seen.length = 0
  await durable.hold(join(root, 'a/data'))
  t.same(sync.seen, [])
  t.equal(await durable.hold(join(root, 'a/missing')), undefined)
})

t.test('a held file is synced again when it was replaced', async (t) => {
  const root = t.testdir({ data: 'x', other: 'y' })
  const sync = recordSyncs()
  const durable = new Durable(root, join(root, 'tmp'), sync)
  await durable.hold(join(root, 'data'))
  renameSync(join(root, 'other'), join(root, 'data'))
  sync.seen.length = 0
  await durable.hold(join(root, 'data'))
  t.ok(sync.seen.includes('held file'))
})

t.test('moving a file in syncs its bytes first and replaces what was there', async (t) => {
  const root = t.testdir({ from: 'new', blob: { data: 'torn' } })
  const sync = recordSyncs()
  await new Durable(root, join(root, 'tmp'), sync).moveIn(join(root, 'from'), join(root, 'blob/data'))
  t.same(sync.seen, ['blob file', `new directory ${root}`, `blob directory ${root}/blob`])
  t.equal(readFileSync(join(root, 'blob/data'), 'utf8'), 'new')
})

t.test('removing says whether there was something, and syncs the loss', async (t) => {
  const root = t.testdir({ a: { link: 'x' } })
  const sync = recordSyncs()
  const durable = new Durable(root, join(root, 'tmp'), sync)
  t.equal(await durable.remove(join(root, 'a/link')), true)
  t.equal(await durable.remove(join(root, 'a/link')), false)
  t.same(sync.seen, [`removed name ${root}/a`])
})

t.test('one fsync of a directory serves all who wait, and none who came after it began', async (t) => {
  const root = t.testdir({})
  let begun = 0
  let open: (() => void) | undefined
  const durable = new Durable(root, join(root, 'tmp'), {
    file: async () => undefined,
    async directory(site) {
      if (site !== 'link directory') return
      begun += 1
      await new Promise<void>((resolve) => (open = resolve))
    },
  })
  const tick = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))
  const write = (name: string): Promise<void> => durable.writeSmall('link', join(root, name), name)
  const first = write('first')
  while (begun === 0) await tick()
  let early = 0
  const others = Array.from({ length: 20 }, async (_, index) => {
    await write(`other-${index}`)
    if (begun === 1) early += 1
  })
  let done = false
  const all = Promise.all([first, ...others]).then(() => (done = true))
  // A name comes before its fsync: when all are there, all wait for one or are about to.
  while (readdirSync(root).filter((name) => name.startsWith('other-')).length < others.length) await tick()
  while (!done) {
    open?.()
    await tick()
  }
  await all
  t.equal(early, 0, 'the fsync that had begun answered for nobody else')
  t.ok(begun >= 2 && begun < 12, `${begun} fsyncs for 21 names`)
})

t.test('after a failed fsync nothing is written until a probe succeeds', async (t) => {
  const root = t.testdir({})
  let broken = true
  const durable = new Durable(
    root,
    join(root, 'tmp'),
    breakSyncs('link file', 'EIO', () => broken),
  )
  const write = (name: string): Promise<void> => durable.writeSmall('link', join(root, name), name)
  await t.rejects(write('a'), { code: 'EIO' })
  t.notOk(existsSync(join(root, 'a')), 'what was not synced is not there')
  t.match(durable.failure, { code: 'EIO' })
  broken = false
  await write('b')
  t.equal(durable.failure, undefined)
  t.equal(readFileSync(join(root, 'b'), 'utf8'), 'b')
})

t.test('a probe that fails keeps the store closed', async (t) => {
  const root = t.testdir({})
  let writes = 0
  const durable = new Durable(root, join(root, 'tmp'), {
    async file() {
      writes += 1
      throw Object.assign(new Error('injected'), { code: 'EIO' })
    },
    directory: (site, path) => realSync.directory(site, path),
  })
  await t.rejects(durable.writeSmall('link', join(root, 'a'), 'a'), { code: 'EIO' })
  await t.rejects(durable.writeSmall('link', join(root, 'a'), 'a'), { code: 'EIO' })
  t.equal(writes, 2, 'one for the file, one for the probe')
  t.same(filesBelow(join(root, 'tmp')), [])
})

t.test('a refused write leaves nothing behind', async (t) => {
  const root = t.testdir({ taken: {} })
  const durable = new Durable(root, join(root, 'tmp'))
  await t.rejects(durable.writeSmall('link', join(root, 'taken'), 'x'))
  t.same(filesBelow(join(root, 'tmp')), [])
})

t.test('a directory that is a link to another file system is written to all the same', async (t) => {
  const elsewhere = await mkdtemp('/dev/shm/tarn-test-')
  t.teardown(() => rm(elsewhere, { recursive: true }))
  const root = t.testdir({})
  t.not(statSync(elsewhere).dev, statSync(root).dev, 'the ground of this test: two file systems')
  symlinkSync(elsewhere, join(root, 'docker'))
  const durable = new Durable(root, join(root, 'tmp'))
  await durable.writeSmall('link', join(root, 'docker/a/link'), 'x')
  await durable.writeSmall('link', join(root, 'docker/a/link'), 'y')
  t.equal(readFileSync(join(elsewhere, 'a/link'), 'utf8'), 'y')
  t.same(readdirSync(join(elsewhere, 'a')), ['link'])
})

t.test('unfinished files of an earlier life are dropped', async (t) => {
  const root = t.testdir({ tmp: { 'x.tmp': 'half' } })
  writeFileSync(join(root, 'kept'), '')
  new Durable(root, join(root, 'tmp')).dropUnfinished()
  t.same(filesBelow(root), ['kept'])
})

t.test('what was written before an fsync failed is written once more when it is promised again', async (t) => {
  const root = t.testdir({})
  let broken = false
  const durable = new Durable(
    root,
    join(root, 'tmp'),
    breakSyncs('link directory', 'EIO', () => broken),
  )
  const path = join(root, 'a', 'link')
  broken = true
  await t.rejects(durable.writeSmall('link', path, 'text'), { code: 'EIO' })
  const { birthtimeNs } = statSync(path, { bigint: true })
  broken = false
  t.equal((await durable.hold(path))?.size, 4)
  t.not(statSync(path, { bigint: true }).birthtimeNs, birthtimeNs, 'another file')
  t.equal(readFileSync(path, 'utf8'), 'text')
  t.same(readdirSync(join(root, 'a')), ['link'])
})

t.test('nothing is removed or promised while the disk fails', async (t) => {
  const root = t.testdir({ a: { link: 'x' } })
  let broken = true
  const durable = new Durable(
    root,
    join(root, 'tmp'),
    breakSyncs('blob file', 'EIO', () => broken),
  )
  await t.rejects(durable.writeSmall('blob', join(root, 'blob'), 'x'), { code: 'EIO' })
  await t.rejects(durable.hold(join(root, 'a/link')), { code: 'EIO' })
  await t.rejects(durable.remove(join(root, 'a/link')), { code: 'EIO' })
  t.ok(existsSync(join(root, 'a/link')))
  broken = false
  t.equal(await durable.remove(join(root, 'a/link')), true)
})

t.test('a life drops the unfinished files of others and keeps its own', async (t) => {
  const root = t.testdir({ tmp: { old: { 'x.tmp': 'half' } } })
  const gate = Promise.withResolvers<void>()
  const durable = new Durable(root, join(root, 'tmp'), {
    file: () => gate.promise,
    directory: async () => undefined,
  })
  const writing = durable.writeSmall('link', join(root, 'link'), 'text')
  while (filesBelow(join(root, 'tmp')).length < 2) await new Promise((resolve) => setImmediate(resolve))
  durable.dropUnfinished()
  gate.resolve()
  await writing
  t.equal(readFileSync(join(root, 'link'), 'utf8'), 'text')
  t.same(filesBelow(join(root, 'tmp')), [])
})

t.test('bytes whose fsync failed are dropped: asking again would be told that all is well', async (t) => {
  const root = t.testdir({ upload: 'x' })
  let broken = true
  const durable = new Durable(
    root,
    join(root, 'tmp'),
    breakSyncs('blob file', 'ENOSPC', () => broken),
  )
  await t.rejects(durable.moveIn(join(root, 'upload'), join(root, 'blob')), { code: 'ENOSPC' })
  t.notOk(existsSync(join(root, 'upload')))
  broken = false
  await t.rejects(durable.moveIn(join(root, 'upload'), join(root, 'blob')), { code: 'ENOENT' })
  t.equal(durable.failure, undefined)
})

t.test('a disk that is only full lets names be removed, and takes writes when space is back', async (t) => {
  const root = t.testdir({ a: { link: 'x' } })
  let full = true
  const durable = new Durable(
    root,
    join(root, 'tmp'),
    breakSyncs('blob file', 'ENOSPC', () => full),
  )
  const write = () => durable.writeSmall('blob', join(root, 'blob'), 'x')
  await t.rejects(write(), { code: 'ENOSPC' })
  await t.rejects(write(), { code: 'ENOSPC' })
  t.equal(await durable.remove(join(root, 'a/link')), true)
  full = false
  await write()
  t.equal(durable.failure, undefined)
})
