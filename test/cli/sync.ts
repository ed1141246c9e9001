import { createHash } from 'node:crypto'
import { existsSync, readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { subjectTagOf } from '../../src/oci/subject-tag.ts'
import type { Digest } from '../../src/oci/digest.ts'
import type { SyncReport } from '../../src/mirror/sync/report.ts'
import { openClient } from '../helpers/client.ts'
import { findSocket } from '../helpers/home.ts'
import { pushIndex, pushLayers, startUpstream, until } from '../helpers/mirror.ts'
import { pushImage } from '../helpers/push.ts'
import { setSyncScene } from '../helpers/sync.ts'
import { runTarn } from '../helpers/tarn.ts'

const layer = (name: string, size = 1000): Buffer => Buffer.alloc(size, createHash('sha256').update(name).digest())
const ALL = '{from: HOST/team/app, to: lab/app}'
const resultsOf = ({ images }: SyncReport): Record<string, string> =>
  Object.fromEntries(images.map(({ to, tag, result }) => [`${to}:${tag ?? ''}`, result]))

t.test(
  'without a registry: what a file means comes whole and byte for byte, and a second run fetches nothing',
  async (t) => {
    const { client, gateway, home, write, sync } = await setSyncScene(t)
    const [amd64, arm64] = [
      await pushLayers(client, 'team/app', [layer('base'), layer('amd64')]),
      await pushLayers(client, 'team/app', [layer('base'), layer('arm64')], { architecture: 'arm64' }),
    ]
    const index = await pushIndex(client, 'team/app', { amd64, arm64 }, 'v1')
    await pushLayers(client, 'team/app', [layer('base'), layer('two')], { reference: 'v2' })
    write(ALL)
    const first = await sync('s.yml')
    t.equal(first.code, 0, first.stderr)
    t.same(resultsOf(first.report), { 'lab/app:v1': 'copied', 'lab/app:v2': 'copied' })
    t.match(first.report, { outcome: 'done', counts: { copied: 2, failed: 0 }, pruned: [] })
    // Four layers and three configs, the base once.
    t.equal(first.report.blobs, 7)
    t.equal(first.report.bytes, gateway.blobBytes())
    t.equal(first.report.bytes, first.report.planned.bytes)
    t.match(first.stderr, /phase: fetch\n(?:.*\n)*lab\/app:v1 {2}copied/)
    gateway.seen.length = 0
    const second = await sync('s.yml')
    t.equal(second.code, 0, second.stderr)
    t.match(second.report, { bytes: 0, counts: { here: 2, copied: 0 } })
    t.equal(gateway.seen.filter(({ url }) => url.includes('/blobs/')).length, 0)
    t.equal(gateway.seen.filter(({ method, url }) => method === 'GET' && url.includes('/manifests/')).length, 0)
    const [id = ''] = readdirSync(join(home.data, '.tarn/state/sync'))
    t.match(id, /^s\.yml-[0-9a-f]{8}$/)
    const kept = JSON.parse(readFileSync(join(home.data, '.tarn/state/sync', id, 'report.json'), 'utf8')) as SyncReport
    t.same(kept, second.report)

    const serving = await home.serve()
    const here = openClient({ url: serving.url })
    t.teardown(() => here.close())
    for (const reference of ['v1', amd64.digest, arm64.digest]) {
      const headers = { accept: '*/*' }
      const theirs = await client.send('GET', `/v2/team/app/manifests/${reference}`, { headers })
      const ours = await here.send('GET', `/v2/lab/app/manifests/${reference}`, { headers })
      t.equal(ours.status, 200)
      t.ok(ours.body.equals(theirs.body))
    }
    t.equal(index.digest, first.report.images.find(({ tag }) => tag === 'v1')?.digest)
    await serving.end('SIGTERM')
  },
)

t.test('through the running registry, which the command finds by itself', async (t) => {
  const { client, home, host, write, sync } = await setSyncScene(t)
  await pushLayers(client, 'team/app', [layer('one')], { reference: 'v1' })
  const serving = await home.serve()
  await findSocket(home.data)
  write(ALL)
  const { code, report, stderr } = await sync('s.yml', '--report', 'r.json')
  t.equal(code, 0, stderr)
  t.same(resultsOf(report), { 'lab/app:v1': 'copied' })
  t.match(stderr, /lab\/app:v1 {2}copied/)
  t.same(JSON.parse(readFileSync(join(home.directory, 'r.json'), 'utf8')), report)
  t.match(report.images[0]?.from, `${host}/team/app:v1`)
  // Its marks are known again: a tag that a sync set is not taken for one that somebody pushed.
  await serving.end('SIGTERM')
  // The log of a process is whole when it has ended.
  t.match(serving.stderr(), /sync begins/)
  await pushLayers(client, 'team/app', [layer('other')], { reference: 'v1' })
  t.same(resultsOf((await sync('s.yml')).report), { 'lab/app:v1': 'moved' })
})

t.test('what refers to an image comes along: the referrers API and cosign’s tags', async (t) => {
  const { client, home, write, sync } = await setSyncScene(t)
  const image = await pushLayers(client, 'team/app', [layer('one')], { reference: 'v1' })
  const sbom = await pushLayers(client, 'team/app', [layer('sbom')], { subject: image })
  const cosign = `${subjectTagOf(image.digest as Digest)}.sig`
  await pushLayers(client, 'team/app', [layer('signature')], { reference: cosign })
  write(ALL)
  const { code, report, stderr } = await sync('s.yml')
  t.equal(code, 0, stderr)
  t.same(resultsOf(report), { 'lab/app:v1': 'copied' })
  const serving = await home.serve()
  const here = openClient({ url: serving.url })
  t.teardown(() => here.close())
  const referrers = await here.send('GET', `/v2/lab/app/referrers/${image.digest}`)
  t.match(JSON.parse(referrers.body.toString()), { manifests: [{ digest: sbom.digest }] })
  const signature = await here.send('HEAD', `/v2/lab/app/manifests/${cosign}`)
  t.equal(signature.status, 200)
  await serving.end('SIGTERM')
})

t.test('one bad image does not stop the rest; --missing asks for it alone', async (t) => {
  const { client, gateway, write, sync } = await setSyncScene(t)
  const good = await pushLayers(client, 'team/app', [layer('good')], { reference: 'good' })
  const bad = await pushLayers(client, 'team/app', [layer('bad')], { reference: 'bad' })
  write('{from: HOST/team/app, to: lab/app, tags: [good, bad, gone]}')
  gateway.spoil = ({ url }, bytes) => (url.endsWith(bad.layers[0] ?? '-') ? Buffer.alloc(bytes.length, 1) : bytes)
  const { code, report } = await sync('s.yml')
  t.equal(code, 3)
  t.same(resultsOf(report), { 'lab/app:good': 'copied', 'lab/app:bad': 'failed', 'lab/app:gone': 'failed' })
  t.match(report.images.find(({ tag }) => tag === 'bad')?.why, /sent bytes that are not sha256:/)
  t.match(report.images.find(({ tag }) => tag === 'gone')?.why, /has no such tag/)
  t.equal(report.outcome, 'partly')
  gateway.spoil = undefined
  gateway.seen.length = 0
  const again = await sync('s.yml', '--missing')
  t.equal(again.code, 3)
  t.same(resultsOf(again.report), { 'lab/app:bad': 'copied', 'lab/app:gone': 'failed' })
  t.equal(gateway.seen.filter(({ url }) => url.includes(good.digest) || url.endsWith('/good')).length, 0)
  const other = await sync('--missing', '-f', 's.yml')
  t.same(resultsOf(other.report), { 'lab/app:gone': 'failed' })
})

t.test('a dry run tells what would be done and writes nothing', async (t) => {
  const { client, gateway, home, write } = await setSyncScene(t)
  await pushLayers(client, 'team/app', [layer('one', 5000)], { reference: 'v1' })
  write(ALL)
  const { code, stdout, stderr } = await runTarn(home.directory, ['sync', '--dry-run', 's.yml'])
  t.equal(code, 0, stderr)
  t.match(stdout, /lab\/app:v1 +new +5\.\d+ KB/)
  t.match(stdout, /to fetch: 2 blobs, 5\.\d+ KB/)
  t.equal(gateway.seen.filter(({ url }) => url.includes('/blobs/')).length, 0)
  t.notOk(existsSync(join(home.data, 'docker')))
  t.notOk(existsSync(join(home.data, '.tarn/state/sync')))
})

t.test('what is not meant any more goes where the entry prunes, unless it is too much or pinned', async (t) => {
  const { client, home, write, sync } = await setSyncScene(t)
  for (const tag of ['a', 'b', 'c', 'd']) await pushLayers(client, 'team/app', [layer(tag)], { reference: tag })
  const pruning = (tags: string, maxShare = '30%') =>
    `{from: HOST/team/app, to: lab/app, tags: ${tags}, prune: {maxShare: ${maxShare}}}`
  write(pruning('[a, b, c, d]'))
  await sync('s.yml')
  write(pruning('[a, b, c]'))
  const first = await sync('s.yml')
  t.equal(first.code, 0, first.stderr)
  t.match(first.report.pruned, [{ to: 'lab/app', removed: ['d'], isHeld: false }])
  write(pruning('[a]'))
  const held = await sync('s.yml')
  t.equal(held.code, 3)
  t.match(held.report.pruned, [{ removed: [], isHeld: true, why: /prune\.maxShare/ }])
  await runTarn(home.directory, ['pin', 'lab/app:b'])
  const confirmed = await sync('s.yml', '--prune')
  t.match(confirmed.report.pruned, [{ removed: ['c'], why: 'pinned: lab/app:b' }])
  const { stdout } = await runTarn(home.directory, ['ls', '--tags', 'lab/app'])
  t.match(stdout, /^lab\/app:a /m)
  t.match(stdout, /^lab\/app:b /m)
  t.notMatch(stdout, /^lab\/app:[cd] /m)
})

t.test('a tag that somebody pushed here stays theirs', async (t) => {
  const { client, home, write, sync } = await setSyncScene(t)
  await pushLayers(client, 'team/app', [layer('theirs')], { reference: 'v1' })
  const serving = await home.serve()
  const here = openClient({ url: serving.url })
  t.teardown(() => here.close())
  const { digest } = await pushImage(here, 'lab/app', 'ours', { reference: 'v1' })
  await findSocket(home.data)
  write(ALL)
  const { code, report } = await sync('s.yml')
  t.equal(code, 0)
  t.match(report.images, [{ result: 'kept', why: 'somebody pushed this tag here' }])
  const answer = await here.send('HEAD', '/v2/lab/app/manifests/v1')
  t.equal(answer.headers['docker-content-digest'], digest)
  await serving.end('SIGTERM')
})

t.test('an upstream that asks to wait is waited for', async (t) => {
  const { client, gateway, write, sync } = await setSyncScene(t)
  await pushLayers(client, 'team/app', [layer('one')], { reference: 'v1' })
  const refused = new Set<string>()
  gateway.hook = ({ method, url }, response) => {
    const key = `${method} ${url}`
    if (refused.has(key) || refused.size > 2) return undefined
    refused.add(key)
    response.writeHead(429, { 'retry-after': '0' }).end()
    return true
  }
  write(ALL)
  const { code, report, stderr } = await sync('s.yml')
  t.equal(code, 0, stderr)
  t.same(resultsOf(report), { 'lab/app:v1': 'copied' })
  t.equal(refused.size, 3)
})

t.test('where there is no room nothing is fetched', async (t) => {
  const { client, gateway, write, sync } = await setSyncScene(t, 'limits: {room: {warn: "100%", stop: "100%"}}\n')
  await pushLayers(client, 'team/app', [layer('one')], { reference: 'v1' })
  write(ALL)
  const { code, stderr } = await sync('s.yml')
  t.equal(code, 1)
  t.match(stderr, /error: there is no room: \d+ bytes are needed, and 0 may still be written\nhint: /)
  t.equal(gateway.seen.filter(({ url }) => url.includes('/blobs/')).length, 0)
})

t.test('a registry that is offline by its configuration syncs nothing', async (t) => {
  const { gateway, write, sync } = await setSyncScene(t, 'mirror: {offline: true, anonymous: true}\n')
  write(ALL)
  const { code, stderr } = await sync('s.yml')
  t.equal(code, 1)
  t.match(stderr, /error: nothing can be synced: this registry is offline/)
  t.equal(gateway.connections, 0)
})

t.test('whole registries, with what their catalog lists', async (t) => {
  const { client, gateway, write, sync } = await setSyncScene(t)
  for (const repo of ['team/a', 'team/b', 'other/c'])
    await pushLayers(client, repo, [layer('shared'), layer(repo)], { reference: 'v1' })
  write('{from: HOST, to: lab, repositories: ["team/**"]}')
  const { code, report, stderr } = await sync('s.yml')
  t.equal(code, 0, stderr)
  t.same(resultsOf(report), { 'lab/team/a:v1': 'copied', 'lab/team/b:v1': 'copied' })
  // The layer that both have came once.
  t.equal(report.bytes, gateway.blobBytes())
  t.equal(report.blobs, 5)
})

t.test('wrong usage says how it is meant', async (t) => {
  const { home, write, sync } = await setSyncScene(t)
  write('{from: HOST/team/app}')
  const wrong = async (expected: RegExp, ...args: readonly string[]): Promise<void> => {
    const { code, stderr } = await sync(...args)
    t.equal(code, 2, stderr)
    t.match(stderr, expected)
  }
  await wrong(/nothing says what to sync/)
  await wrong(/"alpine" is no image with the name of its registry/, 'alpine')
  await wrong(/there is no sync file none\.yml/, 'none.yml')
  await wrong(/more than a source and a destination/, 'docker.io/a/b:1', 'c', 'd')
  await wrong(/images out of files come into this registry, and nothing else/, 'oci:place', '-f', 's.yml')
  await wrong(/--platform and --no-referrers are for one image/, 's.yml', '--platform', 'linux/amd64')
  write('{from: HOST/team/app, to: lab/app}')
  await wrong(/there is no report of an earlier sync/, 's.yml', '--missing')
  t.notOk(existsSync(join(home.data, '.tarn/state/sync')))
})

t.test('one image by its name, at the place of the mirror or at another', async (t) => {
  const { client, gateway, host, sync } = await setSyncScene(t)
  await pushLayers(client, 'team/app', [layer('one')], { reference: 'v1' })
  // Its host speaks plain HTTP, and only a configuration may allow that.
  const refused = await sync(`${host}/team/app:v1`)
  t.equal(refused.code, 3)
  t.match(refused.report, { id: 'image', images: [{ result: 'failed' }] })
  const mirror = `mirror: {anonymous: true, upstreams: [{host: "${host}", url: ["${gateway.origin}"], insecure: true}]}\n`
  const other = await setSyncScene(t, mirror)
  const placed = await other.sync(`${host}/team/app:v1`)
  t.equal(placed.code, 0, placed.stderr)
  t.same(resultsOf(placed.report), { [`${host.replace(':', '_')}/team/app:v1`]: 'copied' })
  const named = await other.sync(`${host}/team/app:v1`, 'lab/other:mine')
  t.same(resultsOf(named.report), { 'lab/other:mine': 'copied' })
  t.equal(named.report.bytes, 0, 'what is here is linked')
})

t.test('a sync and a pull of one blob make one transfer', async (t) => {
  const { client, gateway, host } = await setSyncScene(t)
  const image = await pushLayers(client, 'team/app', [layer('one', 100_000)], { reference: 'v1' })
  const digest = image.layers[0] ?? ''
  const mirror = `mirror: {anonymous: true, upstreams: [{host: "${host}", url: ["${gateway.origin}"], insecure: true}]}\n`
  const other = await setSyncScene(t, mirror)
  const serving = await other.home.serve()
  await findSocket(other.home.data)
  const held = Promise.withResolvers<void>()
  gateway.hold = ({ url }) => (url.endsWith(digest) ? { after: 1000, until: held.promise } : undefined)
  const syncing = other.sync(`${host}/team/app:v1`)
  await until('the sync fetches the layer', () => gateway.count(`GET /v2/team/app/blobs/${digest}`) > 0)
  // Its head comes while the rest is held back: the pull reads what the sync fetches.
  const pulled = await fetch(`${serving.url}/v2/${host.replace(':', '_')}/team/app/blobs/${digest}`)
  t.equal(pulled.status, 200)
  held.resolve()
  t.ok(Buffer.from(await pulled.arrayBuffer()).equals(layer('one', 100_000)))
  const { code, report, stderr } = await syncing
  t.equal(code, 0, stderr)
  t.equal(report.counts.copied, 1)
  t.equal(gateway.count(`GET /v2/team/app/blobs/${digest}`), 1)
  await serving.end('SIGTERM')
})

t.test('into another registry and into an OCI layout, past this registry', async (t) => {
  const { client, host, home, write } = await setSyncScene(t)
  const other = await startUpstream(t)
  const place = new URL(other.gateway.origin).host
  const image = await pushLayers(client, 'team/app', [layer('one')], { reference: 'v1' })
  write(ALL)
  const to = ['--to', `docker://${place}/far`, '--to-insecure']
  const dry = await runTarn(home.directory, ['sync', 's.yml', ...to, '--dry-run'])
  t.match(dry.stdout, /far\/lab\/app:v1 +new .*\n1 image: 1 new\nto fetch: 2 blobs/)
  const pushed = await runTarn(home.directory, ['--json', 'sync', 's.yml', ...to])
  t.equal(pushed.code, 0, pushed.stderr)
  t.match(JSON.parse(pushed.stdout), { outcome: 'done', counts: { copied: 1 }, target: place })
  const there = await other.client.send('HEAD', '/v2/far/lab/app/manifests/v1')
  t.equal(there.headers['docker-content-digest'], image.digest)
  const again = await runTarn(home.directory, ['--json', 'sync', 's.yml', ...to, '--report', 'r.json'])
  t.match(JSON.parse(again.stdout), { bytes: 0, counts: { here: 1 } })
  const missing = await runTarn(home.directory, ['--json', 'sync', 's.yml', ...to, '--missing', '--report', 'r.json'])
  t.match(JSON.parse(missing.stdout), { images: [], outcome: 'done' }, 'nothing had failed')
  const kept = readFileSync(join(home.directory, 'r.json'), 'utf8')
  const look = ['sync', 's.yml', ...to, '--missing', '--report', 'r.json', '--dry-run']
  const looked = await runTarn(home.directory, look)
  t.match(looked.stderr, /r\.json has the report of a sync and stays as it is/)
  t.equal(readFileSync(join(home.directory, 'r.json'), 'utf8'), kept)
  const unknown = await runTarn(home.directory, ['sync', 's.yml', ...to, '--missing'])
  t.equal(unknown.code, 2)
  t.match(unknown.stderr, /nothing says what failed the last time\nhint: add --report FILE/)
  const layout = await runTarn(home.directory, ['sync', 's.yml', '--to', 'oci:layout'])
  t.equal(layout.code, 0, layout.stderr)
  t.match(JSON.parse(readFileSync(join(home.directory, 'layout/index.json'), 'utf8')), {
    manifests: [{ digest: image.digest }],
  })
  const wrong = await runTarn(home.directory, ['sync', 's.yml', '--to', 'nowhere'])
  t.equal(wrong.code, 2)
  t.notOk(existsSync(join(home.data, 'docker')), `nothing came from ${host} to this registry`)
})

t.test('an image that cannot be whole is not seen at all', async (t) => {
  const { client, gateway, home, write, sync } = await setSyncScene(t)
  const image = await pushLayers(client, 'team/app', [layer('one'), layer('two')], { reference: 'v1' })
  gateway.hook = ({ url }, response) => {
    if (!url.endsWith(image.layers[1] ?? '-')) return undefined
    response.writeHead(404).end()
    return true
  }
  write(ALL)
  const { code } = await sync('s.yml')
  t.equal(code, 3)
  t.notOk(existsSync(join(home.data, 'docker/registry/v2/repositories/lab/app/_manifests/tags/v1')))
})
