// How far a long act is, on stderr: a bar with speed and time left on a terminal, else one line a step, so that a log
// or a pipe is not filled. Never on stdout, never with --quiet; what an act tells meanwhile goes where its result goes.
import type { Command } from 'commander'
import type { Writable } from 'node:stream'
import type { ActEvent } from '../http/api/given.ts'
import type { Finding } from '../registry/check.ts'
import type { Progress } from '../registry/collect.ts'
import type { CommandContext } from './context.ts'
import { printable } from './printable.ts'
import { formatBytes } from './table.ts'

export interface ProgressView {
  update(progress: Progress): void
  /** A line of the act itself, such as a finding: above the bar. */
  line(text: string): void
  /** Takes the bar away. */
  end(): void
}

export interface ProgressOptions {
  readonly stderr: CommandContext['stderr']
  readonly quiet: boolean
  /** Where the lines of the act go, with `quiet` too; without it they are left out. */
  readonly lines?: Writable | undefined
  /** Milliseconds; only differences count. */
  readonly clock: () => number
}

const BAR_CELLS = 20
const ERASE = '\r\u001b[K'
const NARROWEST = 40
// A guess from less than that jumps about.
const FIRST_GUESS_MS = 2000

export function createProgress({ stderr, quiet, lines, clock }: ProgressOptions): ProgressView {
  const isTerminal = stderr.isTTY === true
  let begun: { readonly phase: string; readonly at: number } | undefined
  let shown = false
  const erase = (): void => {
    if (shown) stderr.write(ERASE)
    shown = false
  }
  return {
    update(progress) {
      if (quiet) return
      const { phase } = progress
      // The registry says it first of all; it is worth seeing only where it goes away again.
      if (phase === 'waiting' && !isTerminal) return
      const step = begun?.phase === phase ? begun : { phase, at: clock() }
      if (!isTerminal && step !== begun) stderr.write(`phase: ${phase}\n`)
      begun = step
      if (!isTerminal) return
      const width = Math.max(NARROWEST, stderr.columns ?? 80)
      stderr.write(
        `${ERASE}${formatProgress(progress, clock() - step.at)
          .slice(0, width - 1)
          .trimEnd()}`,
      )
      shown = true
    },
    line(text) {
      erase()
      lines?.write(`${printable(text)}\n`)
    },
    end: erase,
  }
}

/** `images  [####----]  50%  3 of 7  1.20 GB of 2.40 GB  300 MB/s  4 s left`,
 * `sweep  [#####---------------]  25%  1200 of 4800  300/s  12 s left`, of a step that began `elapsed` ms ago. */
export function formatProgress({ phase, done, total, bytes, totalBytes = 0 }: Progress, elapsed: number): string {
  // What takes the time is the bytes, where it is known how many there are.
  const [part, whole] = totalBytes > 0 ? [bytes ?? 0, totalBytes] : [done, total]
  const share = whole === undefined || whole === 0 ? undefined : Math.min(1, part / whole)
  const cells = Math.round((share ?? 0) * BAR_CELLS)
  // What is counted in bytes is shown so.
  const show = (amount: number): string => (bytes === done && done > 0 ? formatBytes(amount) : String(amount))
  const parts = [
    phase,
    ...(share === undefined ? [] : [`[${'#'.repeat(cells)}${'-'.repeat(BAR_CELLS - cells)}]`]),
    ...(share === undefined ? [] : [`${String(Math.floor(share * 100)).padStart(3)}%`]),
    total === undefined ? show(done) : `${show(done)} of ${show(total)}`,
    ...(totalBytes > 0 ? [`${formatBytes(bytes ?? 0)} of ${formatBytes(totalBytes)}`] : []),
  ]
  if (elapsed > 0 && part > 0) {
    parts.push(`${formatRate(bytes, done, elapsed)}/s`)
    if (share !== undefined && share > 0 && share < 1 && elapsed >= FIRST_GUESS_MS) {
      parts.push(`${formatLeft((elapsed / share) * (1 - share))} left`)
    }
  }
  return parts.join('  ')
}

function formatRate(bytes: number | undefined, done: number, elapsed: number): string {
  return bytes === undefined
    ? String(Math.round((done * 1000) / elapsed))
    : formatBytes(Math.round((bytes * 1000) / elapsed))
}

/** `40 s`, `12 min 5 s`, `3 h 20 min`. */
export function formatLeft(milliseconds: number): string {
  const seconds = Math.ceil(milliseconds / 1000)
  if (seconds < 60) return `${seconds} s`
  const minutes = Math.floor(seconds / 60)
  if (minutes < 60) return `${minutes} min ${seconds % 60} s`
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`
}

/**
 * Shows the events of an act under the global --quiet and --json: progress, and as part of the result the findings that
 * `describe` has words for.
 */
export function watchProgress(
  command: Command,
  { stdout, stderr, clock }: Pick<CommandContext, 'stdout' | 'stderr' | 'clock'>,
  describe?: (finding: Finding) => string | undefined,
): { readonly onEvent: (event: ActEvent) => void; readonly end: () => void } {
  const { quiet = false, json = false } = command.optsWithGlobals<{ quiet?: boolean; json?: boolean }>()
  const view = createProgress({ stderr, quiet, lines: json ? undefined : stdout, clock })
  return {
    onEvent(event) {
      if ('ended' in event || 'waits' in event) return
      const text = 'phase' in event ? undefined : describe?.(event)
      if ('phase' in event) view.update(event)
      else if (text !== undefined) view.line(text)
    },
    end: () => view.end(),
  }
}
