// Fake upstreams on loopback: real HTTP servers that answer as a test tells them, count every connection and keep
// every request, so that a test can show what was never asked for.
import { randomBytes } from 'node:crypto'
import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http'
import { createServer } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import type { AddressInfo, Socket } from 'node:net'
import { createServer as createRawServer } from 'node:net'
import type { Test } from 'tap'
import { makeAuthority, makeServerCertificate } from '../../src/tls/certificate.ts'
import { UpstreamClient } from '../../src/upstream/client.ts'
import type { UpstreamOptions } from '../../src/upstream/client.ts'
import type { Resolve } from '../../src/upstream/connect.ts'
import { Credential } from '../../src/upstream/credential.ts'
import type { Credentials } from '../../src/upstream/credentials.ts'
import { UpstreamError } from '../../src/upstream/upstream-error.ts'

export interface SeenRequest {
  readonly method: string
  readonly url: string
  readonly headers: IncomingMessage['headers']
  readonly body: string
}

export interface FakeUpstream {
  readonly port: number
  /** `http://127.0.0.1:PORT` or with https. */
  readonly origin: string
  /** The same server under another name. */
  named(host: string): string
  readonly seen: readonly SeenRequest[]
  /** How many connections were opened, whether or not a request came. */
  readonly connections: number
  /** Headers of all requests as one text, to look for what must not be there. */
  text(): string
  stop(): Promise<void>
}

export type Answer = (request: SeenRequest, response: ServerResponse) => void

const parts = { clock: Date.now, random: randomBytes }
const authority = makeAuthority({ name: 'fake upstreams', ...parts })
const HOSTS = [
  '127.0.0.1',
  '::1',
  'localhost',
  ...['', 'cdn.', 'auth.', 'evil.', 'a.b.'].map((sub) => `${sub}corp.test`),
]
const served = makeServerCertificate({ ca: authority, hosts: [...HOSTS, 'evil.test', 'registry.test'], ...parts })

/** The authority of all fakes that speak TLS. */
export const FAKE_CA: readonly string[] = [authority.certificate]

/** Starts a fake that ends with the test. */
export async function startFake(
  t: Test,
  answer: Answer,
  options: { tls?: boolean; host?: string } = {},
): Promise<FakeUpstream> {
  const { tls = false, host = '127.0.0.1' } = options
  const seen: SeenRequest[] = []
  let connections = 0
  const sockets = new Set<Socket>()
  const listen: RequestListener = (request, response) => {
    const pieces: Buffer[] = []
    request.on('data', (piece: Buffer) => pieces.push(piece))
    request.on('end', () => {
      const { method = '', url = '', headers } = request
      const one = { method, url, headers, body: Buffer.concat(pieces).toString() }
      seen.push(one)
      answer(one, response)
    })
  }
  const server = tls ? createTlsServer({ cert: served.certificate, key: served.key }, listen) : createServer(listen)
  server.on('connection', (socket: Socket) => {
    connections += 1
    sockets.add(socket)
    socket.on('error', () => undefined)
    socket.on('close', () => sockets.delete(socket))
  })
  server.on('tlsClientError', () => undefined)
  await new Promise<void>((resolve) => server.listen(0, host, resolve))
  const { port } = server.address() as AddressInfo
  const scheme = tls ? 'https' : 'http'
  const stop = async (): Promise<void> => {
    for (const socket of sockets) socket.destroy()
    await new Promise((resolve) => server.close(resolve))
  }
  t.teardown(stop)
  return {
    port,
    origin: `${scheme}://${host.includes(':') ? `[${host}]` : host}:${port}`,
    named: (name) => `${scheme}://${name}:${port}`,
    seen,
    get connections() {
      return connections
    },
    text: () => JSON.stringify(seen),
    stop,
  }
}

/** A server that answers each connection's first bytes with `bytes` as they are, for what node:http would not say. */
export async function startRaw(t: Test, bytes: (socket: Socket) => void): Promise<{ origin: string }> {
  const sockets = new Set<Socket>()
  const server = createRawServer((socket) => {
    sockets.add(socket)
    socket.on('error', () => undefined)
    socket.on('close', () => sockets.delete(socket))
    socket.once('data', () => bytes(socket))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.teardown(async () => {
    for (const socket of sockets) socket.destroy()
    await new Promise((resolve) => server.close(resolve))
  })
  return { origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}` }
}

/** A port of loopback where nobody listens. */
export async function findClosedPort(): Promise<number> {
  const server = createRawServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  await new Promise((resolve) => server.close(resolve))
  return port
}

export interface ClientOptions extends Partial<UpstreamOptions> {
  readonly username?: string
  readonly password?: string
}

/** A client of fakes that ends with the test: short timeouts, the fakes' authority, plain http allowed where used. */
export function openUpstream(t: Test, urls: readonly string[], options: ClientOptions = {}): UpstreamClient {
  const { username, password = 'canary-password', ...rest } = options
  const client = new UpstreamClient({
    host: new URL(urls[0] ?? 'https://registry.test').host,
    urls,
    insecure: urls.some((url) => url.startsWith('http:')),
    ca: FAKE_CA,
    timeouts: { connect: 2000, headers: 2000, idle: 2000, whole: 3000 },
    clock: Date.now,
    ...(username !== undefined && { credentials: giveLogin(username, password) }),
    ...rest,
  })
  t.teardown(() => client.close())
  return client
}

/** The same login for every repository. */
export function giveLogin(username: string, password: string): Credentials {
  const credential = new Credential({ username, password }, 'the test', randomBytes(32))
  return { find: () => credential }
}

/** A resolver that knows only `names`; each question takes the next of a name's answers, the last one stays. */
export function resolveFrom(names: Readonly<Record<string, readonly (readonly string[])[]>>): Resolve {
  const asked = new Map<string, number>()
  return (name, _family, done) => {
    const answers = names[name]
    if (answers === undefined) {
      done(Object.assign(new Error(`no such name: ${name}`), { code: 'ENOTFOUND' }), [])
      return
    }
    const at = asked.get(name) ?? 0
    asked.set(name, at + 1)
    const addresses = answers[Math.min(at, answers.length - 1)] ?? []
    done(
      null,
      addresses.map((address) => ({ address, family: address.includes(':') ? 6 : 4 })),
    )
  }
}

/** The UpstreamError that an act ends with; fails the test when it ends otherwise. */
export async function catchUpstream(act: Promise<unknown>): Promise<UpstreamError> {
  try {
    await act
  } catch (error) {
    if (error instanceof UpstreamError) return error
    throw error
  }
  throw new Error('the act did not fail')
}

export function sendJson(response: ServerResponse, value: unknown, headers: Record<string, string> = {}): void {
  response.writeHead(200, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(value))
}

export function send(response: ServerResponse, status: number, headers: Record<string, string> = {}, body = ''): void {
  response.writeHead(status, headers).end(body)
}
