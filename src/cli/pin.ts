// `tarn pin [IMAGE…]`: lists what is pinned, pins images, lets go of them. Pins are written by the keeper of the
// directory, so through the running registry when there is one; to list them nobody is needed.
import { Command } from 'commander'
import { Problem } from '../config/problem.ts'
import type { PinPlan } from '../registry/pin-images.ts'
import { planPins, planUnpins } from '../registry/pin-images.ts'
import type { Layout } from '../storage/layout.ts'
import type { PinList } from '../storage/pins.ts'
import { formatPinned, readPins } from '../storage/pins.ts'
import type { CommandContext } from './context.ts'
import { outputOf } from './context.ts'
import { findDataDirectory } from './data-directory.ts'
import type { Home } from './home.ts'
import { configOption, readHome } from './home.ts'
import type { Output } from './output.ts'
import { EXIT } from './output.ts'
import { formatTable } from './table.ts'

interface PinOptions {
  readonly reason?: string
  readonly remove?: true
  readonly config?: string
}

/** `tarn pin`. */
export function pinCommand(context: CommandContext): Command {
  return new Command('pin')
    .description('keep images whatever collection, retention and rm would do; without arguments, list what is pinned')
    .argument('[image...]', 'repo:tag, repo@sha256:…, or repo, which means repo:latest')
    .option('--reason <text>', 'why, for people')
    .option('--remove', 'let go of the images again')
    .addOption(configOption())
    .action(async (texts: string[], options: PinOptions, command: Command) => {
      const output = outputOf(command, context)
      const home = readHome(options, command, context)
      const layout = findDataDirectory(home)
      if (texts.length > 0) await change(texts, options, { output, home, layout, context })
      else if (options.remove || options.reason !== undefined) {
        throw new Problem('no image is named', { hint: 'use: tarn pin [--remove] IMAGE…', exitCode: 2 })
      } else list(readPins(layout), layout, output)
    })
}

interface Surroundings {
  readonly output: Output
  readonly home: Home
  readonly layout: Layout
  readonly context: CommandContext
}

async function change(
  texts: readonly string[],
  options: PinOptions,
  { output, home, layout, context }: Surroundings,
): Promise<void> {
  const { pins } = readPins(layout)
  const plan = options.remove ? planUnpins(pins, texts) : planPins(layout, pins, texts, options.reason)
  // Only here: other commands need neither the lock nor the API.
  const { reach } = await import('./reach.ts')
  const reached = await reach(home, context, { removes: false })
  try {
    for (const { id, pin } of plan.changes) {
      if (pin === undefined) await reached.call('DELETE /pins', { id })
      else {
        const { reason, images, blobs } = pin
        await reached.call('POST /pins', { id, reason, images: images.map(formatPinned), blobs: [...blobs] })
      }
    }
  } finally {
    await reached.close()
  }
  say(plan, options, output)
}

function say({ images }: PinPlan, { remove }: PinOptions, output: Output): void {
  const lines = images.map((image) => (remove ? `${image} is no longer pinned` : `pinned ${image}`))
  output.result({ images, pinned: remove !== true }, lines.join('\n'))
}

function list({ pins, unreadable }: PinList, { root }: Layout, output: Output): void {
  const shown = pins.map((pin) => ({ ...pin, images: pin.images.map(formatPinned) }))
  const rows = shown.flatMap(({ images, blobs, reason }) => [...images, ...blobs].map((what) => [what, reason]))
  output.result({ pins: shown, unreadable }, rows.length === 0 ? '' : formatTable([['PINNED', 'REASON'], ...rows]))
  if (pins.length === 0) output.note(`nothing is pinned in ${root}`)
  for (const { path, why } of unreadable) {
    output.note(
      `warning: ${path} cannot be read (${why}): nothing is removed or collected until it is repaired or deleted`,
    )
  }
  if (unreadable.length > 0) process.exitCode = EXIT.failed
}
