// Where a home keeps its secrets: keys of bundles lie beside the htpasswd file, never in the data directory.
import { dirname, resolve } from 'node:path'
import type { LoadedConfig } from '../config/load.ts'

/** The directory of `auth.htpasswd.path`; where there is no login, `auth` beside the configuration. */
export function authDirectory({ config, path }: LoadedConfig): string {
  const { htpasswd } = config.auth
  if (htpasswd !== undefined) return dirname(resolve(htpasswd.path))
  return resolve(path === undefined ? '.' : dirname(path), 'auth')
}
