// The Fastify instance with everything that is not a route: limits, errors of the protocol itself, the
// common headers, the access log. HTTP/1.1 only: Go's clients would take h2 and get half the bytes.
import type { ServerOptions as HttpServerOptions } from 'node:http'
import { METHODS } from 'node:http'
import type { Server as HttpsServer } from 'node:https'
import type {
  FastifyBaseLogger,
  FastifyHttpsOptions,
  FastifyInstance,
  FastifyReply,
  FastifyRequest,
  FastifyServerOptions,
} from 'fastify'
import fastify, { LogController } from 'fastify'
import type { TlsOptions } from 'node:tls'
import { registryError } from '../oci/errors.ts'
import { drainAfterAnswer } from './body.ts'
import { sendError } from './errors.ts'
import { answerBroken, cutIdle, findFlaw, speakJson } from './protocol.ts'

export interface ServerOptions {
  readonly logger: FastifyBaseLogger
  readonly tls: TlsOptions | undefined
  /** Milliseconds without a byte after which a connection is cut. */
  readonly idleTimeout: number
  readonly maxConnections: number
}

// Go's clients keep idle connections for 90 s; closing sooner than they do makes them fail a request.
const KEEP_ALIVE_MS = 100_000
const HEADERS_MS = 20_000

/** Makes the instance; nothing listens yet. */
export function createServer({ logger, tls, idleTimeout, maxConnections }: ServerOptions): FastifyInstance {
  const options: FastifyServerOptions = {
    loggerInstance: logger,
    logController: new LogController({ disableRequestLogging: true }),
    trustProxy: false,
    requestTimeout: 0,
    connectionTimeout: idleTimeout,
    keepAliveTimeout: KEEP_ALIVE_MS,
    return503OnClosing: true,
    forceCloseConnections: 'idle',
    routerOptions: { maxParamLength: 16_384 },
    exposeHeadRoutes: false,
    clientErrorHandler: answerBroken,
    frameworkErrors: (error, request, reply) => {
      // A URL that the router cannot decode. It never reached a route, so it gives nothing away.
      void sendError(request, reply, error.statusCode === 400 ? badPath() : error)
    },
  }
  const http: HttpServerOptions = { headersTimeout: HEADERS_MS, requireHostHeader: false }
  // Fastify types an instance by its server; the rest of Tarn need not know which it is.
  const app =
    tls === undefined
      ? fastify({ ...options, http })
      : (fastify({
          ...options,
          https: { ...tls, ...http },
        } as unknown as FastifyHttpsOptions<HttpsServer>) as unknown as FastifyInstance)
  app.server.maxConnections = maxConnections
  speakJson(app.server)
  cutIdle(app.server, idleTimeout)
  app.setNotFoundHandler((request, reply) =>
    sendError(request, reply, registryError('NAME_UNKNOWN', { message: 'no such page' })),
  )
  // All methods that node:http knows reach the routes, which know what to say to them.
  for (const method of METHODS) if (!app.supportedMethods.includes(method)) app.addHttpMethod(method)
  return app
}

/** Adds what every answer shares, whichever route gives it. */
export function addCommon(
  app: FastifyInstance,
  headers: Readonly<Record<string, readonly string[]>>,
  observe: { started(): void; ended(request: FastifyRequest, reply: FastifyReply, remote: string | undefined): void },
): void {
  const entries = Object.entries(headers)
  app.decorateRequest('tarn', null)
  // With callbacks, not promises: these run for every request.
  app.addHook('onRequest', (request, reply, done) => {
    // At the close, not at the end of the answer: one that is broken off counts as well.
    const { remoteAddress } = request.raw.socket
    observe.started()
    reply.raw.once('close', () => observe.ended(request, reply, remoteAddress))
    for (const [name, values] of entries) reply.header(name, values.length === 1 ? values[0] : values)
    const flaw = findFlaw(request.raw)
    if (flaw !== undefined) reply.header('connection', 'close')
    done(flaw)
  })
  app.addHook('onResponse', (request, _reply, done) => {
    drainAfterAnswer(request.raw)
    done()
  })
  app.setErrorHandler((error, request, reply) => sendError(request, reply, error))
}

function badPath(): Error {
  return registryError('NAME_INVALID', { message: 'invalid path: only %2F, %3A and %2B may be escaped in it' })
}
