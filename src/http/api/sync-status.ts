// `GET` and `DELETE /api/v1/sync`: what is being synced, what will be and what the last runs came to; and the end of one.
import Type from 'typebox'
import type { Static } from 'typebox'
import type { SyncRuns } from '../../mirror/sync/runs.ts'
import type { KeptReport } from '../../mirror/sync/report.ts'
import type { ApiParts } from './given.ts'
import { route } from './route.ts'
import { SyncReportSchema } from './sync-schemas.ts'

const closed = { additionalProperties: false } as const
const optional = Type.Optional
const count = (description: string) => Type.Integer({ minimum: 0, description })
const time = (description: string) => Type.String({ description: `${description}, ISO 8601` })
const nullable = <T extends Parameters<typeof Type.Union>[0][number]>(schema: T) => Type.Union([schema, Type.Null()])

const Progress = Type.Object(
  {
    phase: Type.Enum(['list', 'read', 'fetch', 'prune']),
    done: count('images that are done with in this phase'),
    total: optional(count('of so many')),
    bytes: optional(count('that came from upstreams')),
    totalBytes: optional(count('of so many')),
    images: optional(
      Type.Array(
        Type.Object({
          image: Type.String(),
          bytes: count('of its blobs'),
          totalBytes: count('of so many'),
          seconds: Type.Number({ minimum: 0 }),
        }),
        { description: 'those that are being fetched' },
      ),
    ),
  },
  { additionalProperties: true },
)

const { id, name, startedAt, seconds, stoppedBy, fault, counts, blobs, bytes } = SyncReportSchema.properties
const outcome = Type.Enum(['done', 'partly', 'failed', 'stopped', 'running', 'cutOff'], {
  description: 'cutOff: the process ended before the run did',
})
const LastSync = Type.Object({ id, name, startedAt, seconds, outcome, stoppedBy, fault, counts, blobs, bytes })

export const SyncStatus = Type.Object({
  running: Type.Array(
    Type.Object({
      id,
      name,
      startedAt,
      by: Type.Enum(['request', 'schedule'], { description: 'who began it' }),
      isEnding: Type.Boolean({ description: 'somebody ended it, and what is under way leaves' }),
      progress: optional(Progress),
      ended: count('images that are done with'),
      failed: count('of them failed'),
    }),
  ),
  scheduled: Type.Array(
    Type.Object({
      file: Type.String({ description: 'of mirror.sync' }),
      id,
      name,
      entries: count('of the file that run at this time'),
      schedule: Type.String({ description: 'five fields of cron' }),
      nextAt: nullable(time('when it runs next')),
      missedAt: nullable(time('when it should have run while nothing served: that is made up now')),
      isWaiting: Type.Boolean({ description: 'it is due, and its window is closed' }),
      last: nullable(LastSync),
    }),
  ),
  others: Type.Array(LastSync, { description: 'the last runs of syncs that nothing schedules, the newest first' }),
  problems: Type.Array(
    Type.Object(
      { file: Type.String(), problem: Type.String() },
      { description: 'files that cannot be read as they are' },
    ),
  ),
})
export type SyncStatus = Static<typeof SyncStatus>

const StopOptions = Type.Object(
  { id: optional(Type.String({ minLength: 1, maxLength: 256, description: 'of the sync; without it, all of them' })) },
  closed,
)

export const syncStatusRoute = route({
  action: 'admin',
  summary: 'syncs that run, the schedule, and what the last runs came to',
  body: Type.Object({}, closed),
  report: SyncStatus,
  long: false,
  changes: () => false,
  act: async ({ parts }): Promise<SyncStatus> => describeSync(parts),
})

export const stopSyncRoute = route({
  action: 'admin',
  summary: 'end syncs that run; what came stays for the next run',
  body: StopOptions,
  report: Type.Object({ stopped: Type.Array(Type.String({ description: 'ids' })) }),
  long: false,
  changes: () => true,
  act: async ({ parts, body }) => ({ stopped: parts.syncs?.runs.stop(body.id) ?? [] }),
})

// Whoever gave syncs by command looks at the last ones; there may be thousands.
const MOST_OTHERS = 10

async function describeSync({ syncs, sync }: ApiParts): Promise<SyncStatus> {
  const { runs, schedule } = syncs ?? {}
  const scheduled = (schedule?.list() ?? []).map(({ nextAt, missedAt, ...facts }) => {
    const last = sync().lastReport(facts.id)
    return {
      ...facts,
      nextAt: nextAt === undefined ? null : new Date(nextAt).toISOString(),
      missedAt: missedAt === undefined ? null : new Date(missedAt).toISOString(),
      last: last === undefined ? null : summarize(last),
    }
  })
  return {
    running: (runs?.list() ?? []).map(({ progress, ...run }) => ({
      ...run,
      ...(progress && { progress: copyProgress(progress) }),
    })),
    scheduled,
    others: (await sync().lastReports(MOST_OTHERS + scheduled.length))
      .filter(({ id, outcome }) => outcome !== 'running' && scheduled.every((each) => each.id !== id))
      .slice(0, MOST_OTHERS)
      .map(summarize),
    problems: schedule?.problems() ?? [],
  }
}

function copyProgress({ images, ...progress }: NonNullable<ReturnType<SyncRuns['list']>[number]['progress']>) {
  return { ...progress, ...(images && { images: images.map((image) => ({ ...image })) }) }
}

function summarize({ fault, stoppedBy, counts, ...report }: KeptReport) {
  const { id, name, startedAt, seconds, outcome, blobs, bytes } = report
  const more = { ...(stoppedBy && { stoppedBy }), ...(fault && { fault }) }
  return { id, name, startedAt, seconds, outcome, ...more, counts: { ...counts }, blobs, bytes }
}
