import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import type { Test } from 'tap'
import { digestOf } from '../../src/oci/digest.ts'
import { parseTag } from '../../src/oci/reference.ts'
import { runCommand, writeHome } from '../helpers/command.ts'
import { pushLayers, startMirror, startUpstream, until } from '../helpers/mirror.ts'
import { imageOf, indexOf, partOf, plantBlob, plantFile, plantManifest } from '../helpers/plant.ts'
import type { TestStore } from '../helpers/store.ts'
import { A, B, makeStore } from '../helpers/store.ts'
import { runTarn } from '../helpers/tarn.ts'

const CONFIG = Buffer.from('{}')
const LAYER = Buffer.from('a layer')
const IMAGE = imageOf(partOf(CONFIG), [partOf(LAYER)])
const INDEX = indexOf([
  { ...partOf(IMAGE), platform: { os: 'linux', architecture: 'amd64' } } as ReturnType<typeof partOf>,
])
const TEN_DAYS_LATER = 1_000_000_000_000 + 10 * 86_400_000

function make(t: Test): { store: TestStore; config: string } {
  const home = t.testdir({ data: {} })
  const store = makeStore(join(home, 'data'))
  plantBlob(store, A, CONFIG)
  plantBlob(store, A, LAYER)
  plantManifest(store, A, IMAGE, parseTag('v1'))
  plantManifest(store, A, INDEX, parseTag('latest'))
  plantBlob(store, B, LAYER)
  return { store, config: writeHome(home, store.directory) }
}

const run = (config: string, ...args: string[]) =>
  runCommand(['ls', '--config', config, ...args], { clock: () => TEN_DAYS_LATER })

t.test('lists repositories in columns, and says the sum beside', async (t) => {
  const { config } = make(t)
  const { code, stdout, stderr } = await run(config)
  t.equal(code, 0, stderr)
  const size = IMAGE.length + INDEX.length + CONFIG.length + LAYER.length
  t.same(
    stdout.split('\n').map((line) => line.split(/ {2,}/).map((cell) => cell.trim())),
    [
      ['REPOSITORY', 'TAGS', 'SIZE', 'SHARED', 'PULLED', 'PUSHED'],
      ['team/a', '2', `${size} B`, '7 B', '-', '10 d ago'],
      ['team/b', '0', '7 B', '7 B', '-', '-'],
      [''],
    ],
  )
  t.equal(stderr, `2 repositories, 2 tags, ${size} B on disk, each blob counted once\n`)
})

t.test('a pattern with a tag lists images; --tags does for all', async (t) => {
  const { config } = make(t)
  const some = await run(config, 'team/*:l*', '--no-sizes')
  t.equal(
    some.stdout,
    `IMAGE          DIGEST               KIND         PULLED  PUSHED\nteam/a:latest  ${digestOf(INDEX).slice(0, 19)}  linux/amd64  -       10 d ago\n`,
  )
  const all = await run(config, '--tags', '--quiet')
  t.same(
    all.stdout.split('\n').map((line) => line.split(' ')[0]),
    ['IMAGE', 'team/a:latest', 'team/a:v1', ''],
  )
  t.equal(all.stderr, '')
})

t.test('a pattern that matches nothing is told, and is a failure, though others match', async (t) => {
  const { config } = make(t)
  const { code, stdout, stderr } = await run(config, 'team/a', 'team/none', '--no-sizes')
  t.match(stdout, /^team\/a /m)
  t.match(stderr, /^warning: team\/none is not here$/m)
  t.equal(code, 1)
})

t.test('a tree goes from the tag to the layers', async (t) => {
  const { config } = make(t)
  const { stdout } = await run(config, '--tree', 'team/a:latest')
  const short = (bytes: Buffer): string => digestOf(bytes).slice(0, 19)
  t.equal(
    stdout,
    [
      `team/a:latest  ${short(INDEX)}  linux/amd64`,
      `└─ linux/amd64  ${short(IMAGE)}  ${IMAGE.length} B`,
      `   ├─ config  ${short(CONFIG)}  2 B`,
      `   └─ layer  ${short(LAYER)}  7 B`,
      '',
    ].join('\n'),
  )
})

t.test('orders by what is asked for, the largest and newest first', async (t) => {
  const { config } = make(t)
  const order = async (...args: string[]): Promise<string[]> => {
    const { stdout } = await run(config, '--json', '--quiet', ...args)
    return (JSON.parse(stdout) as { repositories: { name: string }[] }).repositories.map(({ name }) => name)
  }
  t.same(await order(), [A, B])
  t.same(await order('--reverse'), [B, A])
  for (const by of ['size', 'tags', 'pushed']) t.same(await order('--sort', by), [A, B], by)
  t.same(await order('--sort', 'size', '--reverse'), [B, A])
  const wrong = await run(config, '--sort', 'colour')
  t.equal(wrong.code, 2)
})

t.test('--json has exact sizes and times, and with --tree the manifests', async (t) => {
  const { config } = make(t)
  const read = async (...args: string[]) => JSON.parse((await run(config, '--json', '--quiet', ...args)).stdout)
  const plain = await read()
  t.match(plain, {
    tags: 2,
    complete: true,
    problems: [],
    repositories: [
      { name: A, tags: 2, manifests: 2, sharedBytes: 7, pushedAt: '2001-09-09T01:46:40.000Z' },
      { name: B },
    ],
  })
  t.notOk('images' in plain.repositories[0])
  const tags = await read('--tags', 'team/a')
  t.match(tags.repositories[0].images, [
    { tag: 'latest', digest: digestOf(INDEX), platforms: ['linux/amd64'] },
    { tag: 'v1' },
  ])
  t.notOk('manifest' in tags.repositories[0].images[0])
  t.match((await read('--tree', 'team/a:v1')).repositories[0].images, [
    { manifest: { layers: [{ digest: digestOf(LAYER) }] } },
  ])
})

