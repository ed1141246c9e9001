// Starts Tarn and docker-registry side by side, each once over plain http without login and once over TLS
// with login: the same htpasswd, the same certificate, the same configuration but for directory and port.
// Neither ever runs on a packaged configuration, and both listen on loopback alone.
import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { readFile, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { makeDockerRegistryProgram } from '../../e2e/helpers/docker-registry.ts'
import type { Machine } from '../../e2e/helpers/machine.ts'
import { USER } from '../../e2e/helpers/tarn.ts'
import { openClient } from '../../helpers/client.ts'

export type Way = 'plain' | 'TLS+login'

export interface Peer {
  readonly name: 'Tarn' | 'docker-registry'
  readonly way: Way
  /** Origin, such as `http://127.0.0.1:40001`. */
  readonly url: string
  readonly port: number
  readonly pid: number
  readonly login: { readonly user: string; readonly password: string } | undefined
  /** The certificate authority: the path of the file, and its PEM. */
  readonly ca: { readonly path: string; readonly pem: string } | undefined
}

/** Both sides on one way of speaking. */
export interface Pair {
  readonly way: Way
  readonly tarn: Peer
  readonly peer: Peer
}

export interface Pairs {
  readonly plain: Pair
  readonly secure: Pair
}

const START_MS = 30_000

/** Starts the four; they end with the machine. Throws when one does not serve within 30 seconds. */
export async function startPairs(machine: Machine, checkout: string): Promise<Pairs> {
  const home = await machine.scratch('bench-home')
  const password = randomBytes(12).toString('hex')
  // htpasswd -B makes hashes of cost 5.
  await makeDockerRegistryProgram().makeHome(machine, home, ['localhost', '127.0.0.1'], password)
  const ca = join(home, 'certs', 'ca.crt')
  const pem = await readFile(ca, 'utf8')

  const start = async (name: Peer['name'], way: Way): Promise<Peer> => {
    const port = await findPort()
    const secure = way !== 'plain'
    const config = join(home, `${name}-${secure ? 'tls' : 'plain'}.yml`)
    const data = await machine.scratch(`bench-${name}`)
    // JSON is YAML.
    await writeFile(config, JSON.stringify(buildConfig({ home, data, port, secure })))
    const [command, args] =
      name === 'Tarn'
        ? [process.execPath, [join(checkout, 'src', 'main.ts'), 'serve', config]]
        : ['docker-registry', ['serve', config]]
    const peer: Peer = {
      name,
      way,
      url: `${secure ? 'https' : 'http'}://127.0.0.1:${port}`,
      port,
      pid: await startSilently(machine, command, args),
      login: secure ? { user: USER, password } : undefined,
      ca: secure ? { path: ca, pem } : undefined,
    }
    await waitUntilServing(peer, `${command} ${args.join(' ')}`)
    return peer
  }
  const startPair = async (way: Way): Promise<Pair> => ({
    way,
    tarn: await start('Tarn', way),
    peer: await start('docker-registry', way),
  })
  return { plain: await startPair('plain'), secure: await startPair('TLS+login') }
}

/** A client of the peer for single requests. */
export function openPeer(peer: Peer): ReturnType<typeof openClient> {
  return openClient({
    url: peer.url,
    ...(peer.login === undefined ? {} : { username: peer.login.user, password: peer.login.password }),
    ...(peer.ca === undefined ? {} : { ca: peer.ca.pem }),
  })
}

function buildConfig(from: { home: string; data: string; port: number; secure: boolean }): object {
  const certs = join(from.home, 'certs')
  const tls = { certificate: join(certs, 'server.crt'), key: join(certs, 'server.key') }
  const auth = { htpasswd: { realm: 'bench', path: join(from.home, 'auth', 'htpasswd') } }
  return {
    version: 0.1,
    // The cache is what the image registry:2 and Debian's package switch on; logs are left at their defaults.
    storage: {
      filesystem: { rootdirectory: from.data },
      cache: { blobdescriptor: 'inmemory' },
      delete: { enabled: true },
    },
    http: { addr: `127.0.0.1:${from.port}`, ...(from.secure ? { tls } : {}) },
    ...(from.secure ? { auth } : {}),
  }
}

// Both write a line a request to stderr; nobody reads it, so that reading does not cost one of them more.
async function startSilently(machine: Machine, command: string, args: readonly string[]): Promise<number> {
  const child = spawn(command, args, {
    stdio: 'ignore',
    env: { ...process.env, OTEL_TRACES_EXPORTER: 'none' },
  })
  const killAtExit = (): void => void child.kill('SIGKILL')
  process.once('exit', killAtExit)
  machine.onEnd(async () => {
    process.removeListener('exit', killAtExit)
    if (child.exitCode !== null || child.signalCode !== null) return
    const gone = once(child, 'exit')
    const timer = setTimeout(() => child.kill('SIGKILL'), START_MS)
    child.kill('SIGTERM')
    await gone
    clearTimeout(timer)
  })
  await once(child, 'spawn')
  return child.pid ?? -1
}

async function waitUntilServing(peer: Peer, words: string): Promise<void> {
  const client = openPeer(peer)
  const deadline = performance.now() + START_MS
  let last: unknown
  try {
    while (performance.now() < deadline) {
      try {
        const { status } = await client.send('GET', '/v2/')
        if (status === 200) return
        last = `it answered ${status}`
      } catch (error) {
        last = error
      }
      await new Promise((resolve) => setTimeout(resolve, 100))
    }
  } finally {
    client.close()
  }
  throw new Error(`${peer.name} does not serve: ${String(last)}; it was started as: ${words}`)
}

async function findPort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  server.close()
  await once(server, 'close')
  if (address === null || typeof address === 'string') throw new Error('no free port')
  return address.port
}
