// The socket over which commands reach the registry that keeps their data directory. There is no login: only the user
// of this process may open it (0600, in a directory of mode 0700), and only the keeper listens. A socket that a dead
// server left is replaced; one on which somebody answers is never taken away.
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { chmodSync, lstatSync, renameSync, rmSync } from 'node:fs'
import { connect } from 'node:net'
import type { FastifyBaseLogger, FastifyInstance } from 'fastify'
import { addApi } from './api/add-api.ts'
import type { ApiParts } from './api/given.ts'
import type { Surroundings } from './call.ts'
import { addCommon, createServer } from './server.ts'
import type { SocketPlaces } from './socket-path.ts'
import { claimDirectory, isBindable, socketDirectories, socketName } from './socket-path.ts'
import { addV2 } from './v2.ts'

export interface LocalSocketOptions {
  /** The data directory. */
  readonly directory: string
  readonly api: ApiParts
  /** What /v2 is answered with: commands push and pull with every right, from the directory alone. Without it there is none. */
  readonly v2?: Surroundings | undefined
  readonly logger: FastifyBaseLogger
  readonly places: SocketPlaces
  /** Called with the path when commands can reach this process. */
  readonly onListening: (path: string) => void
}

export interface LocalSocket {
  /** The path, or undefined when no socket could be had: the registry serves all the same. Never rejects. */
  readonly ready: Promise<string | undefined>
  /** Takes the socket away at once and cuts its connections; gives when all is closed. Never rejects. */
  close(): Promise<void>
}

const MOST_CONNECTIONS = 64
const IDLE_MS = 60_000

/** Begins to listen; to be called when this process becomes the keeper, and closed before it frees the lock. */
export function startLocalSocket(options: LocalSocketOptions): LocalSocket {
  const { logger } = options
  let bound: Bound | undefined
  let closed = false
  const ready = listen(options, () => closed).then(
    (found) => {
      bound = found
      if (found === undefined) return undefined
      logger.debug({ path: found.path }, 'commands reach this registry over its local socket')
      options.onListening(found.path)
      return found.path
    },
    (error: unknown) => {
      logger.warn({ err: error }, 'no local socket: commands such as tarn gc cannot reach this registry')
      return undefined
    },
  )
  return {
    ready,
    async close() {
      closed = true
      if (bound !== undefined) leave(bound)
      await ready
      if (bound === undefined) return
      leave(bound)
      await end(bound.app)
    },
  }
}

interface Bound {
  readonly path: string
  readonly inode: number
  readonly app: FastifyInstance
}

async function listen(
  { directory, api, v2, logger, places }: LocalSocketOptions,
  isClosed: () => boolean,
): Promise<Bound | undefined> {
  const name = socketName(directory)
  const reasons: string[] = []
  for (const place of socketDirectories(places)) {
    const path = `${place}/${name}`
    // Bound under another name and moved into its place: so it is never there with another mode, and closing (which
    // removes the name that was bound) cannot remove what another process put there since.
    const own = `${path}.${randomBytes(4).toString('hex')}`
    try {
      if (!isBindable(own)) throw new Error(`${own} is too long for a socket`)
      claimDirectory(place, places.uid)
      if (await isAnswered(path)) throw new Error(`another registry answers on ${path}`)
      const app = makeServer(api, v2, logger)
      try {
        await listenOn(app, own)
        if (!isClosed()) return { path, inode: putInPlace(own, path), app }
        await end(app)
        return undefined
      } catch (error) {
        await end(app)
        throw error
      }
    } catch (error) {
      reasons.push((error as Error).message)
    }
  }
  logger.warn({ reasons }, 'no local socket: commands such as tarn gc cannot reach this registry')
  return undefined
}

// Not by Fastify's own listen, which would log this as the address of the registry.
async function listenOn(app: FastifyInstance, path: string): Promise<void> {
  await app.ready()
  app.server.listen(path)
  await once(app.server, 'listening')
}

async function end(app: FastifyInstance): Promise<void> {
  if (app.server.listening) app.server.close()
  await app.close()
}

function putInPlace(own: string, path: string): number {
  chmodSync(own, 0o600)
  renameSync(own, path)
  return lstatSync(path).ino
}

function makeServer(api: ApiParts, v2: Surroundings | undefined, logger: FastifyBaseLogger): FastifyInstance {
  const app = createServer({ logger, tls: undefined, idleTimeout: IDLE_MS, maxConnections: MOST_CONNECTIONS })
  // What changes something is in the log as an act; the rest is a command that looks.
  addCommon(app, {}, { started: () => undefined, ended: () => undefined })
  addApi(app, api, { prefix: '', host: '' })
  // The mode of the socket is the gate: who may open it may do everything.
  if (v2 !== undefined) addV2(app, v2, () => undefined)
  return app
}

// Synchronous: after this the lock may be freed, and the next keeper puts its own socket there.
function leave(bound: Bound): void {
  try {
    if (lstatSync(bound.path, { throwIfNoEntry: false })?.ino === bound.inode) rmSync(bound.path, { force: true })
  } catch {
    // A socket that stays is stale, and replaced by the next keeper.
  }
  bound.app.server.closeAllConnections()
}

function isAnswered(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ path })
    socket.once('connect', () => {
      socket.destroy()
      resolve(true)
    })
    socket.once('error', () => resolve(false))
  })
}
