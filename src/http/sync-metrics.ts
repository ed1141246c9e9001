// What Prometheus is told of syncs. The label of a sync is its id; files of the schedule have one series each, and syncs
// from the command line as many as somebody gives, within a bound.
import type { SyncTally } from '../mirror/sync/run-tally.ts'
import type { ScheduleFacts } from '../mirror/sync/schedule.ts'
import type { MetricFamily, MetricSample } from './metric-text.ts'
import { gauge } from './metric-text.ts'

export interface SyncNumbers {
  readonly tally: SyncTally
  readonly running: number
  readonly scheduled: readonly Pick<ScheduleFacts, 'id' | 'nextAt'>[]
  /** Files of the schedule that cannot be read as they are. */
  readonly problems: number
}

/** All numbers of syncs; none where there is nothing that could sync. */
export function syncFamilies(numbers: SyncNumbers | undefined): MetricFamily[] {
  if (numbers === undefined) return []
  const { tally, running, scheduled, problems } = numbers
  const last = [...tally.last]
  return [
    counted('tarn_sync_runs_total', 'Syncs that ended, by how.', 'outcome', tally.runs),
    counted('tarn_sync_images_total', 'Images of syncs, by what became of them.', 'result', tally.images),
    { ...gauge('tarn_sync_bytes_total', 'Bytes of blobs that syncs fetched.', tally.bytes), type: 'counter' },
    gauge('tarn_sync_running', 'Syncs under way.', running),
    gauge('tarn_sync_files_unreadable', 'Files of mirror.sync that cannot be read as they are.', problems),
    bySync(
      'tarn_sync_last_run_timestamp_seconds',
      'When the last run of a sync ended.',
      last.map(([id, { endedAt }]) => [id, endedAt / 1000]),
    ),
    bySync(
      'tarn_sync_last_run_failed',
      '1 when the last run of a sync that nobody stopped did not bring everything.',
      last.map(([id, { isFailed }]) => [id, isFailed ? 1 : 0]),
    ),
    bySync(
      'tarn_sync_last_success_timestamp_seconds',
      'When a run of a sync last brought everything.',
      last.map(([id, { goodAt }]) => [id, goodAt === undefined ? undefined : goodAt / 1000]),
    ),
    bySync(
      'tarn_sync_next_run_timestamp_seconds',
      'When a sync of the schedule runs next.',
      scheduled.map(({ id, nextAt }) => [id, nextAt === undefined ? undefined : nextAt / 1000]),
    ),
  ]
}

function counted(name: string, help: string, label: string, values: Readonly<Record<string, number>>): MetricFamily {
  const samples = Object.entries(values).map(([word, value]) => ({ labels: `${label}="${word}"`, value }))
  return { name, help, type: 'counter', samples }
}

function bySync(
  name: string,
  help: string,
  values: readonly (readonly [id: string, value: number | undefined])[],
): MetricFamily {
  // Ids are made of letters, digits, dots, dashes and underscores: nothing that a label would have to escape.
  const samples: MetricSample[] = values.map(([id, value]) => ({ labels: `sync="${id}"`, value }))
  return { name, help, type: 'gauge', samples }
}
