// One TLS server that is all well-known registries, their token servers and their blob stores: the Host header says which.
// It is as strict as they are: a token is good for its repository, a store takes no Authorization beside its signature.
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { createServer } from 'node:https'
import type { Socket } from 'node:net'
import type { Index } from '../images.ts'
import type { Shape } from './table.ts'
import { hostsOf, SHAPES } from './table.ts'

export interface Seen {
  readonly host: string
  readonly method: string
  readonly path: string
  readonly authorization: string | undefined
  readonly encoding: string | undefined
}

export interface Fakes {
  readonly seen: readonly Seen[]
  stop(): Promise<void>
}

const PORT = 443

/** Starts the server on all addresses of this network namespace. */
export async function startFakes(
  images: ReadonlyMap<Shape, Index>,
  tls: { readonly cert: Buffer; readonly key: Buffer },
): Promise<Fakes> {
  const seen: Seen[] = []
  const tokens = new Map<string, Shape>()
  const signatures = new Set<string>()
  const sockets = new Set<Socket>()

  const answer = (request: IncomingMessage, response: ServerResponse): void => {
    const { headers, method = '', url = '' } = request
    const host = headers.host ?? ''
    const { pathname, searchParams } = new URL(url, `https://${host}`)
    const { authorization } = headers
    seen.push({ host, method, path: url, authorization, encoding: headers['accept-encoding']?.toString() })
    const shape = SHAPES.find((each) => hostsOf(each).includes(host) && isAbout(each, host, pathname, searchParams))
    if (shape === undefined) return end(response, 404)
    const realm = shape.auth && new URL(shape.auth.realm)
    if (realm !== undefined && host === realm.host && pathname === realm.pathname)
      return giveToken(shape, searchParams, authorization, response)
    if (host === shape.blobs.host && pathname.startsWith('/store/')) {
      const signed = signatures.has(searchParams.get('signature') ?? '')
      if (authorization !== undefined) return end(response, 400)
      return signed ? serve(images.get(shape), pathname.slice(7), method, response) : end(response, 403)
    }
    const moved = shape.elsewhere
    if (moved !== undefined && host === shape.registry) {
      const path = pathname.replace('/v2/', `/v2/${moved.prefix}`)
      return end(response, 307, { location: `https://${moved.host}${path}` })
    }
    if (shape.auth !== undefined && tokens.get(authorization?.replace(/^Bearer /, '') ?? '') !== shape)
      return challenge(shape, response)
    const [, kind, reference = ''] = /^\/v2\/(?:.+?)\/(manifests|blobs|tags|referrers)\/(.+)$/.exec(pathname) ?? []
    if (kind === 'manifests') return serve(images.get(shape), reference, method, response, shape.headers)
    if (kind !== 'blobs') return end(response, 404)
    const signature = randomBytes(16).toString('hex')
    signatures.add(signature)
    const { host: store, status } = shape.blobs
    end(response, status, {
      location: `https://${store}/store/${reference}?signature=${signature}&image=${shape.host}`,
    })
  }

  const giveToken = (
    shape: Shape,
    query: URLSearchParams,
    authorization: string | undefined,
    response: ServerResponse,
  ): void => {
    const { auth } = shape
    if (auth === undefined || query.get('service') !== auth.service) return end(response, 400)
    const scopes = query.getAll('scope').flatMap((each) => each.split(' '))
    if (!scopes.some((each) => each === `repository:${shape.repository}:pull` || each === auth.scope))
      return end(response, 403)
    const { login } = auth
    const expected = login && `Basic ${Buffer.from(`${login.username}:${login.password}`).toString('base64')}`
    if (authorization !== expected) return end(response, 401)
    const token = randomBytes(24).toString('base64url')
    tokens.set(token, shape)
    const members = Object.fromEntries(auth.members.map((name) => [name, token]))
    const body = JSON.stringify({ ...members, expires_in: 300, issued_at: new Date().toISOString() })
    response.writeHead(200, { 'content-type': 'application/json' }).end(body)
  }

  const server = createServer(tls, answer)
  server.on('connection', (socket: Socket) => {
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket))
  })
  server.listen(PORT, '0.0.0.0')
  await once(server, 'listening')
  return {
    seen,
    async stop() {
      const closed = once(server, 'close')
      server.close()
      for (const socket of sockets) socket.destroy()
      await closed
    },
  }
}

// Stores and token servers are shared by nobody here, but a host may be the store of one and nothing of another.
function isAbout(shape: Shape, host: string, path: string, query: URLSearchParams): boolean {
  if (host === shape.blobs.host && path.startsWith('/store/')) return query.get('image') === shape.host
  return true
}

function challenge({ auth, repository }: Shape, response: ServerResponse): void {
  if (auth === undefined) return end(response, 401)
  const scope = auth.scope ?? `repository:${repository}:pull`
  const words = [`realm="${auth.realm}"`, `service="${auth.service}"`, `scope="${scope}"`].join(',')
  end(response, 401, { 'www-authenticate': `Bearer ${words}` })
}

function serve(
  index: Index | undefined,
  reference: string,
  method: string,
  response: ServerResponse,
  headers: Readonly<Record<string, string>> = {},
): void {
  const images = index?.images ?? []
  const manifests = [...(index === undefined ? [] : [index.manifest]), ...images.map(({ manifest }) => manifest)]
  const blobs = images.flatMap(({ config, layers }) => [config, ...layers])
  const manifest = reference === 'latest' ? index?.manifest : manifests.find(({ digest }) => digest === reference)
  const found = manifest ?? blobs.find(({ digest }) => digest === reference)
  if (found === undefined) return end(response, 404)
  response.writeHead(200, {
    'content-type': manifest?.mediaType ?? 'application/octet-stream',
    'content-length': found.bytes.length,
    'docker-content-digest': found.digest,
    ...headers,
  })
  response.end(method === 'HEAD' ? undefined : found.bytes)
}

function end(response: ServerResponse, status: number, headers: Readonly<Record<string, string>> = {}): void {
  response.writeHead(status, headers).end()
}
