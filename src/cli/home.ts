// Finds the home that a command works on: the file of --config, else the search order of DESIGN §5.
import { resolve } from 'node:path'
import type { Command } from 'commander'
import { Option } from 'commander'
import type { LoadedConfig } from '../config/load.ts'
import { COMMAND_PLACES, loadCommandConfig } from '../config/load.ts'
import { Problem } from '../config/problem.ts'
import type { Config } from '../config/schema.ts'
import type { CommandContext } from './context.ts'
import { outputOf } from './context.ts'

/** `--config FILE`, the same in every command that works on a home. */
export function configOption(): Option {
  return new Option(
    '--config <file>',
    'the configuration of the registry (default: ./config.yml, ./storage/config.yml, else as serve)',
  )
}

export interface Home extends LoadedConfig {
  /**
   * Whether its user meant this one: --config or REGISTRY_CONFIGURATION_PATH names it, or the command was given in its
   * directory. Else it is what the machine has.
   */
  readonly meant: boolean
}

/**
 * The configuration of the home and its file. Where the user did not name it and is not in it, a note says what is used.
 * Throws a Problem when the file is wrong or, being named, is not there.
 */
export function readHome({ config: named }: { config?: string }, command: Command, context: CommandContext): Home {
  const loaded = loadCommandConfig({ env: process.env, ...(named === undefined ? {} : { path: named }) })
  const { path } = loaded
  const isNear = named !== undefined || (path !== undefined && COMMAND_PLACES.includes(path))
  if (!isNear) outputOf(command, context).note(describeHome(loaded))
  return { ...loaded, meant: isNear || (path !== undefined && path === process.env['REGISTRY_CONFIGURATION_PATH']) }
}

/** `using FILE, data in DIR` */
export function describeHome({ path, config }: LoadedConfig): string {
  const file = path === undefined ? 'the built-in defaults' : resolve(path)
  return `using ${file}, data in ${resolve(config.storage.filesystem.rootdirectory)}`
}

/** `auth.htpasswd.path`; throws a Problem when the registry has no htpasswd login. */
export function htpasswdPath(home: LoadedConfig): string {
  const { auth } = home.config
  if (auth.htpasswd !== undefined) return auth.htpasswd.path
  throw describeLack(home, 'no htpasswd login')
}

/** `http.tls`; throws a Problem when the registry speaks plain HTTP. */
export function tlsPaths(home: LoadedConfig): NonNullable<Config['http']['tls']> {
  const { http } = home.config
  if (http.tls !== undefined) return http.tls
  throw describeLack(home, 'no certificate: it speaks plain HTTP')
}

// Outside a home the command looked at something that its user did not think of.
function describeLack({ path }: LoadedConfig, lack: string): Problem {
  const used =
    path === undefined
      ? `there is no configuration in ${process.cwd()}, and a registry by the built-in defaults has`
      : `the registry of ${resolve(path)} has`
  return new Problem(`${used} ${lack}`, {
    hint: 'name its configuration with --config FILE, or make a home: tarn init DIR --host NAME --user NAME',
  })
}
