// Commands, long-running children and scratch folders of one suite. Everything started here ends by
// its own pid, everything made here vanishes, in end(). It must never end a process by name.

import { spawn, type ChildProcess } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** How a command is run. */
export interface RunOptions {
  /** Added to the environment of this process; undefined removes a variable. */
  env?: Record<string, string | undefined>
  cwd?: string
  /** Bytes for standard input; without it standard input is empty. */
  input?: string | Uint8Array
  /** Words before the command, for example `nsenter --net=…`. */
  prefix?: readonly string[]
  /** Milliseconds until the command is ended and counts as failed; 300,000 unless told. */
  timeout?: number
  /** Exit codes that do not throw; [0] unless told. */
  codes?: readonly number[]
}

/** What a finished command left. */
export interface Output {
  code: number
  stdout: Buffer
  stderr: string
  /** stdout as text without the white space at its ends. */
  text: string
}

/** A running child. */
export interface Service {
  pid: number
  /** Everything it printed so far, stdout and stderr together. */
  log(): string
  /** Resolves with the first match of `pattern` in the log; throws when it ends or `ms` pass first. */
  waitFor(pattern: RegExp, ms?: number): Promise<RegExpMatchArray>
  /** Sends the signal (SIGTERM), after 20 s SIGKILL, and resolves when the child is gone. */
  stop(signal?: NodeJS.Signals): Promise<void>
  /** Resolves with how the child ended, `exit 0` or `ended by SIGKILL`; throws when it is still there after `ms`. */
  ending(ms?: number): Promise<string>
}

export interface Machine {
  /** Runs a command to its end; throws with its words and its stderr on any other exit code. */
  run(command: string, args: readonly string[], options?: RunOptions): Promise<Output>
  /** Starts a child that ends, at the latest, with the suite. */
  start(command: string, args: readonly string[], options?: Omit<RunOptions, 'input' | 'timeout' | 'codes'>): Service
  /** Makes a new empty folder below the temporary directory. */
  scratch(label: string): Promise<string>
  /** Registers what is to be undone at the end, last one first. */
  onEnd(act: () => Promise<void>): void
  /** Ends children, undoes, removes the folders. */
  end(): Promise<void>
}

const PATIENCE_MS = 20_000
const PIPE_GRACE_MS = 2000

/** Makes the machine of one suite. */
export function makeMachine(): Machine {
  const undo: Array<() => Promise<void>> = []
  return {
    run: runCommand,
    start(command, args, options = {}) {
      const service = startService(command, args, options)
      undo.push(() => service.stop())
      return service
    },
    async scratch(label) {
      const folder = await mkdtemp(join(tmpdir(), `tarn-e2e-${label}-`))
      undo.push(() => rm(folder, { recursive: true, force: true }))
      return folder
    },
    onEnd: (act) => void undo.push(act),
    async end() {
      const failures: unknown[] = []
      for (const act of undo.splice(0).toReversed()) {
        await act().catch((error: unknown) => failures.push(error))
      }
      if (failures.length > 0)
        throw new AggregateError(failures, `could not clean up: ${failures.map(String).join('; ')}`)
    },
  }
}

function spawnChild(
  command: string,
  args: readonly string[],
  options: RunOptions,
  stdin: 'ignore' | 'pipe',
): ChildProcess {
  const [program, ...rest] = [...(options.prefix ?? []), command, ...args]
  return spawn(program ?? command, rest, {
    stdio: [stdin, 'pipe', 'pipe'],
    env: { ...process.env, ...options.env },
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
  })
}

