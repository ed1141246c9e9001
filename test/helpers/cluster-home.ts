// A home as `tarn init` makes it, for the commands that hand a cluster what it needs.
import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { makeHome } from '../../src/config/init.ts'

export const PASSWORD = 'hunter2-very-secret'

export interface ClusterHome {
  readonly directory: string
  readonly config: string
  readonly data: string
  readonly htpasswd: string
  readonly ca: string
}

/** Makes it in `directory`: user david with PASSWORD, reg.example.com on port 5000. */
export async function makeClusterHome(directory: string, hosts = ['reg.example.com']): Promise<ClusterHome> {
  const config = join(directory, 'config.yml')
  await makeHome({
    directory,
    configFile: config,
    dataDirectory: join(directory, 'data'),
    authDirectory: join(directory, 'auth'),
    certsDirectory: join(directory, 'certs'),
    hosts,
    user: 'david',
    password: PASSWORD,
    port: 5000,
    clock: Date.now,
    random: randomBytes,
  })
  return {
    directory,
    config,
    data: join(directory, 'data'),
    htpasswd: join(directory, 'auth', 'htpasswd'),
    ca: join(directory, 'certs', 'ca.crt'),
  }
}
