// `tarn serve [CONFIG]`: runs the registry until it is told to stop. This file speaks to the process
// (signals, addresses, the first line on stdout); what the registry does is not decided here.
import { lstat, unlink } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'
import { connect } from 'node:net'
import { Command } from 'commander'
import type { FastifyInstance } from 'fastify'
import type { Logger } from 'pino'
import { listArchives } from '../bundle/archive-files.ts'
import type { Parts } from '../app.ts'
import { readSigners, signersPath } from '../bundle/trust.ts'
import { parseListenAddress } from '../config/address.ts'
import { loadConfig } from '../config/load.ts'
import { isPushable, needsLogin } from '../config/mirror.ts'
import { printConfig } from '../config/print.ts'
import { Problem } from '../config/problem.ts'
import type { Config } from '../config/schema.ts'
import { readSocketPlaces } from '../http/socket-path.ts'
import { collect } from './context.ts'
import { createLog } from './log.ts'

const IDLE_EVERY_MS = 100

interface ServeOptions {
  readonly listen?: string
  readonly offline?: boolean
  readonly printConfig?: true
  readonly bundle?: readonly string[]
  readonly requireSignature?: boolean
}

export function serveCommand(): Command {
  return new Command('serve')
    .description('run the registry')
    .argument(
      '[CONFIG]',
      'config.yml; without it $REGISTRY_CONFIGURATION_PATH, ./config.yml, /etc/distribution/config.yml, /etc/docker/registry/config.yml, defaults',
    )
    .option('--listen <HOST:PORT>', 'listen here instead of http.addr; port 0 takes a free one')
    .option('--offline', 'open no connection to any upstream, as mirror.offline')
    .option('--bundle <file>', 'serve this bundle, or a directory of its parts, read-only from where it lies', collect)
    .option('--require-signature', 'with --bundle: refuse what nobody in auth/allowed_signers signed')
    .option('--print-config', 'print the effective configuration, secrets masked, and end')
    .action(async (path: string | undefined, options: ServeOptions) => {
      const { listen, offline = false, printConfig: print, bundle } = options
      const loaded = loadConfig({ ...(path === undefined ? {} : { path }), env: process.env })
      const { warnings } = loaded
      const config = offline ? goOffline(loaded.config) : loaded.config
      if (print) {
        for (const warning of warnings) process.stderr.write(`warning: ${warning}\n`)
        process.stdout.write(printConfig(config))
        return
      }
      const home = loaded.path === undefined ? {} : { home: dirname(resolve(loaded.path)) }
      if (bundle === undefined) await serve(config, { listen, offline, ...home, warnings })
      else await serveBundle(config, bundle, { ...options, ...home, listen, warnings })
    })
}

/** Serves bundles with everything else as the configuration says; its data directory and its mirror are left alone. */
async function serveBundle(
  config: Config,
  paths: readonly string[],
  { requireSignature: required = false, ...parts }: ServeParts & Pick<ServeOptions, 'requireSignature'>,
): Promise<void> {
  const { openBundle } = await import('../bundle/open-bundle.ts')
  const { bundleSource } = await import('../bundle/bundle-source.ts')
  const { localSource } = await import('../registry/source.ts')
  const signers = readSigners(signersPath(config, parts.home))
  const opened = await openBundle(listArchives(paths), { signers, required, now: Date.now() })
  const { mirror: _none, proxy: _neither, ...rest } = config
  const { storage } = config
  const readOnly: Config = {
    ...rest,
    storage: {
      ...storage,
      filesystem: { ...storage.filesystem, rootdirectory: opened.directory },
      maintenance: { ...storage.maintenance, readonly: { ...storage.maintenance.readonly, enabled: true } },
    },
  }
  process.stderr.write(`serving ${opened.images} images of ${opened.parts} files, read-only\n`)
  const source: ServeParts['source'] = (context) => bundleSource(localSource(context), context, opened.blobs)
  await serve(readOnly, { ...parts, source, onClose: () => opened.close() }).catch(async (error: unknown) => {
    await opened.close()
    throw error
  })
}

export interface ServeParts {
  /** `--listen` */
  readonly listen: string | undefined
  /** `--offline` */
  readonly offline?: boolean
  /** The directory of the configuration file, where there is one. */
  readonly home?: string
  readonly warnings: readonly string[]
  /** What answers in the place of the data directory. */
  readonly source?: Parts['source']
  /** Called when the registry has closed. */
  readonly onClose?: () => Promise<void>
  /** Called with the URL when it serves, in the place of printing it. */
  readonly announce?: (url: string) => void
}

