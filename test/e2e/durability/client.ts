// A small /v2 client for the crash and tar tests. It never throws for what a dying server does: an answer
// that did not come, or did not end as HTTP says, is a reply with `clean: false`. Plain http, loopback only.
import { createHash } from 'node:crypto'
import { Agent, request } from 'node:http'

export interface Reply {
  /** 0 when no status line came. */
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  /** The first bytes of the body, at most KEPT. */
  readonly body: Buffer
  /** Bytes of the whole body. */
  readonly length: number
  readonly sha256: string
  /** The whole answer came, with the length that it announced. */
  readonly clean: boolean
}

export interface Asked {
  readonly method: string
  /** Path and query; an absolute URL (a registry's Location) is cut down to these. */
  readonly path: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: Uint8Array
}

export interface Client {
  send(asked: Asked): Promise<Reply>
  get(path: string, headers?: Readonly<Record<string, string>>): Promise<Reply>
  close(): void
}

const KEPT = 1024 * 1024
// Bytes of a body that a message to a person shows.
const SHOWN = 300
const PATIENCE_MS = 60_000

/** An answer in one line: its status and the beginning of its body. */
export function describeReply({ status, clean, body }: Reply): string {
  const text = body.toString('latin1', 0, SHOWN).trim()
  return `${status === 0 ? 'no answer' : status}${clean || status === 0 ? '' : ', cut off'} ${text}`.trim()
}

/** A client of the server at `origin` (http://host:port). `connections` bounds what it opens at once. */
export function connectTo(origin: string, connections = 16): Client {
  const agent = new Agent({ keepAlive: true, maxSockets: connections })
  const send = (asked: Asked): Promise<Reply> => exchange(agent, origin, asked)
  return {
    send,
    get: (path, headers = {}) => send({ method: 'GET', path, headers }),
    close: () => agent.destroy(),
  }
}

function exchange(agent: Agent, origin: string, asked: Asked): Promise<Reply> {
  const { promise, resolve } = Promise.withResolvers<Reply>()
  const hash = createHash('sha256')
  const kept: Buffer[] = []
  let length = 0
  let status = 0
  let headers: Record<string, string> = {}
  let isOver = false
  const settle = (clean: boolean): void => {
    if (isOver) return
    isOver = true
    resolve({
      status,
      headers,
      body: Buffer.concat(kept),
      length,
      sha256: hash.digest('hex'),
      clean,
    })
  }
  const target = new URL(asked.path, origin)
  const outgoing = request(
    new URL(target.pathname + target.search, origin),
    {
      agent,
      method: asked.method,
      headers: { ...asked.headers, 'Content-Length': String(asked.body?.byteLength ?? 0) },
      timeout: PATIENCE_MS,
    },
    (incoming) => {
      status = incoming.statusCode ?? 0
      headers = incoming.headers as Record<string, string>
      incoming.on('data', (chunk: Buffer) => {
        if (isOver) return
        if (length < KEPT) kept.push(chunk.subarray(0, KEPT - length))
        length += chunk.byteLength
        hash.update(chunk)
      })
      incoming.on('end', () => settle(incoming.complete))
      incoming.on('error', () => settle(false))
      incoming.on('close', () => settle(false))
    },
  )
  outgoing.on('timeout', () => outgoing.destroy(new Error(`no answer within ${PATIENCE_MS} ms`)))
  outgoing.on('error', () => settle(false))
  outgoing.end(asked.body)
  return promise
}
