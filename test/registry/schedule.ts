// The acts that the keeper does by itself, on real parts and a clock that strikes every second.
import type { Test } from 'tap'
import t from 'tap'
import type { Config } from '../../src/config/schema.ts'
import { resolveConfig } from '../../src/config/load.ts'
import { parseTag } from '../../src/oci/reference.ts'
import type { ScheduleParts } from '../../src/registry/schedule.ts'
import { scheduleUpkeep } from '../../src/registry/schedule.ts'
import { createUpkeep } from '../../src/registry/upkeep.ts'
import { indexOf, plantManifest } from '../helpers/plant.ts'
import { A, makeContext, makeStore } from '../helpers/store.ts'

const EVERY_SECOND = '* * * * * *'

interface Line {
  readonly level: string
  readonly fields: unknown
  readonly text: string | undefined
}

function begin(
  t: Pick<Test, 'testdir' | 'teardown'>,
  change: (config: Config) => Partial<Config>,
): { readonly next: (text: RegExp) => Promise<Line> } {
  const base = resolveConfig({ gc: { schedule: 'off' }, retention: { schedule: 'off' }, check: { enabled: false } })
  const config = { ...base, ...change(base) }
  const store = makeStore(t.testdir({}))
  plantManifest(store, A, indexOf([]), parseTag('v1'))
  const context = makeContext(store)
  const upkeep = createUpkeep({ context, config, clock: store.clock, serving: true })
  const waiting: { readonly text: RegExp; readonly resolve: (line: Line) => void }[] = []
  const write =
    (level: string) =>
    (fields: unknown, text?: string): void => {
      for (const { resolve } of waiting.filter((one) => one.text.test(text ?? ''))) resolve({ level, fields, text })
    }
  const logger = { info: write('info'), warn: write('warn'), error: write('error') } as ScheduleParts['logger']
  const stop = scheduleUpkeep({ upkeep, config, logger })
  // A schedule alone keeps no process alive.
  const alive = setInterval(() => undefined, 1000)
  t.teardown(async () => {
    clearInterval(alive)
    stop()
    await upkeep.close()
  })
  return { next: (text) => new Promise((resolve) => waiting.push({ text, resolve })) }
}

t.test('a collection runs when its time comes, and its report is in the log', async (t) => {
  const { next } = begin(t, ({ gc }) => ({ gc: { ...gc, schedule: EVERY_SECOND } }))
  const { level, fields } = await next(/collection done/)
  t.equal(level, 'info')
  t.match(fields, { dryRun: false, complete: true, manifests: { seen: 1, removed: 0 } })
})

t.test('retention runs when its time comes, and tells each tag', async (t) => {
  const { next } = begin(t, ({ retention }) => ({
    retention: {
      ...retention,
      schedule: EVERY_SECOND,
      policies: [{ repositories: ['**'], keep: [{ tags: 'latest', by: 'date' }] }],
    },
  }))
  const [{ fields }, report] = await Promise.all([next(/removed a tag/), next(/retention done/)])
  t.match(fields, { repository: A, tag: 'v1' })
  t.match(report.fields, { dryRun: false })
})
