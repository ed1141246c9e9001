// Starts Tarn as a real child process, `node src/main.ts serve CONFIG --listen HOST:0`, on a home that
// `tarn init` made. It never calls into src/: the command line is what is tested.

import { randomBytes } from 'node:crypto'
import { copyFile, mkdir, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Machine, Service } from './machine.ts'

export interface TarnOptions {
  /** Serve https with the certificate that `tarn init` made. */
  tls?: boolean
  /** Ask for the htpasswd login that `tarn init` made. */
  login?: boolean
  /** Address to listen on, also a name in the certificate; 127.0.0.1 unless told. */
  host?: string
  /** An existing home to serve instead of a new one (as `home` of an earlier Tarn). */
  home?: string
  /** An existing data directory to serve instead of the home's own. */
  data?: string
  /** Blocks of config.yml that replace those made here, for example `{catalog: {maxentries: 5}}`. */
  config?: Record<string, unknown>
  /** Words before the command, for example `nsenter --net=…`. */
  prefix?: readonly string[]
}

/** A running registry, seen as its clients see it. */
export interface Tarn {
  /** `http://127.0.0.1:40001` */
  url: string
  /** `127.0.0.1:40001`, the first part of an image's name. */
  address: string
  tls: boolean
  /** What to log in with; undefined without login. */
  login: { user: string; password: string } | undefined
  /** Path of the CA certificate; undefined without TLS. */
  ca: string | undefined
  /** Folder that holds ca.crt alone, as `--cert-dir` and `certs.d` want it; empty without TLS. */
  certDir: string
  prefix: readonly string[]
  home: string
  data: string
  /** Path of the configuration it runs on. */
  configFile: string
  service: Service
  /** Ends it with SIGTERM, or as told, and waits until it is gone. */
  stop(signal?: NodeJS.Signals): Promise<void>
}

export const USER = 'alice'

/** Makes homes and starts registries; docker-registry.ts gives the same for the real registry:2. */
export interface RegistryProgram {
  /** Makes auth/htpasswd and certs/{ca,server}.{crt,key} below `home`. */
  makeHome(machine: Machine, home: string, hosts: readonly string[], password: string): Promise<void>
  /** Starts it on `configFile`; resolves with the port when it serves. */
  serve(
    machine: Machine,
    configFile: string,
    host: string,
    prefix: readonly string[],
  ): Promise<{ service: Service; port: number }>
}

/** Tarn itself, run from the sources of the checkout. */
export function makeTarnProgram(checkout: string, node: string): RegistryProgram {
  const main = join(checkout, 'src', 'main.ts')
  return {
    async makeHome(machine, home, hosts, password) {
      const names = hosts.flatMap((host) => ['--host', host])
      const args = [main, 'init', home, ...names, '--user', USER, '--password-stdin']
      await machine.run(node, args, { input: `${password}\n` })
    },
    async serve(machine, configFile, host, prefix) {
      const service = machine.start(node, [main, 'serve', configFile, '--listen', `${host}:0`], {
        prefix,
      })
      const match = await service.waitFor(/listening on https?:\/\/\S+:(\d+)/)
      return { service, port: Number(match[1]) }
    },
  }
}

/** Starts a registry as the options say; it ends with the machine at the latest. */
export async function startRegistry(
  machine: Machine,
  program: RegistryProgram,
  options: TarnOptions = {},
): Promise<Tarn> {
  const { tls = false, login = false, host = '127.0.0.1', prefix = [] } = options
  const home = options.home ?? join(await machine.scratch('home'), 'home')
  const data = options.data ?? join(home, 'data')
  const password = await settlePassword(machine, program, home, host)
  const configFile = join(home, `e2e-${randomBytes(4).toString('hex')}.yml`)
  // JSON is YAML; only distribution's own keys, so that registry:2 runs on the same file.
  await writeFile(
    configFile,
    JSON.stringify({ ...buildConfig({ home, data, host, tls, login }), ...options.config }, undefined, 2),
  )
  const { service, port } = await program.serve(machine, configFile, host, prefix)
  const certDir = join(home, 'client-certs')
  await mkdir(certDir, { recursive: true })
  const ca = tls ? join(certDir, 'ca.crt') : undefined
  if (ca !== undefined) await copyFile(join(home, 'certs', 'ca.crt'), ca)
  const address = `${host}:${port}`
  return {
    url: `${tls ? 'https' : 'http'}://${address}`,
    address,
    tls,
    login: login ? { user: USER, password } : undefined,
    ca,
    certDir,
    prefix,
    home,
    data,
    configFile,
    service,
    stop: (signal) => service.stop(signal),
  }
}

/** The password of a home stays beside it, so that a home can be served again. */
async function settlePassword(machine: Machine, program: RegistryProgram, home: string, host: string): Promise<string> {
  const note = join(home, 'e2e-password')
  const known = await stat(note).then(
    () => machine.run('cat', [note]),
    () => undefined,
  )
  if (known !== undefined) return known.text
  const password = randomBytes(12).toString('hex')
  const hosts = [...new Set(['localhost', '127.0.0.1', host])]
  await program.makeHome(machine, home, hosts, password)
  await writeFile(note, password, { mode: 0o600 })
  return password
}

function buildConfig(from: { home: string; data: string; host: string; tls: boolean; login: boolean }) {
  const certs = join(from.home, 'certs')
  const tls = { certificate: join(certs, 'server.crt'), key: join(certs, 'server.key') }
  return {
    version: 0.1,
    log: { level: 'info' },
    storage: { filesystem: { rootdirectory: from.data }, delete: { enabled: true } },
    http: { addr: `${from.host}:0`, ...(from.tls ? { tls } : {}) },
    ...(from.login ? { auth: { htpasswd: { realm: 'e2e', path: join(from.home, 'auth', 'htpasswd') } } } : {}),
  }
}
