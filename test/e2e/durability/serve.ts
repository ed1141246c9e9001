// Starts the servers of the crash and tar tests: Tarn by its own command, Tarn with an fsync left out, or
// docker-registry, each on a given data directory over plain http on loopback.
import { readFileSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Service } from '../helpers/machine.ts'
import type { E2EContext } from '../helpers/suite.ts'

export interface ServeOptions {
  /** Words before the command, of a program that becomes the server (nsenter, prlimit). */
  readonly prefix?: readonly string[]
  /** Runs the server under strace and writes the trace of `calls` to the file `log`. */
  readonly trace?: { readonly log: string; readonly calls: string }
  /** Names of SYNC_SITES that do nothing; without it the server runs as users run it. */
  readonly leaveOut?: readonly string[]
  /** Path of a docker-registry binary to run instead of Tarn. */
  readonly binary?: string
  /** HOST:PORT; a free port of 127.0.0.1 unless told. */
  readonly listen?: string
}

export interface Served {
  readonly origin: string
  readonly service: Service
  /** Ends the server itself at once, whatever was put before its command, and waits until all are gone. */
  kill(signal?: NodeJS.Signals): Promise<void>
}

const LISTENING = /listening on (?:https?:\/\/)?([\w.:[\]]+:\d+)/

/** The configuration, the same for Tarn and docker-registry: no login, deletion on, quiet logs. */
export async function writeConfig(context: E2EContext, data: string): Promise<string> {
  const file = join(await context.machine.scratch('config'), 'config.yml')
  const config = {
    version: 0.1,
    log: { level: 'warn', accesslog: { disabled: true } },
    storage: { filesystem: { rootdirectory: data }, delete: { enabled: true } },
    http: { addr: '127.0.0.1:0' },
  }
  // JSON is YAML.
  await writeFile(file, JSON.stringify(config))
  return file
}

/** Starts a server on `data`; resolves when it listens. Throws with its output when it ends before. */
export async function serve(context: E2EContext, configFile: string, options: ServeOptions = {}): Promise<Served> {
  const service = launch(context, configFile, options)
  const [, address = ''] = await service.waitFor(LISTENING)
  const kill = async (signal: NodeJS.Signals = 'SIGKILL'): Promise<void> => {
    if (options.trace === undefined) return service.stop(signal)
    endChildren(service.pid, signal)
    // strace notices, writes the rest of its log and ends by itself; to its own SIGTERM it is deaf.
    await service.stop('SIGTERM')
  }
  return { origin: `http://${address}`, service, kill }
}

/** Starts the same without waiting, for a server that is expected to refuse. */
export function launch(context: E2EContext, configFile: string, options: ServeOptions = {}): Service {
  const { leaveOut, binary, listen = '127.0.0.1:0' } = options
  const prefix = [...(options.prefix ?? []), ...straceWords(options.trace)]
  if (binary !== undefined) {
    const env = {
      REGISTRY_HTTP_ADDR: listen,
      REGISTRY_LOG_LEVEL: 'info',
      OTEL_TRACES_EXPORTER: 'none',
    }
    return context.machine.start(binary, ['serve', configFile], { prefix, env })
  }
  const program = leaveOut === undefined ? 'src/main.ts' : 'test/e2e/durability/serve-without-sync.ts'
  const args =
    leaveOut === undefined ? ['serve', configFile, '--listen', listen] : [configFile, listen, leaveOut.join(',')]
  return context.machine.start(context.node, [join(context.checkout, program), ...args], {
    prefix,
  })
}

// --seccomp-bpf stops the server only at the calls that are shown; it must not be used to inject signals.
function straceWords(trace: ServeOptions['trace']): string[] {
  if (trace === undefined) return []
  return ['strace', '-f', '-y', '-s', '256', '--seccomp-bpf', '-o', trace.log, '-e', `trace=${trace.calls}`]
}

/** Ends what strace runs; strace then writes the rest of its log and ends by itself. */
export function endChildren(parent: number, signal: NodeJS.Signals): void {
  for (const pid of childrenOf(parent)) {
    try {
      process.kill(pid, signal)
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
    }
  }
}

function childrenOf(pid: number): number[] {
  try {
    const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'latin1').trim()
    return children === '' ? [] : children.split(' ').map(Number)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return []
    throw error
  }
}