t.test('the last pull is read from the registry’s own record', async (t) => {
  const { store, config } = make(t)
  store.pulls.note(A, digestOf(IMAGE))
  mkdirSync(store.layout.state, { recursive: true })
  store.pulls.flush()
  const { stdout } = await runCommand(['ls', '--config', config, '--tags', '--json', '--quiet'])
  const [row] = (
    JSON.parse(stdout) as { repositories: { pulledAt?: string; images: { tag: string; pulledAt?: string }[] }[] }
  ).repositories
  t.same(
    row?.images.map(({ tag, pulledAt }) => [tag, pulledAt !== undefined]),
    [
      ['latest', false],
      ['v1', true],
    ],
  )
  t.ok(row?.pulledAt)
})

t.test('what matches nothing is a failure with a hint, an empty registry is none', async (t) => {
  const { config } = make(t)
  const none = await run(config, 'nobody/*')
  t.equal(none.code, 1)
  t.match(none.stderr, /^error: nothing in \/.*\/data matches nobody\/\*\nhint: .*tarn ls/)
  const home = t.testdir({ data: {} })
  const empty = await run(writeHome(home, join(home, 'data')))
  t.same(empty, { code: 0, stdout: '', stderr: `there are no repositories in ${join(home, 'data')}\n` })
})

t.test('wrong words and a directory that is not there are told with what to do', async (t) => {
  const { config } = make(t)
  const wrong = await run(config, 'A:B:C')
  t.equal(wrong.code, 2)
  t.match(wrong.stderr, /^error: .*\nhint: .*\n$/)
  const home = t.testdir({})
  const missing = await run(writeHome(home, join(home, 'none')))
  t.equal(missing.code, 1)
  t.match(
    missing.stderr,
    /^error: there is no data directory .*none \(.*config\.yml names it\)\nhint: .*--config FILE\n$/,
  )
})

t.test('warns of what is torn and goes on', async (t) => {
  const { store, config } = make(t)
  plantFile(store.layout.tagLink(A, parseTag('torn')), 'x')
  const { code, stderr } = await run(config)
  t.equal(code, 1, 'there may be more than is listed')
  t.match(
    stderr,
    /warning: docker\/registry\/v2\/repositories\/team\/a\/.*torn.*: a torn tag\n1 problem; look closer: tarn check\n$/,
  )
})

t.test('what a manifest says cannot speak to the terminal', async (t) => {
  const { store, config } = make(t)
  const evil = imageOf(partOf(CONFIG), [], { artifactType: 'x/\u001b]0;owned\u0007\n\u202etxt' })
  plantManifest(store, A, evil, parseTag('evil'))
  for (const how of ['--tags', '--tree']) {
    const { stdout } = await run(config, how, 'team/a:evil')
    t.match(stdout, String.raw`x/\x1b]0;owned\x07\n\u202etxt`)
    // oxlint-disable-next-line no-control-regex
    t.notMatch(stdout, /[\u0000-\u0009\u000b-\u001f\u202e]/)
  }
})

t.test('as a process of its own, from inside a home, it needs nobody', async (t) => {
  const { config } = make(t)
  const { code, stdout } = await runTarn(join(config, '..'), ['ls', '--quiet', 'team/b'])
  t.equal(code, 0)
  t.match(stdout, /^REPOSITORY .*\nteam\/b /)
})

t.test('--mirror lists what came from upstreams, with its origin and when that was last asked', async (t) => {
  const { client, gateway } = await startUpstream(t)
  await pushLayers(client, 'team/app', [Buffer.from('theirs')], { reference: 'v1' })
  const mirror = await startMirror(t, [gateway])
  await mirror.client.send('GET', '/v2/up.test/team/app/manifests/v1')
  const config = writeHome(mirror.directory, mirror.data)
  const list = (...args: string[]) => runCommand(['ls', '--mirror', '--config', config, ...args], { clock: Date.now })
  await until('the image is here', async () => (await list('--quiet')).stdout !== '')
  await pushLayers(mirror.client, 'up.test/team/app', [Buffer.from('ours')], { reference: 'mine' })
  await pushLayers(mirror.client, 'team/other', [Buffer.from('ours')], { reference: 'v1' })

  const { stdout } = await list('--no-sizes')
  t.match(
    stdout.split('\n').map((line) => line.split(/ {2,}/)),
    [
      ['IMAGE', 'DIGEST', 'KIND', 'PULLED', 'PUSHED', 'UPSTREAM', 'CHECKED'],
      ['up.test/team/app:v1', /^sha256:/, 'image', /./, /ago$/, 'up.test', /ago$/],
      [''],
    ],
  )
  const { repositories } = JSON.parse((await list('--json')).stdout) as { repositories: { images: object[] }[] }
  t.match(repositories, [
    { name: 'up.test/team/app', images: [{ tag: 'v1', mirrored: { upstream: 'up.test', checkedAt: /^20.*Z$/ } }] },
  ])
  t.equal(repositories.length, 1)

  await pushLayers(mirror.client, 'up.test/team/app', [Buffer.from('ours as well')], { reference: 'v1' })
  t.equal((await list('--quiet')).stdout, '', 'what was pushed over it is ours')
})
