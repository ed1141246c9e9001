import { createHash, randomBytes } from 'node:crypto'
import { readdirSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { pino } from 'pino'
import t from 'tap'
import type { Test } from 'tap'
import { resolveConfig } from '../../src/config/load.ts'
import type { ElsewherePlan, ElsewhereReport } from '../../src/exchange/elsewhere-report.ts'
import type { ImageTarget } from '../../src/exchange/image-target.ts'
import { openFileTarget } from '../../src/exchange/open-target.ts'
import { parsePlace } from '../../src/exchange/place.ts'
import type { SyncElsewhereParts } from '../../src/exchange/sync-elsewhere.ts'
import { syncElsewhere } from '../../src/exchange/sync-elsewhere.ts'
import { openOutward } from '../../src/mirror/open-outward.ts'
import { orderFile } from '../../src/mirror/sync/order.ts'
import type { SyncEvent } from '../../src/mirror/sync/report.ts'
import { openFetcher } from '../../src/upstream/fetch-small.ts'
import { pushLayers, startUpstream } from '../helpers/mirror.ts'
import { makeDirectory } from '../helpers/server.ts'
import { cosignPayload, makeSignatureImage, makeSigningKey, signPayload } from '../helpers/signing.ts'
import { OCI_MANIFEST, pushBlob, pushManifest } from '../helpers/push.ts'

const layer = (name: string, size = 1000): Buffer => Buffer.alloc(size, createHash('sha256').update(name).digest())

interface More extends Partial<SyncElsewhereParts> {
  readonly wrap?: (target: ImageTarget) => ImageTarget
  readonly place?: string
  readonly defaults?: string
}

/** An upstream, and a sync of these entries into a directory as oc writes it, or into another place. */
async function setScene(t: Test) {
  const { client, gateway } = await startUpstream(t)
  const directory = makeDirectory(t)
  const host = new URL(gateway.origin).host
  const events: SyncEvent[] = []
  const sync = async (
    entries: readonly string[],
    { wrap = (target) => target, place = 'dir:out', defaults = '{}', ...more }: More = {},
  ): Promise<ElsewhereReport | ElsewherePlan> => {
    const text = [
      'version: 1',
      `defaults: ${defaults}`,
      `registries: {"${host}": {insecure: true, url: ["${gateway.origin}"]}}`,
      'sync:',
      ...entries.map((entry) => `  - ${entry.replaceAll('HOST', host)}`),
    ]
    const order = orderFile(text.join('\n'), join(directory, 's.yml'), directory)
    const logger = pino({ level: 'silent' })
    const outward = openOutward(resolveConfig({}), {
      clock: Date.now,
      logger,
      random: randomBytes,
      shared: [],
      fetching: undefined,
    })
    const upstreams = outward.openUpstreams(order.registries, order.limits)
    const fetcher = openFetcher({ reach: 'anywhere' })
    const parsed = parsePlace(place.replace(/:(.*)/, (_, path: string) => `:${join(directory, path)}`))
    if (parsed === undefined) throw new Error(place)
    const target = await openFileTarget(parsed)
    events.length = 0
    try {
      return await syncElsewhere(order, {
        target: wrap(target),
        upstreams,
        fetcher,
        free: () => undefined,
        only: undefined,
        dryRun: false,
        clock: Date.now,
        elapsed: () => performance.now(),
        random: () => 0.5,
        signal: new AbortController().signal,
        onEvent: (event) => events.push(event),
        ...more,
      })
    } finally {
      await target.close()
      await Promise.all([upstreams.close(), fetcher.close()])
    }
  }
  return { client, gateway, directory, host, events, sync, out: join(directory, 'out') }
}

const resultsOf = (report: ElsewhereReport | ElsewherePlan): Record<string, string> =>
  Object.fromEntries(
    report.images.map((image) => [`${image.to}:${image.tag ?? ''}`, 'state' in image ? image.state : image.result]),
  )

t.test('the plan tells what is new, moved, incomplete and there, and the run does just that', async (t) => {
  const { client, gateway, sync, out } = await setScene(t)
  await pushLayers(client, 'team/app', [layer('one')], { reference: 'same' })
  await pushLayers(client, 'team/app', [layer('two')], { reference: 'moves' })
  const image = await pushLayers(client, 'team/app', [layer('three')], { reference: 'signed' })
  const all = ['{from: HOST/team/app, to: lab/app}']
  const planned = await sync(all, { dryRun: true })
  t.match(planned, { dryRun: true, counts: { new: 3 }, blobs: 6, fits: true, free: null, gone: [] })
  t.same(readdirSync(out), [], 'nothing was written')
  gateway.seen.length = 0
  const first = await sync(all)
  t.match(first, { dryRun: false, outcome: 'done', counts: { copied: 3 }, blobs: 6, planned: { blobs: 6 } })
  t.equal(first.bytes, gateway.blobBytes())
  t.equal(first.bytes, planned.bytes)
  const manifests = gateway.seen.filter(({ method, url }) => method === 'GET' && url.includes('/manifests/'))
  t.equal(new Set(manifests.map(({ url }) => url)).size, manifests.length, 'no manifest was asked for twice')
  await pushLayers(client, 'team/app', [layer('other')], { reference: 'moves' })
  await pushLayers(client, 'team/app', [layer('sbom')], { subject: image })
  await pushLayers(client, 'team/app', [layer('four')], { reference: 'fresh' })
  const expected = { 'lab/app:same': 'here', 'lab/app:moves': 'moved', 'lab/app:fresh': 'new' }
  t.same(resultsOf(await sync(all, { dryRun: true })), { ...expected, 'lab/app:signed': 'incomplete' })
  const second = await sync(all)
  t.same(resultsOf(second), { ...expected, 'lab/app:fresh': 'copied', 'lab/app:signed': 'completed' })
  gateway.seen.length = 0
  t.match(await sync(all), { bytes: 0, blobs: 0, counts: { here: 4 } })
  t.equal(gateway.blobBytes(), 0)
})

t.test('a layer of two repositories comes once, and lies in a directory as one file with two names', async (t) => {
  const { client, gateway, sync, out } = await setScene(t)
  const one = await pushLayers(client, 'team/a', [layer('shared', 5000), layer('a')], { reference: 'v1' })
  await pushLayers(client, 'team/b', [layer('shared', 5000), layer('b')], { reference: 'v1' })
  await sync(['{from: HOST/team/a, to: lab/a}'])
  const blob = (name: string): string => join(out, `v2/lab/${name}/blobs/${one.layers[0] ?? ''}`)
  t.equal(gateway.count(`GET /v2/team/a/blobs/${one.layers[0] ?? ''}`), 1)
  // What an earlier run brought counts too.
  const both = ['{from: HOST/team/a, to: lab/a}', '{from: HOST/team/b, to: lab/b}']
  const report = await sync(both)
  t.match(report, { outcome: 'done', counts: { copied: 1, here: 1 } })
  t.equal(gateway.count(`GET /v2/team/b/blobs/${one.layers[0] ?? ''}`), 0)
  t.equal(statSync(blob('a')).ino, statSync(blob('b')).ino)
})

t.test('what does not fit is told before the first byte', async (t) => {
  const { client, gateway, sync } = await setScene(t)
  await pushLayers(client, 'team/app', [layer('one', 5000)], { reference: 'v1' })
  const all = ['{from: HOST/team/app, to: lab/app}']
  t.match(await sync(all, { free: () => 5000, dryRun: true }), { fits: false, free: 5000 })
  await t.rejects(sync(all, { free: () => 5000 }), { message: /there is no room at dir:.* 5000 may be written/ })
  t.equal(gateway.count('GET /v2/team/app/blobs/'), 0)
  t.match(await sync(all, { free: () => 10_000 }), { outcome: 'done' })
})

t.test('two images at one place are told, and one that two entries mean alike comes once', async (t) => {
  const { client, sync } = await setScene(t)
  await pushLayers(client, 'team/a', [layer('a')], { reference: 'v1' })
  await pushLayers(client, 'team/b', [layer('b')], { reference: 'v1' })
  const report = await sync(['{from: HOST/team/a, to: lab/app}', '{from: HOST/team/b, to: lab/app}'])
  t.match(report, { outcome: 'partly', counts: { copied: 1, failed: 1 } })
  t.match(
    report.images.find((image) => image.from.includes('team/b')),
    { why: /another entry brings .*team\/a:v1 to the same tag/ },
  )
  const alike = await sync(['{from: "HOST/team/a:v1", to: lab/x}', '{from: HOST/team/a, to: lab/x}'])
  t.match(alike, { outcome: 'done', counts: { copied: 1 } })
  const names = sync(['{from: HOST/team/a}', '{from: HOST/team/b}'], { isForOne: true })
  await t.rejects(names, { message: /2 images cannot all have the name/, exitCode: 2 })
})

t.test('only what failed is tried again', async (t) => {
  const { client, gateway, host, sync } = await setScene(t)
  for (const tag of ['good', 'bad']) await pushLayers(client, 'team/app', [layer(tag)], { reference: tag })
  const all = ['{from: HOST/team/app, to: lab/app, tags: [good, bad]}']
  gateway.spoil = ({ url }, bytes) => (url.includes('/blobs/') && bytes.equals(layer('bad')) ? layer('worse') : bytes)
  t.same(resultsOf(await sync(all)), { 'lab/app:good': 'copied', 'lab/app:bad': 'failed' })
  gateway.spoil = undefined
  const again = await sync(all, { only: new Set([`${host}/team/app:bad`]) })
  t.same(resultsOf(again), { 'lab/app:bad': 'copied' })
})

t.test('only what is signed is taken, as into this registry', async (t) => {
  const { client, directory, host, sync } = await setScene(t)
  const key = makeSigningKey()
  for (const tag of ['signed', 'bare']) {
    const { digest } = await pushLayers(client, 'team/app', [layer(tag)], { reference: tag })
    if (tag === 'bare') continue
    const payload = cosignPayload(digest, `${host}/team/app`)
    const image = makeSignatureImage(digest, [{ payload, signature: signPayload(payload, key) }])
    for (const blob of [image.config, ...image.payloads]) await pushBlob(client, 'team/app', blob)
    await pushManifest(client, 'team/app', OCI_MANIFEST, image.manifest, image.tag)
  }
  writeFileSync(join(directory, 'cosign.pub'), key.publicKey)
  const rule = { type: 'sigstoreSigned', keyPath: 'cosign.pub', signedIdentity: { type: 'matchRepository' } }
  writeFileSync(join(directory, 'policy.json'), JSON.stringify({ default: [rule] }))
  const defaults = '{onlySigned: true, policy: policy.json}'
  const report = await sync(['{from: HOST/team/app, to: lab/app, tags: [signed, bare]}'], { defaults })
  t.same(resultsOf(report), { 'lab/app:signed': 'copied', 'lab/app:bare': 'failed' })
  t.match(
    report.images.find(({ tag }) => tag === 'bare'),
    { why: /not verified: it is not signed/ },
  )
})

t.test('a place that is full ends the run, and what is whole stays', async (t) => {
  const { client, sync } = await setScene(t)
  await pushLayers(client, 'team/app', [layer('one')], { reference: 'v1' })
  await pushLayers(client, 'team/app', [layer('two', 5000)], { reference: 'v2' })
  const wrap = (target: ImageTarget): ImageTarget => ({
    ...target,
    putBlob: async (repository, blob, ...rest) => {
      if (blob.size === 5000) throw Object.assign(new Error('ENOSPC: no space left'), { code: 'ENOSPC' })
      return target.putBlob(repository, blob, ...rest)
    },
  })
  const report = await sync(['{from: HOST/team/app, to: lab/app}'], { wrap })
  t.match(report, { outcome: 'failed', fault: { message: /no space left at dir:/ } })
  t.equal(resultsOf(report)['lab/app:v2'], 'failed')
})

t.test('a run that somebody stops tells what came and what did not', async (t) => {
  const { client, gateway, sync } = await setScene(t)
  const image = await pushLayers(client, 'team/app', [layer('one', 5000)], { reference: 'v1' })
  const stop = new AbortController()
  gateway.hold = ({ url }) => {
    if (!url.endsWith(image.layers[0] ?? '-')) return undefined
    stop.abort(new Error('enough'))
    return { after: 100, until: new Promise((resolve) => setImmediate(resolve)) }
  }
  const report = await sync(['{from: HOST/team/app, to: lab/app}'], { signal: stop.signal })
  t.match(report, { outcome: 'stopped', stoppedBy: 'request', counts: { failed: 1 } })
})

t.test('progress has the bytes of each image and of all', async (t) => {
  const { client, events, sync } = await setScene(t)
  await pushLayers(client, 'team/app', [layer('one', 5000)], { reference: 'v1' })
  const report = await sync(['{from: HOST/team/app, to: lab/app}'])
  const progress = events.filter((event) => 'phase' in event)
  t.same([...new Set(progress.map(({ phase }) => phase))], ['list', 'read', 'fetch'])
  t.match(progress.at(-1), { done: 1, total: 1, bytes: report.bytes, totalBytes: report.bytes })
})
