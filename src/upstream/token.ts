// Bearer tokens of one address of an upstream (distribution's "Token Authentication Specification"). A token is kept
// under everything that it was made for, so that none is ever shown in another place or for another login.
import type { Allowed } from './allowed.ts'
import type { Credential } from './credential.ts'
import type { Incoming, Transport } from './transport.ts'
import { readSmall } from './transport.ts'
import { readRetryAfter } from './rate.ts'
import { UpstreamError } from './upstream-error.ts'

/** What a token is for. */
export interface TokenAsk {
  readonly realm: string
  readonly service?: string
  /** One or several, with a space between them. */
  readonly scope: string
  readonly credential?: Credential
}

export interface TokenOptions {
  readonly transport: Transport
  readonly allowed: Allowed
  /** Milliseconds since 1970. */
  readonly clock: () => number
  /** Milliseconds for the whole exchange. */
  readonly timeout: number
}

interface Kept {
  readonly token: string
  readonly expires: number
}

const LARGEST_ANSWER = 65_536
// What fits into a header of servers that allow 16 KiB in all.
const LONGEST_TOKEN = 12_288
const LONGEST_SERVICE = 1024
// Seconds. 60 is what the specification says for a token that does not tell.
const [SHORTEST_LIFE, USUAL_LIFE, LONGEST_LIFE, MARGIN] = [5, 60, 3600, 10]
const MOST_TOKENS = 1000

export class TokenSource {
  readonly #options: TokenOptions
  readonly #kept = new Map<string, Kept>()
  readonly #flights = new Map<string, Promise<string>>()

  constructor(options: TokenOptions) {
    this.#options = options
  }

  /** A token, from memory or from the token server, which is asked once however many wait. Throws an UpstreamError. */
  async get(ask: TokenAsk, signal?: AbortSignal): Promise<string> {
    const key = keyOf(ask)
    const kept = this.#kept.get(key)
    if (kept !== undefined && kept.expires > this.#options.clock()) return kept.token
    let flight = this.#flights.get(key)
    if (flight === undefined) {
      flight = this.#fetch(ask, key).finally(() => this.#flights.delete(key))
      this.#flights.set(key, flight)
      // Each who waits sees the failure; when all have left, nobody does.
      flight.catch(() => undefined)
    }
    return signal === undefined ? flight : raceSignal(flight, signal)
  }

  /** Forgets a token that the upstream did not take. */
  drop(ask: TokenAsk, token: string): void {
    const key = keyOf(ask)
    if (this.#kept.get(key)?.token === token) this.#kept.delete(key)
  }

  async #fetch(ask: TokenAsk, key: string): Promise<string> {
    const { clock } = this.#options
    const asked = clock()
    const incoming = await this.#send(ask)
    const { token, seconds } = await readToken(incoming)
    const life = Math.min(LONGEST_LIFE, Math.max(SHORTEST_LIFE, seconds))
    const [oldest] = this.#kept.keys()
    if (this.#kept.size >= MOST_TOKENS && oldest !== undefined) this.#kept.delete(oldest)
    this.#kept.delete(key)
    this.#kept.set(key, { token, expires: asked + (life > 2 * MARGIN ? life - MARGIN : life / 2) * 1000 })
    return token
  }

  async #send({ realm, service = '', scope, credential }: TokenAsk): Promise<Incoming> {
    const { transport, allowed, timeout } = this.#options
    const url = allowed.readRealm(realm, credential !== undefined)
    if (service.length > LONGEST_SERVICE)
      throw new UpstreamError(
        'invalid',
        `${allowed.url.host} asks for a token with a service of ${service.length} characters`,
      )
    const signal = AbortSignal.timeout(timeout)
    const refresh = credential?.refreshToken()
    const form = new URLSearchParams({ ...(service === '' ? {} : { service }), scope })
    let incoming: Incoming
    if (refresh === undefined) {
      // A query says each scope by itself, a form all of them in one (RFC 6749 section 3.3).
      const [first = '', ...further] = scope.split(' ')
      for (const [name, value] of form) url.searchParams.set(name, name === 'scope' ? first : value)
      for (const each of further) url.searchParams.append('scope', each)
      const basic = credential?.basic()
      const headers = { accept: 'application/json', ...(basic !== undefined && { authorization: basic }) }
      incoming = await transport.send({ method: 'GET', url, headers, signal })
    } else {
      const body = new URLSearchParams([
        ['grant_type', 'refresh_token'],
        ['client_id', 'tarn'],
        ['refresh_token', refresh],
        ...form,
      ])
      const headers = { accept: 'application/json', 'content-type': 'application/x-www-form-urlencoded' }
      incoming = await transport.send({ method: 'POST', url, headers, body: body.toString(), signal })
    }
    if (incoming.status === 200) return incoming
    incoming.discard()
    throw this.#describe(incoming)
  }

  #describe({ status, url, headers }: Incoming): UpstreamError {
    const where = `the token server ${url.host} of ${this.#options.allowed.url.host}`
    if (status === 400 || status === 401 || status === 403)
      return new UpstreamError('unauthorized', `${where} gives no token: status ${status}`, { status })
    const retryAfter = readRetryAfter(headers('retry-after')[0], this.#options.clock())
    const more = { status, ...(retryAfter !== undefined && { retryAfter }) }
    if (status === 429) return new UpstreamError('limited', `${where} asks to wait`, more)
    // A redirect too: nobody needs one here, and it would carry the login on.
    return new UpstreamError('failed', `${where} answers with status ${status}`, more)
  }
}

async function readToken(incoming: Incoming): Promise<{ token: string; seconds: number }> {
  const bytes = await readSmall(incoming, LARGEST_ANSWER)
  let answer: Record<string, unknown> | null
  try {
    answer = JSON.parse(bytes.toString('utf8')) as Record<string, unknown> | null
  } catch {
    // The cause would quote the answer, and with it the token.
    throw new UpstreamError('invalid', `the token server ${incoming.url.host} does not answer with JSON`)
  }
  const token = answer?.['token'] || answer?.['access_token']
  if (typeof token !== 'string' || !/^[\x21-\x7e]+$/.test(token) || token.length > LONGEST_TOKEN)
    throw new UpstreamError('invalid', `the token server ${incoming.url.host} gives no usable token`)
  const seconds = answer?.['expires_in']
  return { token, seconds: typeof seconds === 'number' && seconds > 0 ? seconds : USUAL_LIFE }
}

function keyOf({ realm, service, scope, credential }: TokenAsk): string {
  return JSON.stringify([realm, service ?? null, scope, credential?.id ?? null])
}

async function raceSignal<T>(flight: Promise<T>, signal: AbortSignal): Promise<T> {
  signal.throwIfAborted()
  return new Promise((resolve, reject) => {
    const leave = (): void => reject(signal.reason as Error)
    signal.addEventListener('abort', leave, { once: true })
    flight.then(resolve, reject).finally(() => signal.removeEventListener('abort', leave))
  })
}
