// `npm start`: makes a home in the checkout when there is none, serves it, and says what a first user must
// know. Its home is auth/, certs/ and storage/ of this folder; storage/config.yml decides whether it exists.
import { existsSync } from 'node:fs'
import { hostname, networkInterfaces } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Command } from 'commander'
import { makePassword } from '../auth/password.ts'
import { certificateFiles, makeHome } from '../config/init.ts'
import { loadConfig } from '../config/load.ts'
import { parseHost } from '../tls/host-name.ts'
import type { CommandContext } from './context.ts'
import { deliverPassword } from './initial-password.ts'
import { serve } from './serve.ts'
import { describeTrust } from './trust.ts'

const USER = 'admin'
const PORT = 5000

interface StartOptions {
  readonly listen?: string
  readonly home: string
}

export function startCommand(context: CommandContext): Command {
  return new Command('start')
    .description('make a home in this checkout when there is none, and serve it (what npm start runs)')
    .option('--listen <HOST:PORT>', 'listen here instead of the address in storage/config.yml')
    .option('--home <DIR>', 'where auth/, certs/ and storage/ are', fileURLToPath(new URL('../..', import.meta.url)))
    .action(async ({ listen, home }: StartOptions) => {
      const paths = pathsOf(home)
      const lines = existsSync(paths.configFile) ? [] : await makeFirstHome(home, context)
      // The file is named, so that a stray /etc/docker/registry/config.yml is not taken for it.
      const { config, warnings } = loadConfig({ path: paths.configFile, env: process.env })
      await serve(config, {
        listen,
        warnings,
        announce: (url) => {
          const port = Number(new URL(url).port)
          const { caCertificate } = certificateFiles(paths.certsDirectory)
          const trust = describeTrust({ host: 'localhost', port, user: USER, caCertificate })
          context.stdout.write(`${[`listening on ${url}`, ...lines, '', ...trust].join('\n')}\n`)
        },
      })
    })
}

function pathsOf(home: string): Record<'configFile' | 'dataDirectory' | 'authDirectory' | 'certsDirectory', string> {
  return {
    configFile: join(home, 'storage', 'config.yml'),
    dataDirectory: join(home, 'storage', 'data'),
    authDirectory: join(home, 'auth'),
    certsDirectory: join(home, 'certs'),
  }
}

async function makeFirstHome(home: string, { stdout, clock, random }: CommandContext): Promise<string[]> {
  const paths = pathsOf(home)
  const password = makePassword(random)
  // The password is in its owner's hands before the user exists: a crash in between loses nothing.
  const delivered = existsSync(join(paths.authDirectory, 'htpasswd'))
    ? undefined
    : await deliverPassword({
        user: USER,
        password,
        authDirectory: paths.authDirectory,
        isTerminal: stdout.isTTY === true,
      })
  const { created } = await makeHome({
    ...paths,
    directory: home,
    hosts: namesOfThisMachine(),
    user: USER,
    password,
    port: PORT,
    clock,
    random,
  })
  return [...created.map((path) => `made ${path}`), ...(delivered === undefined ? [] : [delivered.line])]
}

// The certificate must fit whatever clients on the network call this machine.
function namesOfThisMachine(): string[] {
  const addresses = Object.values(networkInterfaces())
    .flatMap((entries) => entries ?? [])
    // A link-local address means nothing on another machine.
    .filter(({ internal, scopeid }) => !internal && !scopeid)
    .map(({ address }) => address)
  return [hostname(), ...addresses].filter(isHost)
}

function isHost(text: string): boolean {
  try {
    parseHost(text)
    return true
  } catch {
    return false
  }
}
