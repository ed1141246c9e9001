// Runs `tarn ARGS` inside the test's own process on a home over a test store: quicker than a child process, and the
// terminal can be played. What only a process has is tested with runTarn.
import { randomBytes } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { PassThrough } from 'node:stream'
import { runProgram } from '../../src/cli/program.ts'

export interface CommandRun {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

export interface CommandOptions {
  /** What a person types. */
  readonly input?: string
  readonly isTTY?: boolean
  /** Milliseconds since 1970. */
  readonly clock?: () => number
}

/** Writes the configuration of a registry over the data directory `data` into `directory`; gives its path. */
export function writeHome(directory: string, data: string): string {
  const path = join(directory, 'config.yml')
  writeFileSync(path, `version: 0.1\nstorage: {filesystem: {rootdirectory: ${data}}}\nhttp: {addr: "127.0.0.1:0"}\n`)
  return path
}

/** Runs the command until it ends. */
export async function runCommand(args: readonly string[], options: CommandOptions = {}): Promise<CommandRun> {
  const { input = '', isTTY = false, clock = Date.now } = options
  const [stdin, stdout, stderr] = [new PassThrough(), new PassThrough(), new PassThrough()]
  const [out, err] = [collect(stdout), collect(stderr)]
  stdin.end(input)
  const before = process.exitCode
  // Commands leave their exit code there; the test's own must not be touched.
  process.exitCode = undefined
  const terminal = Object.assign(stdin, { isTTY })
  try {
    const code = await runProgram(args, { stdin: terminal, stdout, stderr, clock, random: randomBytes })
    return { code, stdout: out(), stderr: err() }
  } finally {
    process.exitCode = before
  }
}

function collect(stream: PassThrough): () => string {
  const parts: Buffer[] = []
  stream.on('data', (part: Buffer) => parts.push(part))
  return () => Buffer.concat(parts).toString('utf8')
}
