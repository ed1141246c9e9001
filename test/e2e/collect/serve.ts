// Starts Tarn for the proofs of collection: short leases, a local socket in a folder of its own, and on demand with one of
// the protections of collection left out (a seeded bug, serve-mutant.ts).
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Service } from '../helpers/machine.ts'
import type { E2EContext } from '../helpers/suite.ts'
import type { Mutant } from './mutant-names.ts'

export interface CollectingOptions {
  /** Milliseconds. */
  readonly lease: number
  readonly grace: number
  /** What is left out; without it the server runs as users run it. */
  readonly mutant?: Mutant
}

export interface CollectingServer {
  readonly origin: string
  readonly data: string
  /** Path of its local socket. */
  readonly socket: string
  readonly service: Service
  stop(): Promise<void>
}

/** The configuration: no login, deletion on, collections only when they are asked for. */
export async function writeConfig(
  context: E2EContext,
  data: string,
  { lease, grace }: Omit<CollectingOptions, 'mutant'>,
): Promise<string> {
  const file = join(await context.machine.scratch('config'), 'config.yml')
  const config = {
    version: 0.1,
    log: { level: 'warn', accesslog: { disabled: true } },
    storage: { filesystem: { rootdirectory: data }, delete: { enabled: true } },
    http: { addr: '127.0.0.1:0' },
    gc: { schedule: 'off', lease: `${lease}ms`, grace: `${grace}ms` },
  }
  // JSON is YAML.
  await writeFile(file, JSON.stringify(config))
  return file
}

/** Starts a server on `data`; resolves when it listens on both its address and its socket. */
export async function serveCollecting(
  context: E2EContext,
  data: string,
  options: CollectingOptions,
): Promise<CollectingServer> {
  const configFile = await writeConfig(context, data, options)
  const runtime = await context.machine.scratch('run')
  const listen = '127.0.0.1:0'
  const args =
    options.mutant === undefined
      ? ['src/main.ts', 'serve', configFile, '--listen', listen]
      : ['test/e2e/collect/serve-mutant.ts', configFile, listen, options.mutant]
  const [program = '', ...rest] = args
  const service = context.machine.start(context.node, [join(context.checkout, program), ...rest], {
    env: { XDG_RUNTIME_DIR: runtime },
  })
  const [, address = ''] = await service.waitFor(/listening on https?:\/\/([\w.:[\]]+:\d+)/)
  const socket = await findSocket(data, service)
  return { origin: `http://${address}`, data, socket, service, stop: () => service.stop() }
}

const SOCKET_MS = 10_000

/** The socket that the keeper of `data` names; it opens beside the address, a moment before it or after. */
export async function findSocket(data: string, service: Service): Promise<string> {
  for (const until = performance.now() + SOCKET_MS; performance.now() < until;) {
    const text = await readFile(join(data, '.tarn/keeper.json'), 'utf8').catch(() => '')
    const [, socket] = /"socket":"([^"]+)"/.exec(text) ?? []
    if (socket !== undefined) return socket
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
  throw new Error(`the keeper names no socket: ${service.log().slice(-1000)}`)
}
