// `tarn init`: makes a home and says how clients come to trust it.
import { Argument, Command, InvalidArgumentError } from 'commander'
import { existsSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { makePassword, parseUserName } from '../auth/password.ts'
import { certificateFiles, makeHome, withLoopback } from '../config/init.ts'
import { Problem } from '../config/problem.ts'
import type { CommandContext } from './context.ts'
import { collect, outputOf } from './context.ts'
import { deliverPassword, describePasswordFile } from './initial-password.ts'
import { readPassword } from './password-input.ts'
import { describeBackup, describeHome, describeTrust } from './trust.ts'

interface InitOptions {
  readonly host?: readonly string[]
  readonly user: string
  readonly passwordStdin?: boolean
  readonly config?: string
  readonly data?: string
  readonly port: number
}

/** `tarn init [DIR] --host NAME… --user NAME`. */
export function initCommand(context: CommandContext): Command {
  return new Command('init')
    .description('make a home: auth/ with the first user, certs/ with a CA and a server certificate, data/, config.yml')
    .addArgument(new Argument('[dir]', 'where the home is made').default('.'))
    .option('--host <name>', 'name or address by which clients reach the registry (can be given again)', collect)
    .requiredOption('--user <name>', 'the first user')
    .option('--password-stdin', 'take the password from stdin; without this one is generated')
    .option('--config <file>', 'where the configuration is written (default: DIR/config.yml)')
    .option('--data <dir>', 'the data directory (default: DIR/data)')
    .option('--port <number>', 'the port to listen on', parsePort, 5000)
    .action(async (directory: string, options: InitOptions, command: Command) => {
      await init(directory, options, command, context)
    })
}

async function init(directory: string, options: InitOptions, command: Command, context: CommandContext): Promise<void> {
  const { host: hosts = [], port, passwordStdin = false } = options
  const home = resolve(directory)
  const [auth, certs] = [join(home, 'auth'), join(home, 'certs')]
  const data = resolve(options.data ?? join(home, 'data'))
  const configFile = resolve(options.config ?? join(home, 'config.yml'))
  const [host] = hosts
  if (host === undefined) {
    throw new Problem('--host is missing', {
      hint: 'give the name by which clients reach this machine, as in --host registry.example.com',
      exitCode: 2,
    })
  }
  // All that the user typed is checked before anything is made.
  const user = parseUserName(options.user)
  withLoopback(hosts)

  const output = outputOf(command, context)
  const { json = false } = command.optsWithGlobals<{ json?: boolean }>()
  const generated = !passwordStdin && !existsSync(join(auth, 'htpasswd'))
  const password = passwordStdin ? await readPassword(context) : makePassword(context.random)
  const terminal = context.stdout.isTTY === true && !json ? context.stdout : undefined
  const delivered = generated ? await deliverPassword({ user, password, authDirectory: auth, terminal }) : undefined
  const { created } = await makeHome({
    directory: home,
    configFile,
    dataDirectory: data,
    authDirectory: auth,
    certsDirectory: certs,
    hosts,
    user,
    password,
    port,
    clock: context.clock,
    random: context.random,
    ...(delivered === undefined ? {} : { onUser: delivered.onUser }),
  })

  const { caCertificate } = certificateFiles(certs)
  const wanted = {
    hosts,
    user,
    hasPassword: passwordStdin && !created.includes(join(auth, 'htpasswd')),
    port: command.getOptionValueSource('port') === 'cli' ? port : undefined,
    data: options.data === undefined ? undefined : data,
  }
  const { notes, data: inUse = data, trust } = describeHome(configFile, wanted)
  for (const note of notes) output.note(note)
  const lines = [
    ...(created.length === 0 ? [`nothing to do: ${home} is whole`] : created.map((path) => `made ${path}`)),
    ...describePasswordFile(user, auth).flatMap((line) => ['', line]),
    ...(trust === undefined ? [] : ['', ...describeTrust(trust)]),
    '',
    ...describeBackup({ auth, certs, data: inUse, config: configFile }),
    '',
    `Start it: tarn serve ${configFile}`,
  ]
  output.result(
    { created, config: configFile, caCertificate, user, initialPassword: delivered?.file ?? null },
    lines.join('\n'),
  )
}

function parsePort(text: string): number {
  const port = Number(text)
  if (/^\d+$/.test(text) && port >= 1 && port <= 65_535) return port
  throw new InvalidArgumentError('a port is a number from 1 to 65535.')
}
