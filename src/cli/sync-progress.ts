// How far a sync is, on stderr: on a terminal a bar for each image under way and one for all of it, drawn in place; else a
// line for each image that ended and now and then one for all of it, so that a log shows that something happens.
import type { Command } from 'commander'
import type { ActEvent } from '../http/api/given.ts'
import type { ActiveImage, SyncedImage, SyncProgress, UpstreamWait } from '../mirror/sync/report.ts'
import { nameHere } from '../mirror/sync/report.ts'
import type { CommandContext } from './context.ts'
import { printable } from './printable.ts'
import { formatLeft } from './progress.ts'
import { formatBytes } from './table.ts'

const BAR_CELLS = 20
const NARROWEST = 40
const MOST_BARS = 12
const LINE_EVERY_MS = 30_000
// Speed is that of the last while: a mean of hours says nothing of now.
const WINDOW_MS = 5000
// A guess from less than that jumps about.
const FIRST_GUESS_MS = 2000

export interface SyncView {
  readonly onEvent: (event: ActEvent) => void
  readonly end: () => void
}

/** Shows the events of a sync under the global --quiet. */
export function watchSync(command: Command, context: Pick<CommandContext, 'stderr' | 'clock'>): SyncView {
  const { quiet = false } = command.optsWithGlobals<{ quiet?: boolean }>()
  if (quiet) return { onEvent: () => undefined, end: () => undefined }
  return context.stderr.isTTY === true ? drawBars(context) : writeLines(context)
}

function writeLines({ stderr, clock }: Pick<CommandContext, 'stderr' | 'clock'>): SyncView {
  let phase = ''
  let last = clock()
  return {
    onEvent(event) {
      if ('ended' in event) {
        if (event.ended.result !== 'here') stderr.write(`${describeEnded(event.ended)}\n`)
        return
      }
      if ('waits' in event) stderr.write(`${describeWait(event.waits)}\n`)
      if (!isProgress(event)) return
      if (event.phase !== phase) {
        phase = event.phase
        last = clock()
        stderr.write(`phase: ${phase}\n`)
      } else if (phase === 'fetch' && clock() - last >= LINE_EVERY_MS) {
        last = clock()
        stderr.write(`${formatTotal(event, undefined)}\n`)
      }
    },
    end: () => undefined,
  }
}

function drawBars({ stderr, clock }: Pick<CommandContext, 'stderr' | 'clock'>): SyncView {
  let drawn = 0
  const rate = new Rate(clock)
  const erase = (): string => (drawn === 0 ? '' : `\r\u001b[${drawn}A\u001b[J`)
  return {
    onEvent(event) {
      if ('ended' in event) {
        const { result } = event.ended
        if (result === 'here') return
        stderr.write(`${erase()}${describeEnded(event.ended)}\n`)
        drawn = 0
        return
      }
      if ('waits' in event) {
        stderr.write(`${erase()}${describeWait(event.waits)}\n`)
        drawn = 0
      }
      if (!isProgress(event)) return
      const width = Math.max(NARROWEST, stderr.columns ?? 80) - 1
      rate.note(event.bytes ?? 0)
      const bars = (event.images ?? []).slice(0, MOST_BARS).map(formatBar)
      const more = (event.images?.length ?? 0) - bars.length
      const lines = [...bars, ...(more > 0 ? [`and ${more} more`] : []), formatTotal(event, rate.perSecond)]
      stderr.write(`${erase()}${lines.map((line) => line.slice(0, width).trimEnd()).join('\n')}\n`)
      drawn = lines.length
    },
    end() {
      stderr.write(erase())
      drawn = 0
    },
  }
}

function isProgress(event: ActEvent): event is SyncProgress {
  return 'phase' in event && ['list', 'read', 'fetch', 'prune'].includes(event.phase)
}

/** `library/alpine:3.20  copied  3.62 MB`, with the reason where there is one. */
export function describeEnded({ result, bytes, why, from, ...here }: SyncedImage): string {
  const parts = [
    nameHere(here) || from,
    result,
    ...(bytes > 0 ? [formatBytes(bytes)] : []),
    ...(why === undefined ? [] : [why]),
  ]
  return printable(parts.join('  '))
}

/** `quay.io asks to wait until 2026-01-02T03:04:05Z: quay.io answers with status 503` */
export function describeWait({ host, until, why }: UpstreamWait): string {
  return printable(`${host} asks to wait until ${until.replace(/\.\d+Z$/u, 'Z')}: ${why}`)
}

/** `[#####---------------]  25%  3.40 of 13.6 MB  library/alpine:3.20` */
export function formatBar({ image, bytes, totalBytes }: ActiveImage): string {
  const share = totalBytes === 0 ? 1 : Math.min(1, bytes / totalBytes)
  const amount = `${formatBytes(bytes)} of ${formatBytes(totalBytes)}`
  return `${drawBar(share)}  ${amount.padEnd(20)}  ${printable(image)}`
}

/** `fetch  12 of 200 images  1.20 of 4.00 GB  312 MB/s  9 s left`; bytes a second where they are known. */
export function formatTotal(progress: SyncProgress, perSecond: number | undefined): string {
  const { phase, done, total, bytes = 0, totalBytes = 0 } = progress
  const parts = [phase, ...(total === undefined ? [] : [`${done} of ${total} images`])]
  if (totalBytes > 0) parts.push(`${formatBytes(bytes)} of ${formatBytes(totalBytes)}`)
  if (perSecond !== undefined && totalBytes > 0) {
    parts.push(`${formatBytes(Math.round(perSecond))}/s`)
    if (perSecond > 0 && bytes < totalBytes) parts.push(`${formatLeft(((totalBytes - bytes) / perSecond) * 1000)} left`)
  }
  return parts.join('  ')
}

function drawBar(share: number): string {
  const cells = Math.round(share * BAR_CELLS)
  const percent = String(Math.floor(share * 100)).padStart(3)
  return `[${'#'.repeat(cells)}${'-'.repeat(BAR_CELLS - cells)}] ${percent}%`
}

class Rate {
  readonly #clock: () => number
  readonly #samples: { readonly at: number; readonly bytes: number }[] = []

  constructor(clock: () => number) {
    this.#clock = clock
  }

  note(bytes: number): void {
    const at = this.#clock()
    this.#samples.push({ at, bytes })
    while (this.#samples.length > 2 && at - (this.#samples[1]?.at ?? at) >= WINDOW_MS) this.#samples.shift()
  }

  /** Undefined while too little is known. */
  get perSecond(): number | undefined {
    const [first, last] = [this.#samples[0], this.#samples.at(-1)]
    if (first === undefined || last === undefined || last.at - first.at < FIRST_GUESS_MS) return undefined
    return ((last.bytes - first.bytes) * 1000) / (last.at - first.at)
  }
}
