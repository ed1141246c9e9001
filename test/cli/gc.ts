import { existsSync, readFileSync, rmSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import type { Test } from 'tap'
import { Value } from 'typebox/value'
import { Collect } from '../../src/http/api/reports.ts'
import type { CollectReport } from '../../src/registry/collect.ts'
import { formatCollect, formatProblems } from '../../src/cli/gc.ts'
import { NO_COLLECTION } from '../helpers/api.ts'
import { openClient } from '../helpers/client.ts'
import type { Home } from '../helpers/home.ts'
import { makeHome, pushLitter } from '../helpers/home.ts'
import { runTarn } from '../helpers/tarn.ts'

const blobOf = ({ data }: Home, digest: string): string => {
  const hex = digest.slice('sha256:'.length)
  return join(data, 'docker/registry/v2/blobs/sha256', hex.slice(0, 2), hex)
}

/** A home with litter in it and no registry running. */
async function makeLittered(t: Test) {
  const home = makeHome(t)
  const serving = await home.serve()
  const pushed = await pushLitter(serving.url)
  await serving.end('SIGTERM')
  return { home, ...pushed }
}

async function collect({ directory }: Home, ...args: string[]) {
  const { code, stdout, stderr } = await runTarn(directory, ['--json', 'gc', ...args])
  t.equal(code, 0, stderr)
  return { report: JSON.parse(stdout) as CollectReport, stderr }
}

t.test('without a registry: a dry run tells what a run then does, to the number', async (t) => {
  const { home, orphan, kept } = await makeLittered(t)
  const options = ['--untagged', '--older-than', '0s']
  const dry = (await collect(home, '--dry-run', ...options)).report
  t.ok(existsSync(join(blobOf(home, orphan), 'data')), 'and changes nothing')
  t.match(dry, { dryRun: true, untagged: true, complete: true, manifests: { seen: 2, removed: 1 }, problems: [] })
  t.match(dry.blobs, { seen: 5, trashed: 3, kept: 2 })
  t.ok(Value.Check(Collect, dry), 'as the API describes it')
  const { report } = await collect(home, ...options)
  t.same({ ...report, startedAt: '', seconds: 0, dryRun: true }, { ...dry, startedAt: '', seconds: 0 })
  t.notOk(existsSync(join(blobOf(home, orphan), 'data')))
  t.ok(existsSync(join(blobOf(home, orphan), 'trashed')))
  t.ok(existsSync(join(blobOf(home, kept), 'data')))
})

t.test('nothing younger than a lease goes unless one says so', async (t) => {
  const { home } = await makeLittered(t)
  t.equal((await collect(home, '--untagged')).report.blobs.trashed, 0)
  t.equal((await collect(home, '--untagged', '--older-than', '7d')).report.blobs.trashed, 0)
  t.equal((await collect(home, '--older-than', '0s')).report.blobs.trashed, 1, 'the untagged only when asked for')
})

t.test(
  'what lies in the trash is told, with how to delete it now; --grace 0s deletes it and what comes there',
  async (t) => {
    const { home, orphan } = await makeLittered(t)
    const { stdout, stderr } = await runTarn(home.directory, ['gc', '--older-than', '0s'])
    t.match(stdout, /^ +seen +kept +collected$/m)
    t.match(stdout, /^blobs +5 +4 +1$/m)
    t.match(stdout, /^1 blob, \d+ B of \d.* B, went into the trash$/m)
    t.match(
      stderr,
      /^\d+ B lie in the trash until \d{4}-\d\d-\d\d \d\d:\d\d UTC; tarn gc --grace 0s deletes them now$/m,
    )
    const dry = (await collect(home, '--dry-run', '--untagged', '--older-than', '0s', '--grace', '0s')).report
    t.ok(existsSync(join(blobOf(home, orphan), 'trashed')))
    const gone = await collect(home, '--untagged', '--older-than', '0s', '--grace', '0s')
    t.match(gone.report.blobs, { trashed: 2, deleted: 3 })
    t.same(gone.report.trash, { blobs: 0, bytes: 0 })
    t.same({ ...dry, startedAt: '', seconds: 0, dryRun: false }, { ...gone.report, startedAt: '', seconds: 0 })
    t.notMatch(gone.stderr, /lie in the trash/)
    t.notOk(existsSync(blobOf(home, orphan)))
  },
)

t.test('through a registry that serves: its leases hold, and what it serves stays', async (t) => {
  const home = makeHome(t, 'gc: {lease: 24h, grace: 24h}\n')
  const serving = await home.serve()
  const { orphan } = await pushLitter(serving.url)
  const { report, stderr } = await collect(home, '--untagged', '--older-than', '0s')
  t.equal(report.blobs.trashed, 0)
  t.match(stderr, /gc.lease \(24h\) stays/)
  await serving.end('SIGTERM')

  const short = makeHome(t, 'gc: {lease: 0s, grace: 24h}\n')
  const second = await short.serve()
  const pushed = await pushLitter(second.url)
  const done = (await collect(short, '--untagged')).report
  t.match(done.blobs, { seen: 5, trashed: 3, kept: 2 })
  t.ok(existsSync(join(blobOf(short, pushed.orphan), 'trashed')))
  t.ok(existsSync(join(blobOf(home, orphan), 'data')))
  const client = openClient({ url: second.url })
  t.teardown(() => client.close())
  t.equal((await client.send('GET', '/v2/team/app/manifests/latest')).status, 200)
  const kept = JSON.parse(readFileSync(join(short.data, '.tarn/state/collection.json'), 'utf8')) as CollectReport
  t.equal(kept.blobs.trashed, 3)
})

t.test('a run that could not look at everything takes no blob and ends with 1', async (t) => {
  const { home, orphan } = await makeLittered(t)
  const loop = join(home.data, 'docker/registry/v2/repositories/team')
  rmSync(loop, { recursive: true })
  symlinkSync('team', loop)
  const { code, stdout } = await runTarn(home.directory, ['gc', '--older-than', '0s'])
  t.equal(code, 1, stdout)
  t.match(stdout, /no blob was taken/)
  t.ok(existsSync(join(blobOf(home, orphan), 'data')))
})

t.test('wrong times and unknown options are wrong usage', async (t) => {
  const { directory } = makeHome(t)
  for (const args of [
    ['--grace', '5'],
    ['--older-than', 'never'],
    ['--older-than', '-1h'],
    ['--bogus'],
    ['argument'],
  ]) {
    const { code, stderr } = await runTarn(directory, ['gc', ...args])
    t.equal(code, 2, args.join(' '))
    t.match(stderr, /^error: /)
  }
})

t.test('problems are listed, the first of many', async (t) => {
  const problems = Array.from({ length: 25 }, (_, i) => ({ path: `repositories/r${i}`, what: 'torn link' }))
  const lines = formatProblems({ problems, complete: true })
  t.match(lines[0], /^25 problems; what could depend on it was kept:$/)
  t.equal(lines.length, 22)
  t.match(lines.at(-1), /and 5 more/)
  t.same(formatProblems({ problems: [], complete: true }), [])
  const stray = { path: 'repositories/a\nb\u001b[2J', what: 'does not belong here' }
  t.same(formatProblems({ problems: [stray], complete: true }).slice(1), [
    String.raw`  repositories/a\nb\x1b[2J: does not belong here`,
  ])
})

t.test('a report says what was left and given back', async (t) => {
  const text = formatCollect({
    ...NO_COLLECTION,
    repositories: { seen: 3, removed: 1, left: 1 },
    blobs: { ...NO_COLLECTION.blobs, restored: 2 },
  })
  t.match(text, /^repositories +3 +2 +1$/m)
  t.match(text, /^2 blobs were given back from it$/m)
  t.match(text, /^1 repository changed meanwhile: left for the next time$/m)
})
