// The parts of a run of a sync in the test's own process: a directory, what fetches into it, and another Tarn behind a
// gateway as the upstream `up.test`.
import type { Test } from 'tap'
import { usualUpstream } from '../../src/config/upstreams.ts'
import { Fetching } from '../../src/mirror/fetching.ts'
import { orderFile } from '../../src/mirror/sync/order.ts'
import { Patience } from '../../src/mirror/sync/patience.ts'
import type { ReadPlan } from '../../src/mirror/sync/read-plan.ts'
import { readPlan } from '../../src/mirror/sync/read-plan.ts'
import type { SyncEvent } from '../../src/mirror/sync/report.ts'
import type { RunParts } from '../../src/mirror/sync/run.ts'
import { ImagePolicies } from '../../src/mirror/sync/verify-images.ts'
import { Upstream } from '../../src/mirror/upstream.ts'
import type { Context } from '../../src/registry/context.ts'
import type { Sync } from '../../src/storage/sync.ts'
import type { StartedUpstream } from './mirror.ts'
import { startUpstream, UP } from './mirror.ts'
import type { TestStore } from './store.ts'
import { makeContext, makeStore } from './store.ts'
import { openUpstream } from './upstream.ts'

export interface RunScene extends StartedUpstream {
  readonly store: TestStore
  readonly context: Context
  /** What the upstream has now of these entries, compared with the directory. */
  readonly read: (...entries: readonly string[]) => Promise<ReadPlan>
  /** The same of one entry, beside another one of its file that runs at another time. */
  readonly readBeside: (entry: string, other: string) => Promise<ReadPlan>
  /** For a run; what it tells is in `events`. */
  readonly parts: RunParts
  readonly events: SyncEvent[]
  /** Ends the run. */
  readonly stop: () => void
}

/** Sets the scene; `sync` are fsyncs that a test watches or breaks. */
export async function setRunScene(t: Test, sync?: Sync): Promise<RunScene> {
  const upstream = await startUpstream(t)
  const store = makeStore(t.testdir({}), sync)
  const context = makeContext(store)
  const elapsed = (): number => performance.now()
  const nothing = (): void => undefined
  const logger = { info: nothing, warn: nothing, debug: nothing }
  const fetching = new Fetching({ context, logger, elapsed, onNoRoom: nothing, patience: { first: 0, later: 0 } })
  t.teardown(async () => {
    fetching.leave()
    await fetching.close()
  })
  const { origin } = upstream.gateway
  const config = { ...usualUpstream(UP), url: [origin], insecure: true }
  const at = new Upstream(config, openUpstream(t, [origin], { host: UP }))
  const ending = new AbortController()
  const { signal } = ending
  const patience = new Patience({ elapsed, signal, random: () => 0, limits: { silence: 0 } })
  const events: SyncEvent[] = []
  const orderOf = (...entries: readonly string[]) =>
    orderFile(['version: 1', 'sync:', ...entries.map((each) => `  - ${each}`)].join('\n'), '/s.yml', '/')
  const reading: Parameters<typeof readPlan>[1] = {
    context,
    fetching,
    policies: new ImagePolicies([], {
      fetcher: { get: () => Promise.reject(new Error('no')) },
      clock: store.clock,
    }),
    clock: store.clock,
    upstreamOf: () => at,
    known: [],
    signal,
    patient: (host, act) => patience.run(host, act),
    datesOf: async () => new Map(),
    onProgress: (event) => events.push(event),
    only: undefined,
  }
  return {
    ...upstream,
    store,
    context,
    events,
    stop: () => ending.abort(new Error('enough')),
    parts: { context, fetching, patience, owner: 's', elapsed, signal, onEvent: (event) => events.push(event) },
    read: (...entries) => readPlan(orderOf(...entries), reading),
    readBeside: (entry, other) => readPlan({ ...orderOf(entry), beside: orderOf(other).entries }, reading),
  }
}
