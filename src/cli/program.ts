// The command `tarn`: puts the commands together and turns how they end into an exit code. It does nothing itself.
import { readFileSync } from 'node:fs'
import { Command, CommanderError } from 'commander'
import type { CommandContext } from './context.ts'
import { EXIT, reportError, toleratePipe } from './output.ts'

/** Runs the command line `args` (without the program's own name) and gives the exit code. Never throws. */
export async function runProgram(args: readonly string[], context: CommandContext): Promise<number> {
  toleratePipe(context.stdout, (error) => {
    process.exitCode = reportError(error, context.stderr)
  })
  // There is no other place to complain about it.
  toleratePipe(context.stderr, () => undefined)
  try {
    const meant = asRelease(asServe(args))
    const program = await makeProgram(meant, context)
    await program.parseAsync(meant, { from: 'user' })
    return Number(process.exitCode ?? EXIT.done)
  } catch (error) {
    // commander has written its own lines already; it says 0 for --help and --version.
    if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.done : EXIT.usage
    return reportError(error, context.stderr)
  }
}

type LoadCommand = () => Promise<(context: CommandContext) => Command>

// As help shows them. Only the one that is given is loaded: to load all takes longer than most of them work.
const COMMANDS: ReadonlyMap<string, LoadCommand> = new Map<string, LoadCommand>(
  Object.entries({
    serve: async () => (await import('./serve.ts')).serveCommand,
    start: async () => (await import('./start.ts')).startCommand,
    init: async () => (await import('./init.ts')).initCommand,
    user: async () => (await import('./user.ts')).userCommand,
    cert: async () => (await import('./cert.ts')).certCommand,
    sync: async () => (await import('./sync.ts')).syncCommand,
    bundle: async () => (await import('./bundle.ts')).bundleCommand,
    release: async () => (await import('./release/release.ts')).releaseCommand,
    import: async () => (await import('./import.ts')).importCommand,
    export: async () => (await import('./export.ts')).exportCommand,
    ls: async () => (await import('./ls.ts')).lsCommand,
    inspect: async () => (await import('./inspect.ts')).inspectCommand,
    rm: async () => (await import('./rm.ts')).rmCommand,
    pin: async () => (await import('./pin.ts')).pinCommand,
    gc: async () => (await import('./gc.ts')).gcCommand,
    check: async () => (await import('./check.ts')).checkCommand,
    'garbage-collect': async () => (await import('./garbage-collect.ts')).garbageCollectCommand,
    retain: async () => (await import('./retain.ts')).retainCommand,
    cluster: async () => (await import('./cluster/cluster.ts')).clusterCommand,
  }),
)

async function makeProgram(args: readonly string[], context: CommandContext): Promise<Command> {
  const program = new Command('tarn')
    .description('A mirror registry: OCI distribution server, mirror and air-gap bundle in one process.')
    .version(readVersion())
    .option('--json', 'one JSON document on stdout')
    .option('--quiet', 'no notes')
  for (const load of findLoaders(args)) program.addCommand((await load())(context))
  speakOurWay(program, program.name(), context)
  return program
}

// All of them for help, and for what is no command.
function findLoaders(args: readonly string[]): LoadCommand[] {
  const named = COMMANDS.get(args.find((arg) => !arg.startsWith('-')) ?? '')
  return named === undefined ? [...COMMANDS.values()] : [named]
}

// Settings of commander are not passed on to commands that were made before.
function speakOurWay(command: Command, name: string, context: CommandContext): void {
  // What holds for every command is told by each of them too.
  command
    .configureHelp({ showGlobalOptions: true })
    .exitOverride()
    .configureOutput({
      writeOut: (text) => void context.stdout.write(text),
      writeErr: (text) => void context.stderr.write(text),
      outputError: (text, write) => write(`${text.trimEnd()}\nhint: see how it is used: ${name} --help\n`),
    })
  for (const child of command.commands) speakOurWay(child, `${name} ${child.name()}`, context)
}

// The entry point of the image registry:2 takes a bare configuration file for `serve FILE`.
function asServe(args: readonly string[]): readonly string[] {
  return /\.ya?ml$/.test(args[0] ?? '') ? ['serve', ...args] : args
}

// `--version` of a release is not that of the program, which commander looks for behind every command.
function asRelease(args: readonly string[]): readonly string[] {
  const at = args.findIndex((arg) => !arg.startsWith('-'))
  if (args[at] !== 'release') return args
  return args.map((arg, index) => (index > at ? arg.replace(/^--version(?==|$)/, '--release-version') : arg))
}

function readVersion(): string {
  const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as {
    version: string
  }
  return version
}