function runCommand(command: string, args: readonly string[], options: RunOptions = {}): Promise<Output> {
  const words = [...(options.prefix ?? []), command, ...args].join(' ')
  return new Promise((resolve, reject) => {
    const child = spawnChild(command, args, options, options.input === undefined ? 'ignore' : 'pipe')
    const stdout: Buffer[] = []
    const stderr: Buffer[] = []
    child.stdout?.on('data', (chunk: Buffer) => stdout.push(chunk))
    child.stderr?.on('data', (chunk: Buffer) => stderr.push(chunk))
    // A child that ends before it read its input gives EPIPE here; its exit code tells the story.
    child.stdin?.on('error', () => undefined)
    child.stdin?.end(options.input)
    const limit = options.timeout ?? 300_000
    const timer = setTimeout(() => child.kill('SIGKILL'), limit)
    child.once('error', (error) => {
      clearTimeout(timer)
      reject(new Error(`${words}: could not start`, { cause: error }))
    })
    child.once('close', (code, signal) => {
      clearTimeout(timer)
      const out = Buffer.concat(stdout)
      const complaint = Buffer.concat(stderr).toString().trim()
      const text = out.toString().trim()
      if (code !== null && (options.codes ?? [0]).includes(code)) {
        resolve({ code, stdout: out, stderr: complaint, text })
        return
      }
      const ending = code === null ? `ended by ${signal} (limit ${limit} ms)` : `exit ${code}`
      reject(new Error(`${words}: ${ending}\n${tail(`${text}\n${complaint}`)}`))
    })
  })
}

function startService(command: string, args: readonly string[], options: RunOptions): Service {
  const words = [...(options.prefix ?? []), command, ...args].join(' ')
  const child = spawnChild(command, args, options, 'ignore')
  let log = ''
  let ended: string | undefined
  let failure: Error | undefined
  const listeners = new Set<() => void>()
  const tell = (): void => {
    for (const listener of listeners) listener()
  }
  const add = (chunk: Buffer): void => {
    log += chunk.toString()
    tell()
  }
  child.stdout?.on('data', add)
  child.stderr?.on('data', add)
  child.once('error', (error) => {
    failure = error
    ended = 'could not start'
    tell()
  })
  const end = (code: number | null, signal: NodeJS.Signals | null): void => {
    ended ??= code === null ? `ended by ${signal}` : `exit ${code}`
    tell()
  }
  child.once('close', end)
  // A grandchild may hold the pipes open for ever, then `close` never comes.
  child.once('exit', (code, signal) => void setTimeout(end, PIPE_GRACE_MS, code, signal).unref())
  // The last resort when this process itself is ended; by pid, synchronous.
  const killAtExit = (): void => void child.kill('SIGKILL')
  process.once('exit', killAtExit)
  return {
    pid: child.pid ?? -1,
    log: () => log,
    waitFor(pattern, ms = 60_000) {
      return new Promise((resolve, reject) => {
        const finish = (settle: () => void): void => {
          clearTimeout(timer)
          listeners.delete(look)
          settle()
        }
        const look = (): void => {
          const match = log.match(pattern)
          if (match !== null) finish(() => resolve(match))
          else if (ended !== undefined) {
            finish(() => reject(new Error(`${words}: ${ended} before ${pattern}\n${tail(log)}`, { cause: failure })))
          }
        }
        const timer = setTimeout(
          () => finish(() => reject(new Error(`${words}: no ${pattern} within ${ms} ms\n${tail(log)}`))),
          ms,
        )
        listeners.add(look)
        look()
      })
    },
    ending(ms = 60_000) {
      return new Promise((resolve, reject) => {
        const look = (): void => {
          if (ended === undefined) return
          clearTimeout(timer)
          listeners.delete(look)
          resolve(ended)
        }
        const timer = setTimeout(() => {
          listeners.delete(look)
          reject(new Error(`${words}: still there after ${ms} ms\n${tail(log)}`))
        }, ms)
        listeners.add(look)
        look()
      })
    },
    async stop(signal = 'SIGTERM') {
      process.removeListener('exit', killAtExit)
      if (ended !== undefined) return
      const timer = setTimeout(() => child.kill('SIGKILL'), PATIENCE_MS)
      const gone = new Promise<void>((resolve) => {
        const look = (): void => {
          if (ended === undefined) return
          listeners.delete(look)
          resolve()
        }
        listeners.add(look)
        look()
      })
      child.kill(signal)
      await gone
      clearTimeout(timer)
    },
  }
}

function tail(text: string): string {
  return text.trim().slice(-2000)
}
