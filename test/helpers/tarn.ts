// Runs the command `tarn` as a real child process, on the Node that runs the test, in a directory and with an
// environment of its own, so that no configuration of the machine gets in.
import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'

export interface Ran {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

const MAIN = fileURLToPath(new URL('../../src/main.ts', import.meta.url))
const DEADLINE_MS = 300_000

/** Runs `tarn ARGS` in `directory` with `input` on stdin until it ends; one that does not end in five minutes is killed. */
export function runTarn(
  directory: string,
  args: readonly string[],
  input = '',
  env: Readonly<Record<string, string>> = {},
): Promise<Ran> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [MAIN, ...args], {
      cwd: directory,
      env: { PATH: process.env['PATH'], HOME: directory, ...env },
      timeout: DEADLINE_MS,
    })
    let stdout = ''
    let stderr = ''
    child.stdout.setEncoding('utf8').on('data', (part: string) => (stdout += part))
    child.stderr.setEncoding('utf8').on('data', (part: string) => (stderr += part))
    child.once('error', reject)
    child.once('close', (code) => resolve({ code, stdout, stderr }))
    // A command that refuses before it reads has closed its end.
    child.stdin.on('error', () => undefined)
    child.stdin.end(input)
  })
}
