import { mkdirSync } from 'node:fs'
import t from 'tap'
import type { Test } from 'tap'
import { resolveConfig } from '../../src/config/load.ts'
import type { ConfigInput } from '../../src/config/schema.ts'
import { parseTag } from '../../src/oci/reference.ts'
import type { CollectReport } from '../../src/registry/collect.ts'
import type { UpkeepParts } from '../../src/registry/upkeep.ts'
import { createUpkeep } from '../../src/registry/upkeep.ts'
import { realSync } from '../../src/storage/sync.ts'
import { imageOf, partOf, plantBlob, plantManifest } from '../helpers/plant.ts'
import { A, B, makeContext, makeStore } from '../helpers/store.ts'

const RETENTION = { policies: [{ keep: [{ tags: 'other' }] }] }

/** Two tagged images; `stopped` is reached when the first name is removed, which then waits for `goOn`. */
function make(t: Test, input: ConfigInput = {}, parts: Partial<UpkeepParts> = {}) {
  const directory = t.testdir({})
  mkdirSync(directory, { recursive: true })
  const [stopped, gate] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
  const store = makeStore(directory, {
    ...realSync,
    async directory(site, path) {
      if (site === 'removed name') {
        stopped.resolve()
        await gate.promise
      }
      await realSync.directory(site, path)
    },
  })
  const config = Buffer.from('{}')
  for (const name of [A, B]) {
    plantBlob(store, name, config)
    plantManifest(store, name, imageOf(partOf(config)), parseTag('v1'))
  }
  const upkeep = createUpkeep({
    context: makeContext(store),
    config: resolveConfig({ storage: { filesystem: { rootdirectory: directory } }, ...input }),
    clock: store.clock,
    serving: true,
    ...parts,
  })
  const tags = (): number => [A, B].filter((name) => store.tags.resolve(name, parseTag('v1')) !== undefined).length
  return { store, upkeep, tags, stopped: stopped.promise, goOn: () => gate.resolve() }
}

const acts: Record<string, (upkeep: ReturnType<typeof make>['upkeep']) => Promise<unknown>> = {
  retention: (upkeep) => upkeep.retain({ dryRun: false }),
  'a removal': (upkeep) => upkeep.remove(['team/*:v1'], { dryRun: false }),
}

for (const [what, act] of Object.entries(acts)) {
  t.test(`closing waits for ${what} under way, which ends at its next step`, async (t) => {
    const { upkeep, tags, stopped, goOn } = make(t, { retention: RETENTION })
    const acting = act(upkeep).catch((error: Error) => error.message)
    await stopped
    let isClosed = false
    const closing = upkeep.close().then(() => (isClosed = true))
    for (let turn = 0; turn < 20; turn += 1) await new Promise((resolve) => setImmediate(resolve))
    t.notOk(isClosed)
    goOn()
    await closing
    t.match(await acting, /closing/)
    t.equal(tags(), 1, 'the other tag is where it was')
    await t.rejects(act(upkeep), /closing/)
  })
}

t.test('closing waits for no dry run', async (t) => {
  const { store, upkeep } = make(t, { retention: RETENTION })
  const free = Promise.withResolvers<void>()
  const busy = store.changes.run(A, () => free.promise)
  const dry = upkeep.remove(['team/*:v1'], { dryRun: true })
  const retaining = upkeep.retain({ dryRun: true })
  await upkeep.close()
  free.resolve()
  await busy
  t.equal((await dry).tags, 2)
  t.equal((await retaining).tags.removed, 2)
})

t.test('collections are told when they end, well or not; dry runs never', async (t) => {
  const told: (CollectReport | undefined)[] = []
  let reason: string | undefined
  const directory = t.testdir({})
  const store = makeStore(directory)
  const upkeep = createUpkeep({
    context: makeContext(store, { readOnly: () => reason }),
    config: resolveConfig({ storage: { filesystem: { rootdirectory: directory } } }),
    clock: store.clock,
    serving: true,
    onCollected: (report) => told.push(report),
  })
  await upkeep.collector.run({ dryRun: true })
  t.same(told, [])
  const report = await upkeep.collector.run({ dryRun: false })
  t.same(told, [report])
  reason = 'it is read-only'
  await t.rejects(upkeep.collector.run({ dryRun: false }))
  t.same(told, [report, undefined])
  await upkeep.close()
  await t.rejects(upkeep.collector.run({ dryRun: true }), /stopped/)
  t.equal(told.length, 2)
})
