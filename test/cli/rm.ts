import { join } from 'node:path'
import t from 'tap'
import type { Test } from 'tap'
import { digestOf } from '../../src/oci/digest.ts'
import { parseTag } from '../../src/oci/reference.ts'
import { runCommand, writeHome } from '../helpers/command.ts'
import { imageOf, partOf, plantBlob, plantManifest } from '../helpers/plant.ts'
import type { TestStore } from '../helpers/store.ts'
import { A, B, makeStore } from '../helpers/store.ts'

const CONFIG = Buffer.from('{}')
const IMAGE = imageOf(partOf(CONFIG))
const V1 = parseTag('v1')
const SIZE = IMAGE.length + CONFIG.length

function make(t: Test): { store: TestStore; config: string } {
  const home = t.testdir({ data: {} })
  const store = makeStore(join(home, 'data'))
  plantBlob(store, A, CONFIG)
  plantManifest(store, A, IMAGE, V1)
  return { store, config: writeHome(home, store.directory) }
}

const run = (config: string, args: string[], options: { input?: string; isTTY?: boolean } = {}) =>
  runCommand(['rm', '--config', config, ...args], options)

t.test('asks on a terminal, having shown what goes; only a yes removes', async (t) => {
  const { store, config } = make(t)
  for (const input of ['n\n', '\n', 'yeah\n', '']) {
    const { code, stdout, stderr } = await run(config, ['team/a:v1'], { input, isTTY: true })
    t.same([code, stdout], [1, ''], JSON.stringify(input))
    t.equal(
      stderr,
      `team/a:v1\nteam/a@${digestOf(IMAGE).slice(0, 19)}\nRemove 1 tag, 1 manifest in 1 repository, ${SIZE} B? [y/N] nothing was removed\n`,
    )
    t.ok(store.tags.resolve(A, V1))
  }
  const { code, stdout, stderr } = await run(config, ['team/a:v1'], { input: 'y\n', isTTY: true })
  t.equal(code, 0)
  t.equal(
    stdout,
    `removed 1 tag, 1 manifest in 1 repository; a collection then frees ${SIZE} B\n`,
    'what goes is told once',
  )
  t.match(stderr, /the space is freed by: tarn gc\n$/)
  t.equal(store.tags.resolve(A, V1), undefined)
})

t.test('without a terminal it wants --yes and says so, before it looks at anything', async (t) => {
  const { store, config } = make(t)
  const { code, stderr } = await run(config, ['team/a:v1'], { input: 'y\n' })
  t.equal(code, 2)
  t.match(stderr, /^error: .*\nhint: .*--dry-run.*--yes\n$/)
  t.ok(store.tags.resolve(A, V1))
  t.equal((await run(config, ['--yes', 'team/a:v1'])).code, 0)
  t.equal(store.tags.resolve(A, V1), undefined)
})

t.test('a dry run tells what would go and asks nobody', async (t) => {
  const { store, config } = make(t)
  const { code, stdout, stderr } = await run(config, ['--dry-run', 'team/a'])
  t.equal(code, 0)
  t.equal(
    stdout,
    `team/a  the whole repository: 1 tag, 1 manifest\nwould remove 1 tag, 1 manifest in 1 repository (whole); a collection then frees ${SIZE} B\n`,
  )
  t.equal(stderr, '')
  t.ok(store.tags.resolve(A, V1))
})

t.test('--json is the report', async (t) => {
  const { config } = make(t)
  const { stdout } = await run(config, ['--json', '--yes', 'team/a:v1'])
  t.same(JSON.parse(stdout), {
    dryRun: false,
    repositories: [{ name: 'team/a', whole: false, tags: ['v1'], manifests: [digestOf(IMAGE)] }],
    tags: 1,
    manifests: 1,
    freeable: { blobs: 2, bytes: SIZE },
    refused: [],
    missing: [],
    problems: [],
  })
})

t.test('what is pinned or missing is named: exit 3 when something else went, 1 when nothing did', async (t) => {
  const { store, config } = make(t)
  plantManifest(store, B, IMAGE, V1)
  await store.pins.add('x', { reason: '', images: [{ name: A, tag: V1 }], blobs: [] })
  const none = await run(config, ['--yes', 'team/a:v1'])
  t.same([none.code, none.stdout], [1, ''])
  t.match(none.stderr, /^error: team\/a:v1 is pinned\nhint: .*tarn pin --remove IMAGE\n$/)
  const some = await run(config, ['--yes', 'team/*:v1', 'team/none'])
  t.equal(some.code, 3)
  t.match(some.stderr, /error: team\/a:v1 is pinned; team\/none is not here\nhint: /)
  t.ok(store.tags.resolve(A, V1))
  t.equal(store.tags.resolve(B, V1), undefined)
  const missing = await run(config, ['--yes', 'team/none'])
  t.equal(missing.code, 1)
  t.match(missing.stderr, /^error: team\/none is not here\nhint: .*tarn ls/)
})

t.test('wrong words are wrong usage, whatever else is given', async (t) => {
  const { store, config } = make(t)
  const { code, stderr } = await run(config, ['--yes', 'team/a:v1', 'A:B:C'])
  t.equal(code, 2)
  t.match(stderr, /^error: .*\nhint: .*\n$/)
  t.ok(store.tags.resolve(A, V1))
  t.equal((await run(config, ['--yes'])).code, 2)
})

t.test('--json is the report also when nothing was there to remove', async (t) => {
  const { config } = make(t)
  const { code, stdout, stderr } = await run(config, ['--json', '--yes', 'nope'])
  t.equal(code, 1)
  t.match(JSON.parse(stdout), { dryRun: false, repositories: [], tags: 0, missing: ['nope'] })
  t.match(stderr, /^error: nope is not here/)
})
