import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { buildRegistry } from '../../src/app.ts'
import { resolveConfig } from '../../src/config/load.ts'
import type { CollectionResult } from '../../src/http/collection-tally.ts'
import type { ReadinessParts } from '../../src/http/readiness.ts'
import { createReadiness } from '../../src/http/readiness.ts'
import { digestOf } from '../../src/oci/digest.ts'
import { plantBytes } from '../helpers/plant.ts'
import { startTarn } from '../helpers/server.ts'
import { A, breakSyncs, makeStore, pushBytes } from '../helpers/store.ts'

const DAY = 86_400_000

function make(directory: string, parts: Partial<ReadinessParts> = {}, marks?: { warn: string; stop: string }) {
  const store = makeStore(directory, undefined, marks === undefined ? {} : { room: marks })
  return createReadiness({ store, keeps: () => true, checks: () => [], isStalled: () => false, ...parts })
}

t.test('where all is well nothing is said', async (t) => {
  const readiness = make(t.testdir({}), { certificateLeft: () => 15 * DAY, lastCollection: () => 'complete' })
  t.same(await readiness.problems(), [])
  t.same(readiness.notes(), [])
})

t.test('little room is a note, not a problem: what is here can be pulled', async (t) => {
  const directory = t.testdir({})
  const low = make(directory, {}, { warn: '100%', stop: '0' })
  t.same([await low.problems(), low.notes()], [[], ['room: low']])
  const none = make(directory, {}, { warn: '100%', stop: '100%' })
  t.same([await none.problems(), none.notes()], [[], ['room: none, new uploads are refused']])
})

t.test('a certificate that ends soon is a note, one that ended a problem', async (t) => {
  const left = async (time: number) => {
    const readiness = make(t.testdirName, { certificateLeft: () => time })
    return [await readiness.problems(), readiness.notes()]
  }
  t.testdir({})
  t.same(await left(14 * DAY), [[], []])
  t.same(await left(14 * DAY - 1), [[], ['certificate: ends in 13 days']])
  t.same(await left(1.5 * DAY), [[], ['certificate: ends in 1 day']])
  t.same(await left(1), [[], ['certificate: ends within a day']])
  t.same(await left(0), [['certificate: expired'], []])
})

t.test('a quarantine that holds something and a collection that went wrong are notes', async (t) => {
  const directory = t.testdir({})
  let last: CollectionResult | undefined
  const readiness = make(directory, { lastCollection: () => last })
  const quarantine = join(directory, '.tarn/quarantine')
  mkdirSync(quarantine, { recursive: true })
  t.same(readiness.notes(), [])
  writeFileSync(join(quarantine, 'sha256-x'), '')
  last = 'incomplete'
  t.same(readiness.notes(), ['quarantine: not empty', 'collection: the last one was not complete'])
  rmSync(quarantine, { recursive: true })
  last = 'failed'
  t.same(readiness.notes(), ['collection: the last one was broken off by an error'])
})

t.test('the full disk that an fsync met is a note, and gone with the next write that works', async (t) => {
  let full = true
  const config = resolveConfig({ storage: { filesystem: { rootdirectory: t.testdir({}) } } })
  const app = await buildRegistry(config, { sync: breakSyncs('blob file', 'ENOSPC', () => full) })
  t.teardown(() => app.close())
  const url = await app.listen({ host: '127.0.0.1', port: 0 })
  const digest = 'sha256:2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881'
  const push = () => fetch(`${url}/v2/a/blobs/uploads/?digest=${digest}`, { method: 'POST', body: 'x' })
  const ready = async () => {
    const answer = await fetch(`${url}/readyz`)
    return [answer.status, await answer.text()]
  }
  t.equal((await push()).status, 503)
  t.same(await ready(), [200, 'ok\nroom: none, new uploads are refused\n'])
  full = false
  t.equal((await push()).status, 201)
  t.same(await ready(), [200, 'ok\n'])
})

t.test('readyz and metrics of a server say how it stands with the room and the uploads', async (t) => {
  const { url } = await startTarn(t, { limits: { room: { warn: '100%', stop: '0' } } })
  await fetch(`${url}/v2/a/blobs/uploads/`, { method: 'POST' })
  const ready = await fetch(`${url}/readyz`)
  t.equal(ready.status, 200)
  t.equal(await ready.text(), 'ok\nroom: low\n')
  const text = await (await fetch(`${url}/metrics`)).text()
  t.match(text, /^tarn_room_state\{state="warn"\} 1$/m)
  t.match(text, /^tarn_room_free_bytes [1-9]\d+$/m)
  t.match(text, /^tarn_uploads\{state="waiting"\} 1$/m)
  t.match(text, /^tarn_quarantine_files 0$/m)
  t.match(text, /^tarn_collections_total\{result="complete"\} \d+$/m)
  t.match(text, /^nodejs_eventloop_lag_p99_seconds /m)
  t.notMatch(text, /^tarn_certificate_days_left/m, 'there is none')
})

t.test('a blob with wrong bytes is a note from the moment it is seen until it is right again', async (t) => {
  const seen: string[] = []
  const store = makeStore(t.testdir({}), undefined, { onSuspect: ({ digest }) => seen.push(digest) })
  const readiness = createReadiness({ store, keeps: () => true, checks: () => [], isStalled: () => false })
  const digest = plantBytes(store, Buffer.from('rotten'), digestOf(Buffer.from('good')))
  t.same(readiness.notes(), [])
  t.equal(await store.blobs.ensureWhole(digest), undefined)
  t.equal(await store.blobs.ensureWhole(digest), undefined)
  t.same(seen, [digest], 'told once')
  t.same(readiness.notes(), ['damage: blobs with wrong bytes are refused'])
  await pushBytes(store, A, Buffer.from('good'))
  t.same(readiness.notes(), [])
})
