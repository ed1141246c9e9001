// One HTTP exchange with the hosts of an upstream: no redirects, no retries, no login. It refuses what is
// encoded: bytes are hashed and kept as they come (R35). The only file beside connect.ts that knows undici.
import type { Readable } from 'node:stream'
import type { Agent, Dispatcher } from 'undici'
import type { ReadBuffers } from './read-buffers.ts'
import { describeBreak, UpstreamError } from './upstream-error.ts'

export interface Outgoing {
  readonly method: Method
  readonly url: URL
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string>>
  readonly body?: Body
  /** Milliseconds for the headers of the answer, in place of the usual; a body on its way out makes time for itself. */
  readonly patience?: number
  readonly signal?: AbortSignal
}

export type Method = 'GET' | 'HEAD' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'

/** A stream needs a Content-Length among the headers. Who made it destroys it. */
export type Body = string | Buffer | Readable

export interface Incoming {
  readonly status: number
  /** Where the answer came from. */
  readonly url: URL
  /** The value of a header that may come once; throws 'invalid' when it came twice. */
  readonly header: (name: string) => string | undefined
  /** All values of a header. */
  readonly headers: (name: string) => readonly string[]
  readonly body: Readable
  /** Says of a piece of the body that its memory may be read into again. */
  readonly free: (piece: Uint8Array) => void
  /** Gives the connection free without handing on the body. */
  readonly discard: () => void
}

export interface Timeouts {
  /** Milliseconds, each. */
  readonly connect: number
  /** From the request to the end of the answer's headers. */
  readonly headers: number
  /** Between two pieces of a body. */
  readonly idle: number
  /** For a whole small answer: a manifest, a token, a page of tags. */
  readonly whole: number
}

export const TIMEOUTS: Timeouts = { connect: 10_000, headers: 30_000, idle: 60_000, whole: 120_000 }

const MOST_DISCARDED = 65_536
const DISCARD_MS = 5000

export class Transport {
  readonly #agent: Agent
  readonly #buffers: ReadBuffers | undefined
  readonly #timeouts: Timeouts
  readonly #userAgent: string

  /** `buffers`: those that the agent reads into. */
  constructor(agent: Agent, timeouts: Timeouts, userAgent: string, buffers?: ReadBuffers) {
    this.#agent = agent
    this.#buffers = buffers
    this.#timeouts = timeouts
    this.#userAgent = userAgent
  }

  /** Sends a request and waits for the headers. Throws an UpstreamError, or the signal's reason when that came. */
  async send({ method, url, headers, body, patience, signal }: Outgoing): Promise<Incoming> {
    let data: Dispatcher.ResponseData
    try {
      data = await this.#agent.request({
        method,
        origin: url.origin,
        path: `${url.pathname}${url.search}`,
        headers: { 'user-agent': this.#userAgent, 'accept-encoding': 'identity', ...headers },
        headersTimeout: patience ?? this.#timeouts.headers,
        bodyTimeout: this.#timeouts.idle,
        // Pieces as large as the file's writer likes them.
        highWaterMark: 262_144,
        ...(body !== undefined && { body }),
        ...(signal && { signal }),
      })
    } catch (error) {
      throw describeEnd(error, url, signal)
    }
    const incoming = wrap(data, url, this.#buffers)
    const encodings = incoming.headers('content-encoding').filter((each) => !/^\s*(?:identity)?\s*$/i.test(each))
    if (encodings.length > 0) {
      incoming.discard()
      throw new UpstreamError('invalid', `${url.host} encodes its answers although it was told not to`)
    }
    return incoming
  }

  /** Ends all connections; what is under way fails. */
  async close(): Promise<void> {
    await this.#agent.destroy()
  }
}

/** Reads a body of at most `limit` bytes whole. Throws 'invalid' for a longer one, else as `send`. */
export async function readSmall(incoming: Incoming, limit: number, signal?: AbortSignal): Promise<Buffer> {
  const { url, body } = incoming
  const tooLong = (): UpstreamError => {
    incoming.discard()
    return new UpstreamError('invalid', `${url.host} sends more than ${limit} bytes where that is never needed`)
  }
  if (Number(incoming.header('content-length') ?? 0) > limit) throw tooLong()
  const pieces: Buffer[] = []
  let length = 0
  try {
    for await (const piece of body as AsyncIterable<Buffer>) {
      length += piece.length
      if (length > limit) break
      pieces.push(piece)
    }
  } catch (error) {
    throw describeEnd(error, url, signal)
  }
  if (length > limit) throw tooLong()
  return Buffer.concat(pieces)
}

/** What the end of an exchange means: the caller's own wish as it is, all else as an UpstreamError. */
export function describeEnd(error: unknown, url: URL, signal: AbortSignal | undefined): unknown {
  if (signal?.aborted !== true) return describeBreak(error, url.host)
  const reason: unknown = signal.reason
  if (reason instanceof DOMException && reason.name === 'TimeoutError')
    return new UpstreamError('unreachable', `${url.host} did not give its whole answer in time`)
  return reason
}

function wrap(
  { statusCode, headers, body }: Dispatcher.ResponseData,
  url: URL,
  buffers: ReadBuffers | undefined,
): Incoming {
  // A body that is given up ends with an error that nobody waits for.
  body.on('error', () => undefined)
  const all = (name: string): readonly string[] => {
    const value = Object.hasOwn(headers, name) ? headers[name] : undefined
    return value === undefined ? [] : typeof value === 'string' ? [value] : value
  }
  return {
    status: statusCode,
    url,
    body,
    free: (piece) => buffers?.free(piece),
    headers: all,
    header(name) {
      const values = all(name)
      if (values.length > 1) throw new UpstreamError('invalid', `${url.host} answers with two headers ${name}`)
      return values[0]
    },
    discard() {
      if (body.destroyed) return
      body.dump({ limit: MOST_DISCARDED, signal: AbortSignal.timeout(DISCARD_MS) }).catch(() => undefined)
    },
  }
}
