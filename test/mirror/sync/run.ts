import t from 'tap'
import { runPlan } from '../../../src/mirror/sync/run.ts'
import { parseRepositoryName } from '../../../src/oci/name.ts'
import { parseTag } from '../../../src/oci/reference.ts'
import { pushLayers } from '../../helpers/mirror.ts'
import { breakSyncs } from '../../helpers/store.ts'
import { setRunScene } from '../../helpers/sync-run.ts'

const ALL = '{from: up.test/team/app, to: lab/app}'
const LAB = parseRepositoryName('lab/app')
const [V1, V2] = [parseTag('v1'), parseTag('v2')]
const layer = (fill: number): Buffer => Buffer.alloc(1000, fill)

t.test('images come in the order of the plan, with what came for each, and what is here is only told', async (t) => {
  const { client, read, parts, events, store } = await setRunScene(t)
  await pushLayers(client, 'team/app', [layer(1)], { reference: 'v1' })
  const first = await read(ALL)
  t.match((await runPlan(first.plan, first.work, parts)).images, [{ tag: 'v1', result: 'copied' }])
  await pushLayers(client, 'team/app', [layer(1), layer(2)], { reference: 'v2' })
  events.length = 0
  const { plan, work } = await read(ALL)
  const { images, bytes, blobs, fault } = await runPlan(plan, work, parts)
  t.match(images, [
    { tag: 'v1', result: 'here', bytes: 0 },
    { tag: 'v2', result: 'copied', bytes: plan.bytes },
  ])
  t.same({ bytes, blobs, fault }, { bytes: plan.bytes, blobs: 2, fault: undefined })
  t.equal(events.filter((event) => 'ended' in event).length, 2)
  const last = events.findLast((event) => 'phase' in event)
  t.match(last, { phase: 'fetch', done: 2, total: 2, bytes: plan.bytes, totalBytes: plan.bytes, images: [] })
  t.same(store.mirrored.tag(LAB, V1)?.by, ['s'], 'what was here is meant by this sync as well')
})

t.test('what one image fails with does not keep the others', async (t) => {
  const { client, gateway, read, parts, store } = await setRunScene(t)
  const { layers } = await pushLayers(client, 'team/app', [layer(1)], { reference: 'v1' })
  await pushLayers(client, 'team/app', [layer(2)], { reference: 'v2' })
  const { plan, work } = await read(ALL)
  gateway.spoil = ({ url }, bytes) => (url.includes(layers[0] ?? '') ? Buffer.alloc(bytes.length) : bytes)
  const { images, fault } = await runPlan(plan, work, parts)
  t.match(images, [
    { tag: 'v1', result: 'failed', why: /bytes that are not/ },
    { tag: 'v2', result: 'copied' },
  ])
  t.equal(fault, undefined)
  t.equal(store.tags.resolve(LAB, V1), undefined)
  t.ok(store.tags.resolve(LAB, V2))
})

t.test('a full disk ends the run, and each image says so', async (t) => {
  let isFull = false
  const scene = await setRunScene(
    t,
    breakSyncs('blob file', 'ENOSPC', () => isFull),
  )
  const { client, read, parts } = scene
  for (const tag of ['v1', 'v2']) await pushLayers(client, 'team/app', [Buffer.from(tag)], { reference: tag })
  const { plan, work } = await read(ALL)
  isFull = true
  const { images, fault } = await runPlan(plan, work, parts)
  t.match(fault, { code: 'ENOSPC' })
  t.match(images, [
    { result: 'failed', why: /ENOSPC/ },
    { result: 'failed', why: /ENOSPC/ },
  ])
})

t.test('a run that was stopped begins no image, and names none as fetched', async (t) => {
  const { client, gateway, read, parts, stop } = await setRunScene(t)
  await pushLayers(client, 'team/app', [layer(1)], { reference: 'v1' })
  const { plan, work } = await read(ALL)
  stop()
  const { images } = await runPlan(plan, work, parts)
  t.match(images, [{ result: 'failed', why: 'the sync was stopped', bytes: 0 }])
  t.equal(gateway.blobBytes(), 0)
})

t.test('what could not be read is told without being asked for again', async (t) => {
  const { client, gateway, read, parts } = await setRunScene(t)
  await pushLayers(client, 'team/app', [layer(1)], { reference: 'v1' })
  const { plan, work } = await read('{from: "up.test/team/app:gone", to: lab/app}')
  gateway.seen.length = 0
  const { images } = await runPlan(plan, work, parts)
  t.match(images, [{ from: 'up.test/team/app:gone', result: 'failed', why: /\S/ }])
  t.equal(gateway.seen.length, 0)
})
