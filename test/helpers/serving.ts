// Runs `tarn serve` or `tarn start` as a real child process and speaks to it, for tests of what only a process has:
// signals, exit codes, its first line, its log. It ends only the process that it started.
import type { ChildProcess } from 'node:child_process'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Test } from 'tap'

export interface Serving {
  /** What the first line on stdout says after `listening on `. */
  readonly url: string
  readonly child: ChildProcess
  stdout(): string
  stderr(): string
  /** Sends the signal, if one is given, and waits for the end; gives the exit code, or the signal that ended it. */
  end(signal?: NodeJS.Signals): Promise<number | NodeJS.Signals | null>
}

const MAIN = fileURLToPath(new URL('../../src/main.ts', import.meta.url))

/** Starts `tarn ARGS` in `directory`; gives when it says that it listens, throws with its words when it ends before. */
export async function startServing(
  t: Pick<Test, 'teardown'>,
  directory: string,
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<Serving> {
  // The local socket goes to a directory of the test's own; its path is too long for one in most of theirs.
  const run = mkdtempSync(join(tmpdir(), 'tarn-run-'))
  t.teardown(() => rmSync(run, { recursive: true, force: true }))
  const child = spawn(process.execPath, [MAIN, ...args], {
    cwd: directory,
    env: { PATH: process.env['PATH'], HOME: directory, XDG_RUNTIME_DIR: run, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let [stdout, stderr] = ['', '']
  const closed = once(child, 'close')
  t.teardown(async () => {
    if (child.exitCode === null && child.signalCode === null) child.kill('SIGKILL')
    await closed
  })
  child.stderr.setEncoding('utf8').on('data', (part: string) => (stderr += part))
  const url = await new Promise<string>((resolve, reject) => {
    child.stdout.setEncoding('utf8').on('data', (part: string) => {
      stdout += part
      const line = /^listening on (\S+)\n/.exec(stdout)
      if (line?.[1] !== undefined) resolve(line[1])
    })
    void closed.then(() => reject(new Error(`it ended before it served: ${stdout}${stderr}`)))
  })
  return {
    url,
    child,
    stdout: () => stdout,
    stderr: () => stderr,
    async end(signal) {
      if (signal !== undefined) child.kill(signal)
      await closed
      return child.exitCode ?? child.signalCode
    },
  }
}

/** A free port of loopback, in place of the configured address. */
export const LOCAL = ['--listen', '127.0.0.1:0']

/** Writes config.yml of a data directory `data`, and these further lines; gives its directory. */
export function writeConfig(t: Test, more = '', directory = t.testdir({})): string {
  writeFileSync(
    join(directory, 'config.yml'),
    `version: 0.1\nstorage: {filesystem: {rootdirectory: ${join(directory, 'data')}}}\n${more}`,
  )
  return directory
}

/** Serves the config.yml of `directory` on a free port. */
export function serveConfig(t: Test, directory: string): Promise<Serving> {
  return startServing(t, directory, ['serve', 'config.yml', ...LOCAL])
}

/** Waits until the log says so. */
export async function hear(serving: Serving, text: string): Promise<void> {
  const deadline = Date.now() + 300_000
  while (!serving.stderr().includes(text)) {
    if (Date.now() > deadline) throw new Error(`not heard in five minutes: ${text}\nbut: ${serving.stderr()}`)
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}
