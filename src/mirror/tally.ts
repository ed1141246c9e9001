// What the mirror counts, for the admin API and the metrics.

/** Of what is under a mirrored prefix. */
interface Traffic {
  /** Those that were answered from here. */
  hits: number
  /** Those for which the upstream was asked. */
  misses: number
  /** Bytes that came from upstreams. */
  fetched: number
  /** Bytes that were answered from here and that clients would have fetched from upstreams. */
  saved: number
}

export interface TallyNumbers {
  readonly blobs: Readonly<Traffic>
  readonly manifests: Readonly<Traffic>
  /** Tags that were asked for again behind a request, and those that had moved. */
  readonly revalidated: number
  readonly moved: number
  /** Transfers that ended whole, and those that did not. */
  readonly transfers: number
  readonly failedTransfers: number
  /** Images that were completed, and those that were given up. */
  readonly filled: number
  readonly abandoned: number
}

export type Tally = { -readonly [Key in Exclude<keyof TallyNumbers, 'blobs' | 'manifests'>]: number } & {
  readonly blobs: Traffic
  readonly manifests: Traffic
}

/** All at zero. */
export function makeTally(): Tally {
  return {
    blobs: { hits: 0, misses: 0, fetched: 0, saved: 0 },
    manifests: { hits: 0, misses: 0, fetched: 0, saved: 0 },
    revalidated: 0,
    moved: 0,
    transfers: 0,
    failedTransfers: 0,
    filled: 0,
    abandoned: 0,
  }
}
