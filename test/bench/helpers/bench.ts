// The contract between run.ts and every bench: what it is handed, and what it gives back.
import type { Machine } from '../../e2e/helpers/machine.ts'

/**
 * One figure of both sides, a value a round, in the order in which they were taken: Tarn, peer, Tarn, peer, … Without
 * values where a side cannot do it.
 */
export interface Row {
  readonly name: string
  /** What a value counts, for example `requests/s`. */
  readonly unit: string
  readonly tarn: readonly number[]
  readonly peer: readonly number[]
}

/** What must be: the median of Tarn's values is at least `times` the median of what they are compared with. */
export interface Comparison {
  /** What the line of the verdict says. */
  readonly name: string
  /** Name of the row that has Tarn's values. */
  readonly row: string
  /** The row of Tarn's own values to compare with, in the place of the peer's in the same row. */
  readonly against?: { readonly row: string }
  readonly times: number
}

/** What must be: the median of Tarn's values is at most this, in the unit of the row. */
export interface Bound {
  readonly name: string
  readonly row: string
  readonly most: number
}

export type Requirement = Comparison | Bound

export interface Results {
  /** What the other side is; docker-registry unless told. */
  readonly peer?: string
  readonly rows: readonly Row[]
  readonly requirements: readonly Requirement[]
}

export interface BenchContext {
  /** Absolute path of the checkout. */
  readonly checkout: string
  readonly machine: Machine
  /** How often each figure is taken on each side. */
  readonly rounds: number
  /** How long one load of requests lasts. */
  readonly seconds: number
  /** Prints one line of progress on stderr. */
  readonly progress: (line: string) => void
}

export type Bench = (context: BenchContext) => Promise<Results>
