// What Prometheus is told of the data directory. Nothing is walked for it: counts and sizes are those that the last
// collection saw, the rest is in memory or costs one system call.
import type { RoomNumbers } from '../storage/room.ts'
import type { CollectionNumbers } from './collection-tally.ts'
import type { MetricFamily } from './metric-text.ts'
import { gauge } from './metric-text.ts'
import type { MirrorFacts } from './mirror-facts.ts'
import { mirrorFamilies } from './mirror-metrics.ts'
import { syncFamilies } from './sync-metrics.ts'
import type { SyncNumbers } from './sync-metrics.ts'

/** Where the numbers come from; each gives undefined, or throws, while it is not known. */
export interface KeepingNumbers {
  /** Of this process or the one before. */
  lastCollection(): CollectionNumbers | undefined
  scrub(): ScrubNumbers | undefined
  room(): RoomNumbers | undefined
  /** Uploads under way: those to which somebody sends, and those that wait. */
  uploads(): { readonly sending: number; readonly waiting: number } | undefined
  /** Milliseconds until the certificate in use ends. */
  certificateLeft(): number | undefined
  quarantined(): number | undefined
  /** Blobs whose bytes are known to be wrong, and that are refused. */
  suspects(): number | undefined
  mirror(): MirrorFacts | undefined
  sync(): SyncNumbers | undefined
}

/** The slow reading of all blobs. Times in milliseconds since 1970. */
export interface ScrubNumbers {
  /** How much of the pass under way is done, 0 to 1. */
  readonly share: number
  readonly lastPassEndedAt?: number | undefined
  /** Since the start of the process. */
  readonly checkedBytes: number
  readonly found: number
}

const DAY_MS = 86_400_000
const STATES = ['ok', 'warn', 'stop'] as const

/** Asks for all numbers; what is not known is left out. `now` in milliseconds since 1970. */
export function keepingFamilies(numbers: Partial<KeepingNumbers>, now: number): MetricFamily[] {
  const left = ask(numbers.certificateLeft)
  return [
    ...storageFamilies(ask(numbers.lastCollection)),
    gauge(
      'tarn_quarantine_files',
      'Files that were set aside because they are not what they say.',
      ask(numbers.quarantined),
    ),
    gauge('tarn_suspect_blobs', 'Blobs that are refused because their bytes are wrong.', ask(numbers.suspects)),
    ...scrubFamilies(ask(numbers.scrub), now),
    ...roomFamilies(ask(numbers.room)),
    ...uploadFamilies(ask(numbers.uploads)),
    ...mirrorFamilies(ask(numbers.mirror)),
    ...syncFamilies(ask(numbers.sync)),
    gauge(
      'tarn_certificate_days_left',
      'Days until the certificate in use ends.',
      left === undefined ? left : left / DAY_MS,
    ),
  ]
}

function storageFamilies(last: CollectionNumbers | undefined): MetricFamily[] {
  if (last === undefined) return []
  const { repositories, manifests, blobs, trash, dryRun } = last
  // A dry run counts what it would do.
  const done = dryRun ? 0 : 1
  const seen = 'as the last collection left it.'
  return [
    gauge('tarn_storage_repositories', `Repositories, ${seen}`, repositories.seen - done * repositories.removed),
    gauge(
      'tarn_storage_manifests',
      `Manifests of all repositories, ${seen}`,
      manifests.seen - done * manifests.removed,
    ),
    gauge('tarn_storage_blobs', `Blobs, ${seen}`, blobs.seen - done * blobs.trashed),
    gauge('tarn_storage_bytes', `Bytes of all blobs, ${seen}`, blobs.bytes - done * blobs.trashedBytes),
    gauge('tarn_trash_blobs', `Blobs that wait for their deletion, ${seen}`, trash.blobs),
    gauge('tarn_trash_bytes', `Bytes of the blobs that wait for their deletion, ${seen}`, trash.bytes),
    gauge('tarn_collection_last_seconds', 'How long the last collection took.', last.seconds),
    gauge(
      'tarn_collection_last_timestamp_seconds',
      'When the last collection began, in seconds since 1970.',
      Date.parse(last.startedAt) / 1000,
    ),
  ]
}

function scrubFamilies(scrub: ScrubNumbers | undefined, now: number): MetricFamily[] {
  if (scrub === undefined) return []
  const { share, lastPassEndedAt, checkedBytes, found } = scrub
  const age = lastPassEndedAt === undefined ? undefined : Math.max(0, now - lastPassEndedAt) / 1000
  const counter = (name: string, help: string, value: number): MetricFamily => ({
    ...gauge(name, help, value),
    type: 'counter',
  })
  return [
    gauge('tarn_scrub_progress_ratio', 'How much of the pass over all blobs is done, 0 to 1.', share),
    gauge('tarn_scrub_pass_age_seconds', 'Seconds since the last whole pass over all blobs ended.', age),
    counter('tarn_scrub_checked_bytes_total', 'Bytes that the pass read since the start of the process.', checkedBytes),
    counter('tarn_scrub_findings_total', 'Damage that the pass found since the start of the process.', found),
  ]
}

function roomFamilies(room: RoomNumbers | undefined): MetricFamily[] {
  if (room === undefined) return []
  const hasLimit = room.totalInodes > 0
  return [
    gauge('tarn_room_free_bytes', 'Free bytes on the disk of the data directory.', room.free),
    gauge('tarn_room_total_bytes', 'Bytes of the disk of the data directory.', room.total),
    gauge(
      'tarn_room_free_inodes',
      'Files that can still be made on that disk.',
      hasLimit ? room.freeInodes : undefined,
    ),
    gauge('tarn_room_total_inodes', 'Files that disk can hold.', hasLimit ? room.totalInodes : undefined),
    {
      name: 'tarn_room_state',
      help: '1 for the state of the room: ok, warn, or stop where new uploads are refused.',
      type: 'gauge',
      samples: STATES.map((state) => ({ labels: `state="${state}"`, value: room.state === state ? 1 : 0 })),
    },
  ]
}

function uploadFamilies(uploads: ReturnType<KeepingNumbers['uploads']>): MetricFamily[] {
  return [
    {
      name: 'tarn_uploads',
      help: 'Uploads under way: being sent to, or waiting for their bytes.',
      type: 'gauge',
      samples: Object.entries(uploads ?? {}).map(([state, value]) => ({ labels: `state="${state}"`, value })),
    },
  ]
}

// A scrape that shows the rest is worth more than an error.
function ask<T>(source: (() => T | undefined) | undefined): T | undefined {
  try {
    return source?.()
  } catch {
    return undefined
  }
}
