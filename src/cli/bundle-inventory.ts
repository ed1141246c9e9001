// `tarn bundle inventory`: writes what is here for whoever makes the next bundle, so that only what is missing is carried.
import { renameSync, writeFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { Command } from 'commander'
import { takeInventory, writeInventory } from '../bundle/inventory.ts'
import type { CommandContext } from './context.ts'
import { outputOf } from './context.ts'
import { findDataDirectory } from './data-directory.ts'
import { configOption, readHome } from './home.ts'
import { EXIT } from './output.ts'
import { formatBytes, formatCount } from './table.ts'

interface InventoryOptions {
  readonly config?: string
}

/** `tarn bundle inventory [FILE]`. */
export function bundleInventoryCommand(context: CommandContext): Command {
  return new Command('inventory')
    .description('write what is here, for: tarn bundle create --against FILE')
    .argument('[file]', 'where to write it', 'inventory.json')
    .addOption(configOption())
    .action((file: string, options: InventoryOptions, command: Command) => {
      inventory(file, options, command, context)
    })
}

function inventory(file: string, options: InventoryOptions, command: Command, context: CommandContext): void {
  const output = outputOf(command, context)
  const layout = findDataDirectory(readHome(options, command, context))
  let isComplete = true
  const taken = takeInventory(layout, {
    onStray: () => undefined,
    onUnreadable(path, error) {
      isComplete = false
      output.note(`warning: ${path} cannot be read, and counts as not here: ${error.message}`)
    },
  })
  const path = resolve(file)
  writeFileSync(`${path}.partial`, writeInventory(taken))
  renameSync(`${path}.partial`, path)
  const { blobs, bundles, sequence } = taken
  const bytes = blobs.reduce((sum, { size }) => sum + size, 0)
  const last = bundles.length === 0 ? 'no bundle was applied yet' : `the last bundle was number ${sequence}`
  output.result(
    { file: path, blobs: blobs.length, bytes, sequence, complete: isComplete },
    `${path}: ${formatCount(blobs.length, 'blob')} (${formatBytes(bytes)}), ${last}`,
  )
  if (!isComplete) process.exitCode = EXIT.partly
}
