// The contract between run.ts and every suite in test/e2e, and the small tools that make rows.
// A suite is a file test/e2e/<name>.ts with the exports `name` and `run`. It never prints on stdout
// and never ends the process: it gives rows back, and everything it started ends through `context`.

import type { Machine } from './machine.ts'
import type { Tarn, TarnOptions } from './tarn.ts'

/** What one check came to. */
export type Result = 'passed' | 'failed' | 'skipped'

/** One check. `reason` says why it failed or was skipped; `ms` is its duration in milliseconds. */
export interface Row {
  suite: string
  name: string
  result: Result
  reason?: string
  ms: number
}

/** What run.ts hands to each suite. */
export interface E2EContext {
  /** Absolute path of the checkout. */
  checkout: string
  /** Absolute path of the Node that runs Tarn and this suite. */
  node: string
  /** Commands, scratch folders and children; all of it ends or vanishes when the suite ends. */
  machine: Machine
  /** Starts a real `tarn serve` on a free port (see tarn.ts). */
  startTarn(options?: TarnOptions): Promise<Tarn>
  /** Absolute path of a Go tool by its command name (crane, oras, regctl, registry, conformance), or
   * undefined where Go is absent. Installs it on first use; throws when the installation fails. */
  goTool(command: string): Promise<string | undefined>
  /** Prints one line of progress on stderr. */
  progress(line: string): void
}

/** What each test/e2e/<name>.ts exports. */
export interface Suite {
  name: string
  run(context: E2EContext): Promise<Row[]>
}

/** Collects the rows of one suite. */
export interface Recorder {
  rows: Row[]
  /** Runs one check: passed when it returns, failed with the error's message when it throws. */
  check(name: string, act: () => Promise<void>): Promise<Row>
  /** Notes a check that this machine cannot run, with the reason. */
  skip(name: string, reason: string): Row
}

/** Makes the recorder of one suite; each row is printed as progress when it is there. */
export function makeRecorder(suite: string, context: Pick<E2EContext, 'progress'>): Recorder {
  const rows: Row[] = []
  const keep = (row: Row): Row => {
    rows.push(row)
    context.progress(describeRow(row))
    return row
  }
  return {
    rows,
    async check(name, act) {
      const start = performance.now()
      const elapsed = (): number => Math.round(performance.now() - start)
      try {
        await act()
        return keep({ suite, name, result: 'passed', ms: elapsed() })
      } catch (error) {
        return keep({ suite, name, result: 'failed', reason: describeError(error), ms: elapsed() })
      }
    },
    skip: (name, reason) => keep({ suite, name, result: 'skipped', reason, ms: 0 }),
  }
}

/** Says one row in one line (more where the reason has more). */
export function describeRow(row: Row): string {
  const reason = row.reason === undefined ? '' : `: ${row.reason}`
  return `${row.result.padEnd(7)} ${row.suite} / ${row.name} (${row.ms} ms)${reason}`
}

/** The message of anything thrown, with the messages of its causes. */
export function describeError(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  return error.cause === undefined ? error.message : `${error.message}: ${describeError(error.cause)}`
}
