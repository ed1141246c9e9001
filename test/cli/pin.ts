import { rmSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import type { Test } from 'tap'
import { digestOf } from '../../src/oci/digest.ts'
import { parseTag } from '../../src/oci/reference.ts'
import { runCommand, writeHome } from '../helpers/command.ts'
import { imageOf, partOf, plantBlob, plantFile, plantManifest } from '../helpers/plant.ts'
import type { TestStore } from '../helpers/store.ts'
import { A, B, makeStore } from '../helpers/store.ts'

const CONFIG = Buffer.from('{}')
const IMAGE = imageOf(partOf(CONFIG))
const V1 = parseTag('v1')

function make(t: Test): { store: TestStore; config: string } {
  const home = t.testdir({ data: {} })
  const store = makeStore(join(home, 'data'))
  plantBlob(store, A, CONFIG)
  plantManifest(store, A, IMAGE, V1)
  plantManifest(store, A, IMAGE, parseTag('latest'))
  return { store, config: writeHome(home, store.directory) }
}

const run = (config: string, ...args: string[]) => runCommand(['pin', '--config', config, ...args])

t.test('pins images, lists them, lets go of them', async (t) => {
  const { store, config } = make(t)
  t.same(await run(config), { code: 0, stdout: '', stderr: `nothing is pinned in ${store.directory}\n` })
  const pinned = await run(
    config,
    'team/a:v1',
    'team/a',
    `team/a@${digestOf(IMAGE).slice(0, 19)}`,
    '--reason',
    'release',
  )
  t.equal(pinned.code, 0, pinned.stderr)
  t.equal(pinned.stdout, `pinned team/a:v1\npinned team/a:latest\npinned team/a@${digestOf(IMAGE)}\n`)
  const lines = (await run(config)).stdout.trimEnd().split('\n')
  t.match(lines.shift(), /^PINNED +REASON$/)
  t.same(
    new Set(lines.map((line) => line.replace(/ +/, ' '))),
    new Set([`team/a@${digestOf(IMAGE)} release`, 'team/a:latest release', 'team/a:v1 release']),
  )
  const again = await run(config, 'team/a:v1', '--reason', 'another')
  t.equal(again.code, 0)
  t.equal(store.pins.list().pins.length, 3)
  t.equal(store.pins.protects(A, { tag: V1 })?.reason, 'another')
  t.equal((await run(config, '--remove', 'team/a:v1', `team/a@${digestOf(IMAGE)}`)).code, 0)
  t.same(
    store.pins.list().pins.map(({ images }) => images),
    [[{ name: A, tag: 'latest' }]],
  )
})

t.test('an image is taken out of a pin of several, which keeps the rest', async (t) => {
  const { store, config } = make(t)
  const images = [
    { name: A, tag: V1 },
    { name: B, tag: V1 },
  ]
  plantManifest(store, B, IMAGE, V1)
  await store.pins.add('release', { reason: 'r', images, blobs: [] })
  t.equal((await run(config, '--remove', 'team/a:v1')).stdout, 'team/a:v1 is no longer pinned\n')
  t.same(store.pins.list().pins, [{ id: 'release', reason: 'r', images: [images[1]], blobs: [] }])
})

t.test('a pin that a person wrote under any name is let go of like any other', async (t) => {
  const { store, config } = make(t)
  plantFile(join(store.layout.pins, 'Für Später (2).json'), '{"images":["team/a:v1","team/a:latest"]}')
  t.equal((await run(config, '--remove', 'team/a:v1')).stdout, 'team/a:v1 is no longer pinned\n')
  t.same(
    store.pins.list().pins.map(({ images }) => images.map(({ tag }) => tag)),
    [['latest']],
  )
  t.equal((await run(config, '--remove', 'team/a')).code, 0)
  t.same(store.pins.list(), { pins: [], unreadable: [] })
})

t.test('what is not here is not pinned, and then none is', async (t) => {
  const { store, config } = make(t)
  for (const wrong of ['team/none', 'team/a:none', `team/a@${digestOf(CONFIG)}`]) {
    const { code, stderr } = await run(config, 'team/a:v1', wrong)
    t.equal(code, 1)
    t.match(stderr, /^error: (.* is not here|team\/a has no tag none)\nhint: .*tarn ls/)
  }
  t.same(store.pins.list().pins, [])
  const { code, stderr } = await run(config, '--remove', 'team/a:v1')
  t.equal(code, 1)
  t.match(stderr, /^error: team\/a:v1 is not pinned\nhint: .*tarn pin\n$/)
})

t.test('patterns and options without an image are wrong usage', async (t) => {
  const { config } = make(t)
  for (const args of [['team/*'], ['--remove'], ['--reason', 'x']]) {
    const { code, stderr } = await run(config, ...args)
    t.equal(code, 2, args.join(' '))
    t.match(stderr, /^error: .*\nhint: .*\n$/)
  }
})

t.test('a pin that cannot be read is told, and a failure', async (t) => {
  const { store, config } = make(t)
  plantFile(join(store.layout.pins, 'x.json'), '{')
  const { code, stdout, stderr } = await run(config, '--json')
  t.equal(code, 1)
  t.match(JSON.parse(stdout), { pins: [], unreadable: [{ path: /x\.json$/ }] })
  t.match(stderr, /cannot be read/)
})

t.test('an image without the tag latest says so', async (t) => {
  const { store, config } = make(t)
  rmSync(store.layout.tagLink(A, parseTag('latest')))
  const { code, stderr } = await run(config, 'team/a')
  t.equal(code, 1)
  t.match(stderr, /^error: team\/a has no tag latest\nhint: .*tarn ls --tags team\/a\n$/)
})

t.test('pinned again without a reason, it keeps the one that it has', async (t) => {
  const { store, config } = make(t)
  await run(config, 'team/a:v1', '--reason', 'release')
  t.equal((await run(config, 'team/a:v1')).code, 0)
  t.equal(store.pins.protects(A, { tag: V1 })?.reason, 'release')
  t.equal((await run(config, 'team/a:v1', '--reason', '')).code, 0)
  t.equal(store.pins.protects(A, { tag: V1 })?.reason, '')
})

t.test('a reason cannot speak to the terminal', async (t) => {
  const { config } = make(t)
  await run(config, 'team/a:v1', '--reason', '\u001b[2Jgone\nteam/b:v1  forged')
  const { stdout } = await run(config)
  t.match(stdout, /^team\/a:v1 +\\x1b\[2Jgone\\nteam\/b:v1  forged$/m)
  t.equal(stdout.trimEnd().split('\n').length, 2)
})
