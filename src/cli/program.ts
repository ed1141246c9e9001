// The command `tarn`: puts the commands together and turns how they end into an exit code. It does nothing itself.
import { readFileSync } from 'node:fs'
import { Command, CommanderError } from 'commander'
import { bundleCommand } from './bundle.ts'
import { certCommand } from './cert.ts'
import { checkCommand } from './check.ts'
import { clusterCommand } from './cluster/cluster.ts'
import type { CommandContext } from './context.ts'
import { garbageCollectCommand } from './garbage-collect.ts'
import { gcCommand } from './gc.ts'
import { initCommand } from './init.ts'
import { inspectCommand } from './inspect.ts'
import { lsCommand } from './ls.ts'
import { EXIT, reportError, toleratePipe } from './output.ts'
import { pinCommand } from './pin.ts'
import { releaseCommand } from './release/release.ts'
import { retainCommand } from './retain.ts'
import { rmCommand } from './rm.ts'
import { serveCommand } from './serve.ts'
import { startCommand } from './start.ts'
import { importCommand } from './import.ts'
import { exportCommand } from './export.ts'
import { syncCommand } from './sync.ts'
import { userCommand } from './user.ts'

/** Runs the command line `args` (without the program's own name) and gives the exit code. Never throws. */
export async function runProgram(args: readonly string[], context: CommandContext): Promise<number> {
  toleratePipe(context.stdout, (error) => {
    process.exitCode = reportError(error, context.stderr)
  })
  // There is no other place to complain about it.
  toleratePipe(context.stderr, () => undefined)
  try {
    await makeProgram(context).parseAsync(asRelease(asServe(args)), { from: 'user' })
    return Number(process.exitCode ?? EXIT.done)
  } catch (error) {
    // commander has written its own lines already; it says 0 for --help and --version.
    if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.done : EXIT.usage
    return reportError(error, context.stderr)
  }
}

function makeProgram(context: CommandContext): Command {
  const program = new Command('tarn')
    .description('A mirror registry: OCI distribution server, mirror and air-gap bundle in one process.')
    .version(readVersion())
    .option('--json', 'one JSON document on stdout')
    .option('--quiet', 'no notes')
    .addCommand(serveCommand())
    .addCommand(startCommand(context))
    .addCommand(initCommand(context))
    .addCommand(userCommand(context))
    .addCommand(certCommand(context))
    .addCommand(syncCommand(context))
    .addCommand(bundleCommand(context))
    .addCommand(releaseCommand(context))
    .addCommand(importCommand(context))
    .addCommand(exportCommand(context))
    .addCommand(lsCommand(context))
    .addCommand(inspectCommand(context))
    .addCommand(rmCommand(context))
    .addCommand(pinCommand(context))
    .addCommand(gcCommand(context))
    .addCommand(checkCommand(context))
    .addCommand(garbageCollectCommand(context))
    .addCommand(retainCommand(context))
    .addCommand(clusterCommand(context))
  speakOurWay(program, program.name(), context)
  return program
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
