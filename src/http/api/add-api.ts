// The admin API over HTTP: on the registry's own address behind the gate, and on the local socket, whose mode is its
// gate. What the routes do is in routes.ts.
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { StreamedBundle } from '../../bundle/stream-bundle.ts'
import { RegistryError, registryError } from '../../oci/errors.ts'
import { sendJson, sendNothing } from '../answer.ts'
import { sendError, toRegistryError } from '../errors.ts'
import type { Entry } from '../gate.ts'
import { readBody } from '../body.ts'
import { sendContinue } from '../protocol.ts'
import { readJson, readQuery, requireOwnOrigin } from './check-request.ts'
import type { ActEvent, ApiParts, ArchiveBody } from './given.ts'
import { EventStream } from './event-stream.ts'
import type { Route } from './route.ts'
import type { RouteName } from './routes.ts'
import { ROUTES, isRouteName, prepareCall } from './routes.ts'

const REPEAT_MS = 10_000

export interface ApiDoor {
  /** `http.prefix` without its last slash. */
  readonly prefix: string
  /** `http.host`, or nothing. */
  readonly host: string
  /** Lets a request in that wants to do `action`, or throws; absent on the local socket. */
  readonly gate?: (
    request: FastifyRequest,
    reply: FastifyReply,
    wish: { readonly action: 'admin' },
  ) => Entry | Promise<Entry>
}

/** Adds /api/v1 to a scope that `addCommon` prepared. */
export function addApi(app: FastifyInstance, parts: ApiParts, { prefix, host, gate }: ApiDoor): void {
  const base = `${prefix}/api/v1`
  app.register(async (api) => {
    api.removeAllContentTypeParsers()
    // Bodies are read when the gate and all checks of the head are passed.
    api.addContentTypeParser('*', (_request, _payload, done) => done(null))
    api.setErrorHandler((error, request, reply) => sendError(request, reply, error))
    const users = new WeakMap<FastifyRequest, Entry>()
    if (gate !== undefined) {
      api.addHook('onRequest', async (request, reply) => {
        users.set(request, await gate(request, reply, { action: 'admin' }))
      })
    }
    const handle = async (request: FastifyRequest, reply: FastifyReply): Promise<unknown> => {
      const name = `${request.method} ${(request.raw.url ?? '').slice(base.length).replace(/\?.*$/, '')}`
      reply.header('cache-control', 'no-store')
      if (!isRouteName(name)) return refuseMethod(name, reply)
      return answer({ name, parts, request, reply, host, user: users.get(request), local: gate === undefined })
    }
    for (const url of [base, `${base}/*`]) {
      api.route({ method: api.supportedMethods, url, handler: handle, exposeHeadRoute: false })
    }
  })
}

interface Call {
  readonly name: RouteName
  readonly parts: ApiParts
  readonly request: FastifyRequest
  readonly reply: FastifyReply
  readonly host: string
  readonly user: Entry
  readonly local: boolean
}

async function answer({ name, parts, request, reply, host, user, local }: Call): Promise<unknown> {
  const reads = request.method === 'GET'
  const { gives, takes, largest } = ROUTES[name] as Route
  if (!reads) requireOwnOrigin(request, host, takes)
  const asked =
    (takes ?? gives) === 'archive'
      ? readQuery(request.raw.url ?? '')
      : reads
        ? {}
        : await readJson(request, reply, { largest })
  const call = prepareCall(name, asked)
  if (!local && call.localOnly !== undefined) throw registryError('DENIED', { message: call.localOnly })
  const { readOnly } = parts.standing()
  if (call.changes && readOnly !== undefined) throw registryError('UNSUPPORTED', { message: readOnly })
  if (!reads) request.log.info({ act: name, user: local ? 'local socket' : (user ?? 'anonymous') }, 'admin act')
  if (gives === 'archive') {
    const { bytes, name: file } = (await call.act(parts, () => undefined).catch(rethrow)) as StreamedBundle
    bytes.on('error', (err) => request.log.error({ err, act: name }, 'an archive was not sent to its end'))
    const disposition = `attachment; filename="${file}"`
    return reply.headers({ 'content-type': 'application/x-tar', 'content-disposition': disposition }).send(bytes)
  }
  if (!call.route.long) {
    const body = await call.act(parts, () => undefined).catch(rethrow)
    return sendJson(reply, body)
  }
  // The answer begins before the body ends: whoever waits to be told to send it must be told before.
  if (takes === 'archive') await sendContinue(request.raw, reply.raw)
  const archive = takes === 'archive' ? archiveOf(request, reply) : undefined
  const stream = new EventStream()
  const waiting = { phase: 'waiting', done: 0 }
  stream.progress(waiting)
  // A body that nobody reads for a while would look like a client that went away.
  let latest: Extract<ActEvent, { phase: string }> = waiting
  const repeating = archive && setInterval(() => stream.progress(latest), REPEAT_MS).unref()
  // Not awaited: the act lasts longer than the request when the client goes away.
  void parts.jobs
    .run(name.replace(/^\w+ \//, ''), (note) =>
      call.act(
        parts,
        (event) => {
          if ('ended' in event) return stream.tell('image', event)
          if ('waits' in event) return stream.tell('wait', event)
          if (!('phase' in event)) return stream.finding(event)
          note(event)
          latest = event
          return stream.progress(event)
        },
        archive,
      ),
    )
    .finally(() => clearInterval(repeating))
    .then(
      (report) => stream.end({ event: 'report', report }),
      (error: unknown) => {
        const known = toKnown(error)
        if (known.status >= 500) request.log.error({ err: error, act: name }, 'admin act failed')
        const hint = hintOf(error)
        const code = exitCodeOf(error)
        stream.end({
          event: 'error',
          message: known.message,
          ...(hint === undefined ? {} : { hint }),
          ...(code === undefined ? {} : { exitCode: code }),
        })
      },
    )
  return reply.headers({ 'content-type': 'application/x-ndjson', 'x-accel-buffering': 'no' }).send(stream.readable)
}

function refuseMethod(name: string, reply: FastifyReply): FastifyReply {
  const [method, path] = name.split(' ')
  const methods = Object.keys(ROUTES).filter((route) => route.endsWith(` ${path}`))
  if (methods.length === 0) throw registryError('NAME_UNKNOWN', { message: 'no such endpoint of the admin API' })
  reply.header('allow', methods.map((route) => route.split(' ')[0]).join(', '))
  if (method === 'OPTIONS') return sendNothing(reply.code(200))
  throw registryError('UNSUPPORTED', { message: 'this method is not allowed here' })
}

function rethrow(error: unknown): never {
  throw toKnown(error)
}

// What a person must put right (Problem) says so to an administrator as it does on the command line.
function toKnown(error: unknown): RegistryError {
  if (error instanceof RegistryError || hintOf(error) === undefined) return toRegistryError(error)
  return registryError('UNSUPPORTED', { status: 400, message: (error as Error).message, cause: error })
}

function archiveOf(request: FastifyRequest, reply: FastifyReply): ArchiveBody {
  const { 'content-length': length } = request.headers
  return { bytes: readBody(request, reply), size: length === undefined ? undefined : Number(length) }
}

/** What a command ends with, where that is not 1. */
function exitCodeOf(error: unknown): number | undefined {
  const { exitCode } = (error ?? {}) as { exitCode?: unknown }
  return typeof exitCode === 'number' && exitCode !== 1 ? exitCode : undefined
}

function hintOf(error: unknown): string | undefined {
  const { hint } = (error ?? {}) as { hint?: unknown }
  return typeof hint === 'string' ? hint : undefined
}
