// Reads from a registry as it comes, over plain http: hashed, never held, with the times of its first and last byte.
import { createHash } from 'node:crypto'
import type { IncomingHttpHeaders } from 'node:http'
import { Agent, request } from 'node:http'

export interface Fetched {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly size: number
  readonly digest: string
  /** The body of an answer of at most 4 MiB, else its beginning. */
  readonly body: Buffer
  /** Milliseconds from the request to the first byte of the body, and to its end. */
  readonly first: number
  readonly last: number
}

export interface FetchOptions {
  readonly method?: 'GET' | 'HEAD'
  readonly headers?: Readonly<Record<string, string>>
  readonly agent?: Agent
  /** Ends the connection after so many bytes; what came until then is given. */
  readonly leaveAfter?: number
}

/** What every client of images accepts. */
export const ACCEPT = [
  'application/vnd.oci.image.index.v1+json',
  'application/vnd.oci.image.manifest.v1+json',
  'application/vnd.docker.distribution.manifest.list.v2+json',
  'application/vnd.docker.distribution.manifest.v2+json',
].join(', ')

const KEPT = 4 * 1024 * 1024
const PATIENCE_MS = 120_000

/** Fetches `url`; throws when the connection breaks before the end of the body. */
export function fetchWhole(url: string, options: FetchOptions = {}): Promise<Fetched> {
  const { method = 'GET', headers = {}, agent, leaveAfter } = options
  return new Promise((resolve, reject) => {
    const began = performance.now()
    const hash = createHash('sha256')
    const kept: Buffer[] = []
    let size = 0
    let first: number | undefined
    const fail = (error: Error): void => reject(new Error(`${method} ${url}: ${error.message}`, { cause: error }))
    const sent = request(
      url,
      { method, headers: { accept: ACCEPT, ...headers }, agent: agent ?? false },
      (response) => {
        const finish = (): void =>
          resolve({
            status: response.statusCode ?? 0,
            headers: response.headers,
            size,
            digest: `sha256:${hash.digest('hex')}`,
            body: Buffer.concat(kept),
            first: first ?? performance.now() - began,
            last: performance.now() - began,
          })
        response.on('data', (piece: Buffer) => {
          first ??= performance.now() - began
          if (size < KEPT) kept.push(piece)
          size += piece.length
          hash.update(piece)
          if (leaveAfter === undefined || size < leaveAfter) return
          response.removeAllListeners()
          response.on('error', () => undefined)
          sent.destroy()
          finish()
        })
        response.on('error', fail)
        response.on('end', finish)
      },
    )
    sent.setTimeout(PATIENCE_MS, () => sent.destroy(new Error(`nothing came for ${PATIENCE_MS} ms`)))
    sent.on('error', fail)
    sent.end()
  })
}

/** A client that keeps its connections, for many small requests. */
export function makeAgent(): Agent {
  return new Agent({ keepAlive: true })
}
