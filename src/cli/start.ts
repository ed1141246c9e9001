// `npm start`: makes a home in the checkout when there is none, serves it, and says what a first user must
// know. Its home is auth/, certs/ and storage/ of this folder; storage/config.yml decides whether it exists.
import { X509Certificate } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { hostname, networkInterfaces } from 'node:os'
import { dirname, join, sep } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Command } from 'commander'
import { makePassword } from '../auth/password.ts'
import { certificateFiles, makeHome } from '../config/init.ts'
import { loadConfig } from '../config/load.ts'
import { Problem } from '../config/problem.ts'
import { hostsOf } from '../tls/describe.ts'
import { parseHost } from '../tls/host-name.ts'
import type { CommandContext } from './context.ts'
import { deliverPassword, describePasswordFile } from './initial-password.ts'
import { serve } from './serve.ts'
import { describeTrust } from './trust.ts'

const USER = 'admin'
const PORT = 5000
const LOOPBACK = new Set(['localhost', '127.0.0.1', '::1'])

interface StartOptions {
  readonly listen?: string
  readonly home?: string
}

export function startCommand(context: CommandContext): Command {
  return new Command('start')
    .description('make a home in this checkout when there is none, and serve it (what npm start runs)')
    .option('--listen <HOST:PORT>', 'listen here instead of the address in storage/config.yml')
    .option('--home <DIR>', 'where auth/, certs/ and storage/ are (default: this checkout)')
    .action(async ({ listen, home }: StartOptions) => {
      await start(home ?? findCheckout(fileURLToPath(new URL('../..', import.meta.url))), listen, context)
    })
}

/** Gives `root` back; throws a Problem where it is an installed package: the next install would remove a home there. */
export function findCheckout(root: string): string {
  if (!root.split(sep).includes('node_modules')) return root
  throw new Problem('an installed package is no place for a home', {
    hint: 'say where it shall be: tarn start --home DIR',
    exitCode: 2,
  })
}

async function start(home: string, listen: string | undefined, context: CommandContext): Promise<void> {
  const paths = pathsOf(home)
  const made = existsSync(paths.configFile) ? [] : await makeFirstHome(home, context)
  const lines = [...made, ...describePasswordFile(USER, paths.authDirectory)]
  let listening = false
  try {
    // The file is named, so that a stray /etc/docker/registry/config.yml is not taken for it.
    const { config, warnings } = loadConfig({ path: paths.configFile, env: process.env })
    await serve(config, {
      listen,
      home: dirname(paths.configFile),
      warnings,
      announce: (url) => {
        listening = true
        const text = [`listening on ${url}`, ...lines, ...describeClients(url, paths.certsDirectory)]
        context.stdout.write(`${text.join('\n')}\n`)
      },
    })
  } catch (error) {
    if (!listening && lines.length > 0) context.stdout.write(`${lines.join('\n')}\n`)
    throw error
  }
}

function describeClients(url: string, certsDirectory: string): string[] {
  const { protocol, hostname: bound, port } = new URL(url)
  const { caCertificate, certificate } = certificateFiles(certsDirectory)
  if (protocol !== 'https:' || !existsSync(caCertificate) || !existsSync(certificate)) return []
  // A registry on loopback is nobody else's.
  const isLocal = /^(?:127\.|\[::1\]$)/.test(bound)
  const elsewhere = isLocal ? undefined : findOuterName(certificate)
  return ['', ...describeTrust({ host: 'localhost', port: Number(port), user: USER, caCertificate, elsewhere })]
}

// The machine's own name, if the certificate has it, else the first name there that means something elsewhere.
function findOuterName(certificate: string): string | undefined {
  const names = hostsOf(new X509Certificate(readFileSync(certificate)))
  const outer = names.filter((name) => !LOOPBACK.has(name))
  return outer.find((name) => name === hostname().toLowerCase()) ?? outer[0]
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
  const delivered = existsSync(join(paths.authDirectory, 'htpasswd'))
    ? undefined
    : await deliverPassword({
        user: USER,
        password,
        authDirectory: paths.authDirectory,
        terminal: stdout.isTTY === true ? stdout : undefined,
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
    ...(delivered === undefined ? {} : { onUser: delivered.onUser }),
  })
  return created.map((path) => `made ${path}`)
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
