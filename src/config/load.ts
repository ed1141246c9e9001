// From a file, the environment or an embedder's object to one checked configuration. It reads one file, once, and
// must never change the process's environment or its working directory.
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Findings } from './check.ts'
import { checkTree } from './check.ts'
import { ConfigError, throwFaults } from './config-error.ts'
import { makeDefaultTree } from './defaults.ts'
import type { Environment } from './environment.ts'
import { applyEnvironment } from './environment.ts'
import type { Units } from './leaf.ts'
import { describeUnreadable, Problem } from './problem.ts'
import type { Config, ConfigInput } from './schema.ts'
import { ConfigSchema } from './schema.ts'
import { checkCombinations, settleSpellings } from './settle.ts'
import type { MapNode } from './tree.ts'
import { makeNode } from './tree.ts'
import { parseYamlFile } from './yaml-file.ts'

export interface LoadOptions {
  /** The file to read, as given on the command line; it must exist. */
  readonly path?: string
  /** The environment: REGISTRY_CONFIGURATION_PATH and the REGISTRY_* settings. */
  readonly env: Environment
  /** Reads a file; undefined when there is none. Node's own unless given. */
  readonly readFile?: (path: string) => string | undefined
}

export interface LoadedConfig {
  readonly config: Config
  /** The file that was read; absent when the built-in defaults stood in. */
  readonly path?: string
  /** One line each, without secrets, for the log. */
  readonly warnings: readonly string[]
}

// distribution 3.x's place, then 2.x's: both images keep working with a mounted file.
const SERVE_PLACES = ['config.yml', '/etc/distribution/config.yml', '/etc/docker/registry/config.yml']
/** A command also works from inside a checkout, whose home is storage/. */
export const COMMAND_PLACES: readonly string[] = ['config.yml', 'storage/config.yml']

/**
 * The configuration of `serve`: the file of `path`, $REGISTRY_CONFIGURATION_PATH, ./config.yml,
 * /etc/distribution/config.yml, /etc/docker/registry/config.yml or none, changed by the environment.
 * Throws ConfigError for wrong content and Problem for a file that cannot be read.
 */
export function loadConfig(options: LoadOptions): LoadedConfig {
  return load(options, findServeFile(options))
}

/**
 * The configuration of every other command: the file of `path`, ./config.yml, ./storage/config.yml, else as `serve`.
 * Throws as loadConfig does.
 */
export function loadCommandConfig(options: LoadOptions): LoadedConfig {
  const { path } = options
  const found = path === undefined ? findFirst(COMMAND_PLACES, readerOf(options)) : undefined
  return load(options, found ?? findServeFile(options))
}

/** A whole configuration from the parts that an embedder gives. Throws ConfigError for a wrong or unknown key. */
export function resolveConfig(input: ConfigInput): Config {
  const root = makeNode(input, '')
  if (root.kind !== 'map') {
    throw new ConfigError([{ where: '', path: 'config', what: 'expected an object', hint: 'pass {} for the defaults' }])
  }
  const { config, warnings } = finish(root, 'object', { faults: [], warnings: [] })
  // Nobody would read a warning here, and the type has no such keys.
  throwFaults(warnings.map((what) => ({ where: '', path: '', what, hint: 'leave this setting out' })))
  return config
}

interface FoundFile {
  readonly path: string
  readonly text: string
}

function findServeFile(options: LoadOptions): FoundFile | undefined {
  const read = readerOf(options)
  const named = options.path ?? options.env['REGISTRY_CONFIGURATION_PATH']
  if (named === undefined || named === '') return findFirst(SERVE_PLACES, read)
  const text = read(named)
  if (text !== undefined) return { path: named, text }
  const by = options.path === undefined ? ' (named by REGISTRY_CONFIGURATION_PATH)' : ''
  throw new ConfigError([
    {
      where: '',
      path: '',
      what: `there is no configuration file ${named}${by}`,
      hint: 'check the path, or make a home: tarn init DIR --host NAME --user NAME',
    },
  ])
}

function findFirst(places: readonly string[], read: (path: string) => string | undefined): FoundFile | undefined {
  for (const path of places) {
    const text = read(path)
    if (text !== undefined) return { path, text }
  }
  return undefined
}

function readerOf({ readFile }: LoadOptions): (path: string) => string | undefined {
  return readFile ?? readWholeFile
}

function readWholeFile(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined
    if (code === 'EISDIR') {
      const inside = join(path, 'config.yml')
      throw new Problem(`${path} is a directory, not a configuration file`, {
        hint: existsSync(inside) ? `did you mean ${inside}?` : 'name the file itself, such as DIR/config.yml',
        cause: error,
      })
    }
    throw describeUnreadable('configuration file', path, error)
  }
}

function load({ env }: LoadOptions, file: FoundFile | undefined): LoadedConfig {
  const root = file === undefined ? makeDefaultTree() : parseYamlFile(file.text, file.path)
  const faults: Findings['faults'] = []
  const warnings = applyEnvironment(root, env, faults)
  const loaded = finish(root, 'text', { faults, warnings })
  return file === undefined ? loaded : { ...loaded, path: file.path }
}

function finish(root: MapNode, units: Units, found: Omit<Findings, 'units'>): { config: Config; warnings: string[] } {
  const findings: Findings = { ...found, units }
  settleSpellings(root, findings)
  const config = checkTree(ConfigSchema, root, { path: '', origin: root.origin }, findings) as Config
  throwFaults(findings.faults)
  checkCombinations(config, root, findings)
  throwFaults(findings.faults)
  return { config, warnings: findings.warnings }
}