/** Serves until SIGTERM or SIGINT; gives when the registry is listening. */
export async function serve(config: Config, parts: ServeParts): Promise<void> {
  const { listen, offline, home, warnings, announce, source, onClose } = parts
  const { logger, access } = createLog(config.log)
  for (const warning of warnings) logger.warn(warning)
  // Only here: every other command would load the whole server for nothing.
  const { buildRegistry } = await import('../app.ts')
  const localSocket = readSocketPlaces(process.env)
  const app = await buildRegistry(config, { logger, access, localSocket, home, offline, source })
  if (onClose !== undefined) app.addHook('onClose', onClose)
  try {
    const url = await startListening(app, config, listen)
    const open = describeOpenness(config)
    if (open !== undefined) logger.warn(open)
    stopOnSignals(app, config.http.draintimeout, logger)
    ;(announce ?? printUrl)(url)
  } catch (error) {
    await app.close()
    throw error
  }
}

/** What `--print-config` shows of it. A `proxy:` without a `mirror:` section has no key for it and is told apart. */
function goOffline(config: Config): Config {
  return config.mirror === undefined ? config : { ...config, mirror: { ...config.mirror, offline: true } }
}

/** The warning about what everybody may do; undefined where a login or a client certificate is needed. */
export function describeOpenness(config: Config): string | undefined {
  if (needsLogin(config)) return undefined
  const { storage } = config
  const reads = !isPushable(config) || storage.maintenance.readonly.enabled
  const acts = reads ? 'pull' : storage.delete.enabled ? 'push and delete' : 'push'
  return `nobody needs a login: everybody who reaches this address may ${acts}; set auth.htpasswd to change that`
}

function printUrl(url: string): void {
  process.stdout.write(`listening on ${url}\n`)
}

async function startListening(app: FastifyInstance, config: Config, listen: string | undefined): Promise<string> {
  if (config.http.net === 'unix' && listen === undefined) {
    await dropStaleSocket(config.http.addr)
    await app.listen({ path: config.http.addr })
    return `unix:${config.http.addr}`
  }
  const text = listen ?? config.http.addr
  const address = parseListenAddress(text)
  if (address === undefined) {
    throw new Problem(`cannot listen on ${text}`, { hint: 'write HOST:PORT, :PORT or [IPV6]:PORT', exitCode: 2 })
  }
  // "::" takes IPv4 too; a machine without IPv6 has only the other.
  const host = address.host
  const { port } = address
  if (host !== undefined) await app.listen({ host, port })
  else
    await app.listen({ host: '::', port }).catch(async (error: NodeJS.ErrnoException) => {
      if (error.code !== 'EAFNOSUPPORT' && error.code !== 'EADDRNOTAVAIL') throw error
      await app.listen({ host: '0.0.0.0', port })
    })
  const [bound] = app.addresses()
  const shown = host ?? 'localhost'
  const scheme = config.http.tls === undefined ? 'http' : 'https'
  return `${scheme}://${shown.includes(':') ? `[${shown}]` : shown}:${typeof bound === 'object' ? bound.port : port}`
}

// What a crash left: a socket on which nobody listens. All else is somebody's, and listening will say that it is in
// the way.
async function dropStaleSocket(path: string): Promise<void> {
  const found = await lstat(path).catch(() => undefined)
  if (found?.isSocket() && !(await isListening(path))) await unlink(path)
}

function isListening(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ path })
    socket.once('connect', () => resolve(true))
    socket.once('error', () => resolve(false))
    socket.once('connect', () => socket.destroy())
  })
}

// The first signal lets requests end, for `http.draintimeout` at most; the second ends at once.
function stopOnSignals(app: FastifyInstance, drain: number, logger: Logger): void {
  let stopping = false
  const stop = (signal: NodeJS.Signals): void => {
    if (stopping) process.exit(1)
    stopping = true
    logger.info({ signal }, 'stopping: answering what is under way')
    setTimeout(() => app.server.closeAllConnections(), drain).unref()
    // Clients keep a connection for minutes after its answer: only requests are worth waiting for.
    setInterval(() => app.server.closeIdleConnections(), IDLE_EVERY_MS).unref()
    app.close().then(
      () => process.exit(0),
      (error: unknown) => {
        logger.error({ err: error }, 'could not close')
        process.exit(1)
      },
    )
  }
  process.on('SIGTERM', stop)
  process.on('SIGINT', stop)
  // Certificates and htpasswd are looked at without being told.
  process.on('SIGHUP', () => logger.info('certificates and logins are taken up by themselves'))
}
