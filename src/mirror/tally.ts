// What the mirror counts, for the admin API and the metrics.

export interface TallyNumbers {
  /** Manifests and blobs under a mirrored prefix that were answered from here. */
  readonly hits: number
  /** Those for which the upstream was asked. */
  readonly misses: number
  /** Bytes of blobs and manifests that came from upstreams. */
  readonly fetched: number
  /** Bytes that were answered from here and that clients would have fetched from upstreams. */
  readonly saved: number
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

export type Tally = { -readonly [Key in keyof TallyNumbers]: number }

/** All at zero. */
export function makeTally(): Tally {
  return {
    hits: 0,
    misses: 0,
    fetched: 0,
    saved: 0,
    revalidated: 0,
    moved: 0,
    transfers: 0,
    failedTransfers: 0,
    filled: 0,
    abandoned: 0,
  }
}
