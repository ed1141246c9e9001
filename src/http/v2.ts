// The routes of /v2: one table of what each kind of path does under each method. Fastify sees one wildcard;
// the table decides, so that no router decodes, shortens or redirects what clients sent.
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { Action } from '../auth/policy.ts'
import { registryError } from '../oci/errors.ts'
import type { RepositoryName } from '../oci/name.ts'
import { isRepositoryName } from '../oci/name.ts'
import { sendNothing } from './answer.ts'
import { getBlob, headBlob, removeBlob } from './blobs.ts'
import type { Call, Exchange, Surroundings } from './call.ts'
import { sendError } from './errors.ts'
import type { Entry, Gate } from './gate.ts'
import { getCatalog, getReferrers, getTags } from './lists.ts'
import { getManifest, putManifest, removeManifest } from './manifests.ts'
import type { Kind, Target } from './path.ts'
import { parsePath, parseQuery } from './path.ts'
import { deleteUpload, getUpload, patchUpload, postUpload, putUpload } from './uploads.ts'

interface Route {
  readonly action: Action
  readonly handle: (call: never) => Promise<unknown>
}

type Methods = Readonly<Record<string, Route>>

const route = <K extends Kind>(action: Action, handle: (call: Call<K>) => Promise<unknown>): Route => ({
  action,
  handle,
})

/** What each kind of path does under each method. */
// Cancelling an upload is part of pushing: clients do it with push rights alone.
export const TABLE: Readonly<Record<Exclude<Kind, 'redirect' | 'invalid'>, Methods>> = {
  base: { GET: route('ping', getBase), HEAD: route('ping', getBase) },
  catalog: { GET: route('list', getCatalog) },
  tags: { GET: route('pull', getTags) },
  manifest: {
    GET: route('pull', getManifest),
    HEAD: route('pull', getManifest),
    PUT: route('push', putManifest),
    DELETE: route('delete', removeManifest),
  },
  blob: { GET: route('pull', getBlob), HEAD: route('pull', headBlob), DELETE: route('delete', removeBlob) },
  uploads: { POST: route('push', postUpload) },
  upload: {
    GET: route('push', getUpload),
    HEAD: route('push', getUpload),
    PATCH: route('push', patchUpload),
    PUT: route('push', putUpload),
    DELETE: route('push', deleteUpload),
  },
  referrers: { GET: route('pull', getReferrers) },
}

/** The names by which metrics know the routes: distribution's where it has one. */
export const HANDLER_NAMES: Readonly<Record<Kind, string>> = {
  base: 'base',
  catalog: 'catalog',
  tags: 'tags',
  manifest: 'manifest',
  blob: 'blob',
  uploads: 'blob_upload',
  upload: 'blob_upload_chunk',
  referrers: 'referrers',
  redirect: 'other',
  invalid: 'other',
}

/**
 * What stands in Content-Type is only of use with a manifest. Fastify answers 415 to an empty one, which `oc` of OpenShift 4.4
 * and docker of its days send with each POST, and to one that is no type.
 */
function ignoreType({ raw: { headers } }: FastifyRequest, { kind }: Target): void {
  if (headers['content-type'] === '' || kind === 'uploads' || kind === 'upload') delete headers['content-type']
}

/** Adds /v2 below the prefix to a scope that `addCommon` prepared. */
export function addV2(app: FastifyInstance, surroundings: Surroundings, gate: Gate): void {
  const { prefix } = surroundings

  app.register(async (v2) => {
    v2.removeAllContentTypeParsers()
    // Bodies are streams of bytes, whatever their type says; handlers read them from the raw request.
    v2.addContentTypeParser('*', (_request, _payload, done) => done(null))
    v2.setErrorHandler((error, request, reply) => sendError(request, reply, error))
    v2.addHook('onRequest', (request, reply, done) => {
      reply.header('docker-distribution-api-version', 'registry/2.0')
      // oc of OpenShift 4.4 begins uploads with an empty Content-Type, which Fastify refuses and which says nothing.
      if (request.headers['content-type'] === '') delete request.headers['content-type']
      const target = findTarget(request, surroundings)
      ignoreType(request, target)
      request.tarn = { target, user: undefined }
      const enter = (user: Entry): void => {
        request.tarn = { target, user }
        done()
      }
      try {
        const action = routeOf(target, request.method)?.action ?? 'ping'
        const entry = gate(request, reply, { action, repository: repositoryOf(target) })
        if (entry instanceof Promise) entry.then(enter, done)
        else enter(entry)
      } catch (error) {
        done(error as Error)
      }
    })
    const handle = async (request: FastifyRequest, reply: FastifyReply): Promise<unknown> => {
      const { target, user } = request.tarn ?? { target: parsePath(''), user: undefined }
      return dispatch(target, { ...surroundings, request, reply, user, query: parseQuery(request.raw.url ?? '') })
    }
    for (const url of [`${prefix}/v2`, `${prefix}/v2/`, `${prefix}/v2/*`]) {
      v2.route({ method: v2.supportedMethods, url, handler: handle, exposeHeadRoute: false })
    }
  })
}

// What is behind this line sees only the repository that is meant, whichever way it was named.
function findTarget(request: FastifyRequest, { prefix, resolve }: Surroundings): Target {
  const url = request.raw.url ?? ''
  const target = parsePath(url.slice(prefix.length))
  if (!('name' in target)) return target
  const ns = url.includes('ns=') ? (parseQuery(url).get('ns') ?? undefined) : undefined
  const name = resolve(target.name, ns, request.headers.host)
  return name === target.name ? target : { ...target, name }
}

function routeOf(target: Target, method: string): Route | undefined {
  return target.kind === 'invalid' || target.kind === 'redirect' ? undefined : TABLE[target.kind][method]
}

function repositoryOf(target: Target): RepositoryName | undefined {
  return 'name' in target && isRepositoryName(target.name) ? target.name : undefined
}

async function dispatch(target: Target, call: Exchange): Promise<unknown> {
  const { request, reply, prefix } = call
  if (target.kind === 'invalid') throw target.error
  if (target.kind === 'redirect') {
    if (request.method === 'GET' || request.method === 'HEAD') {
      return sendNothing(reply.code(301).header('location', prefix + target.to))
    }
    throw registryError('NAME_UNKNOWN', { message: 'no such endpoint of the registry API' })
  }
  const methods = TABLE[target.kind]
  const route = methods[request.method]
  if (call.noPush !== undefined && (route?.action === 'push' || route?.action === 'delete'))
    throw registryError('UNSUPPORTED', { message: call.noPush })
  if (route !== undefined) return route.handle({ ...call, target } as never)
  reply.header('allow', Object.keys(methods).join(', '))
  if (request.method === 'OPTIONS') return sendNothing(reply.code(200))
  throw registryError('UNSUPPORTED', { message: 'this method is not allowed here' })
}

async function getBase({ reply }: Call<'base'>): Promise<FastifyReply> {
  return reply.header('content-type', 'application/json').send(Buffer.from('{}'))
}
