// The data directory of a command's home, for commands that only look: no lock, no server, nothing written.
import { statSync } from 'node:fs'
import { resolve } from 'node:path'
import type { LoadedConfig } from '../config/load.ts'
import { Problem } from '../config/problem.ts'
import type { Layout } from '../storage/layout.ts'
import { createLayout } from '../storage/layout.ts'
import { readHome } from './home.ts'

/** Its layout. Throws a Problem when there is no such directory, or no configuration that names it. */
export function openDataDirectory(options: { readonly config?: string }): Layout {
  return findDataDirectory(readHome(options))
}

/** The same of a configuration that was read already. */
export function findDataDirectory(home: LoadedConfig): Layout {
  const directory = resolve(home.config.storage.filesystem.rootdirectory)
  if (statSync(directory, { throwIfNoEntry: false })?.isDirectory() === true) return createLayout(directory)
  const source = home.path === undefined ? 'the built-in defaults' : resolve(home.path)
  throw new Problem(`there is no data directory ${directory} (${source} names it)`, {
    hint: 'name the configuration of the registry with --config FILE',
  })
}
