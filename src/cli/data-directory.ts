// The data directory of a command's home, for commands that only look: no lock, no server, nothing written.
import { statSync } from 'node:fs'
import { resolve } from 'node:path'
import type { Command } from 'commander'
import type { LoadedConfig } from '../config/load.ts'
import { Problem } from '../config/problem.ts'
import type { Layout } from '../storage/layout.ts'
import { createLayout } from '../storage/layout.ts'
import type { CommandContext } from './context.ts'
import { describeClosed } from './stranger.ts'
import { readHome } from './home.ts'

/** Its layout. Throws a Problem when there is no such directory, or no configuration that names it. */
export function openDataDirectory(
  options: { readonly config?: string },
  command: Command,
  context: CommandContext,
): Layout {
  return findDataDirectory(readHome(options, command, context))
}

/** The same of a configuration that was read already. */
export function findDataDirectory(home: LoadedConfig): Layout {
  const directory = resolve(home.config.storage.filesystem.rootdirectory)
  if (isDirectory(directory)) return createLayout(directory)
  const source = home.path === undefined ? 'the built-in defaults' : resolve(home.path)
  throw new Problem(`there is no data directory ${directory} (${source} names it)`, {
    hint: 'name the configuration of the registry with --config FILE',
  })
}

function isDirectory(path: string): boolean {
  try {
    return statSync(path, { throwIfNoEntry: false })?.isDirectory() === true
  } catch (error) {
    // A directory above it is closed to this user.
    const { code } = error as NodeJS.ErrnoException
    if (code !== 'EACCES') throw error
    throw describeClosed(path, error)
  }
}
