// Counts the collections of this process, for the metrics and for /readyz.
import type { MetricFamily } from './metric-text.ts'

/** `incomplete`: no blob was taken because something could not be read. */
export type CollectionResult = 'complete' | 'incomplete' | 'failed'

/** What is told of a collection that ended; a CollectReport is one. */
export interface CollectionNumbers {
  /** RFC 3339. */
  readonly startedAt: string
  readonly seconds: number
  readonly dryRun: boolean
  readonly complete: boolean
  readonly repositories: { readonly seen: number; readonly removed: number }
  readonly manifests: { readonly seen: number; readonly removed: number }
  readonly blobs: {
    readonly seen: number
    readonly bytes: number
    readonly trashed: number
    readonly trashedBytes: number
    readonly deletedBytes: number
  }
  readonly trash: { readonly blobs: number; readonly bytes: number }
}

export class CollectionTally {
  readonly #counts = { complete: 0, incomplete: 0, failed: 0 }
  #freed = 0
  #last: CollectionResult | undefined

  /** How the last one of this process ended; undefined before. */
  get last(): CollectionResult | undefined {
    return this.#last
  }

  /** Notes the end of one: its report, or undefined when it threw. Dry runs do not count. */
  ended(report: Pick<CollectionNumbers, 'dryRun' | 'complete' | 'blobs'> | undefined): void {
    if (report?.dryRun === true) return
    this.#last = report === undefined ? 'failed' : report.complete ? 'complete' : 'incomplete'
    this.#counts[this.#last] += 1
    this.#freed += report?.blobs.deletedBytes ?? 0
  }

  families(): MetricFamily[] {
    return [
      {
        name: 'tarn_collections_total',
        help: 'Collections that ended since the start of the process, by how.',
        type: 'counter',
        samples: Object.entries(this.#counts).map(([result, value]) => ({ labels: `result="${result}"`, value })),
      },
      {
        name: 'tarn_collection_freed_bytes_total',
        help: 'Bytes of blobs that collections deleted since the start of the process.',
        type: 'counter',
        samples: [{ value: this.#freed }],
      },
    ]
  }
}
