// A plain HTTP/1.1 client over node:http(s) for tests. It sends the path as it is given: it must never
// normalise, follow a redirect, retry, or decode a body.
import type { IncomingHttpHeaders } from 'node:http'
import { Agent, request as requestHttp } from 'node:http'
import { Agent as SecureAgent, request as requestHttps } from 'node:https'

export interface Target {
  /** Origin such as `http://127.0.0.1:5000`. */
  readonly url: string
  readonly username?: string
  readonly password?: string
  /** PEM of the authority that signed the server's certificate. */
  readonly ca?: string
}

export interface Sending {
  readonly headers?: Readonly<Record<string, string | string[]>>
  readonly body?: Buffer | string
  /** Sends the body chunked, in these pieces, with no Content-Length. */
  readonly chunks?: readonly Buffer[]
  /** Sends `Expect: 100-continue` and holds the body back until the server asks for it. */
  readonly expectContinue?: boolean
}

export interface Answer {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly rawHeaders: readonly string[]
  readonly body: Buffer
  /** Whether `100 Continue` came before the answer. */
  readonly continued: boolean
}

export interface Client {
  send(method: string, path: string, sending?: Sending): Promise<Answer>
  close(): void
}

const DEADLINE_MS = 60_000

/** Opens a client that keeps its connections; `close` ends them. A request without an answer in 60 s throws. */
export function openClient(target: Target): Client {
  const url = new URL(target.url)
  const secure = url.protocol === 'https:'
  const agent = secure
    ? new SecureAgent({
        keepAlive: true,
        maxSockets: 4,
        ...(target.ca === undefined ? {} : { ca: target.ca }),
      })
    : new Agent({ keepAlive: true, maxSockets: 4 })
  const login =
    target.username === undefined
      ? {}
      : {
          authorization: `Basic ${Buffer.from(`${target.username}:${target.password ?? ''}`).toString('base64')}`,
        }

  const send = (method: string, path: string, sending: Sending = {}): Promise<Answer> =>
    new Promise((resolve, reject) => {
      let continued = false
      const body = sending.body === undefined ? undefined : Buffer.from(sending.body)
      const request = (secure ? requestHttps : requestHttp)(
        {
          host: url.hostname,
          port: url.port,
          method,
          path,
          agent,
          headers: {
            ...login,
            ...(sending.chunks === undefined
              ? body === undefined && (method === 'GET' || method === 'HEAD' || method === 'OPTIONS')
                ? {}
                : { 'content-length': String(body?.length ?? 0) }
              : { 'transfer-encoding': 'chunked' }),
            ...(sending.expectContinue === true ? { expect: '100-continue' } : {}),
            ...sending.headers,
          },
        },
        (response) => {
          const parts: Buffer[] = []
          response.on('data', (part: Buffer) => parts.push(part))
          response.on('error', (error) => {
            clearTimeout(timer)
            reject(error)
          })
          response.on('end', () => {
            clearTimeout(timer)
            resolve({
              status: response.statusCode ?? 0,
              headers: response.headers,
              rawHeaders: response.rawHeaders,
              body: Buffer.concat(parts),
              continued,
            })
          })
        },
      )
      const timer = setTimeout(
        () => request.destroy(new Error(`no answer to ${method} ${path} in ${DEADLINE_MS} ms`)),
        DEADLINE_MS,
      )
      request.on('error', (error) => {
        clearTimeout(timer)
        reject(error)
      })
      if (sending.expectContinue === true) {
        request.on('continue', () => {
          continued = true
          request.end(body)
        })
        request.flushHeaders()
        return
      }
      for (const chunk of sending.chunks ?? []) request.write(chunk)
      request.end(sending.chunks === undefined ? body : undefined)
    })
  return { send, close: () => agent.destroy() }
}

/** Appends query parameters to a path or Location, whether or not it has a query already. */
export function addQuery(path: string, parameters: Readonly<Record<string, string>>): string {
  const query = Object.entries(parameters)
    .map(([key, value]) => `${key}=${encodeURIComponent(value)}`)
    .join('&')
  return `${path}${path.includes('?') ? '&' : '?'}${query}`
}

/** The value of a header, or an empty text; several values are joined as HTTP allows. */
export function headerOf(answer: Answer, name: string): string {
  const value = answer.headers[name]
  return Array.isArray(value) ? value.join(', ') : (value ?? '')
}

/** The path and query of a Location, relative or absolute. */
export function locationOf(answer: Answer): string {
  const location = headerOf(answer, 'location')
  if (!/^https?:/.test(location)) return location
  const { pathname, search } = new URL(location)
  return pathname + search
}

/** The first error code of the answer's JSON, or an empty text when it has none. */
export function codeOf(answer: Pick<Answer, 'body'>): string {
  try {
    const { errors } = JSON.parse(answer.body.toString()) as { errors?: { code?: string }[] }
    return errors?.[0]?.code ?? ''
  } catch {
    return ''
  }
}
