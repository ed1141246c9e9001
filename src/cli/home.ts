// Finds the home that a command works on: the file of --config, else the search order of DESIGN §5.
import { Option } from 'commander'
import { loadCommandConfig } from '../config/load.ts'
import { Problem } from '../config/problem.ts'
import type { Config } from '../config/schema.ts'

/** `--config FILE`, the same in every command that works on a home. */
export function configOption(): Option {
  return new Option(
    '--config <file>',
    'the configuration of the registry (default: ./config.yml, ./storage/config.yml, else as serve)',
  )
}

/** The configuration of the home. Throws a Problem when the file is wrong or, being named, is not there. */
export function readHome({ config: path }: { config?: string }): Config {
  return loadCommandConfig({ env: process.env, ...(path === undefined ? {} : { path }) }).config
}

/** `auth.htpasswd.path`; throws a Problem when the registry has no htpasswd login. */
export function htpasswdPath({ auth }: Config): string {
  if (auth.htpasswd !== undefined) return auth.htpasswd.path
  throw new Problem('this registry has no htpasswd login', {
    hint: 'name its configuration with --config FILE, or make a home with: tarn init',
  })
}

/** `http.tls`; throws a Problem when the registry speaks plain HTTP. */
export function tlsPaths({ http }: Config): NonNullable<Config['http']['tls']> {
  if (http.tls !== undefined) return http.tls
  throw new Problem('this registry has no certificate: it speaks plain HTTP', {
    hint: 'name its configuration with --config FILE, or make a home with: tarn init',
  })
}
