// One address of an upstream: login, redirects, pauses and the breaker around a request. What comes out is an
// answer with a status that was expected, or an UpstreamError; a stranger's 401 is never answered with a login.
import type { Allowed } from './allowed.ts'
import type { Pass } from './breaker.ts'
import { Breaker } from './breaker.ts'
import type { BreakerState } from './breaker.ts'
import { parseChallenges } from './challenge.ts'
import { follow } from './follow.ts'
import { Login } from './login.ts'
import type { LoginOptions } from './login.ts'
import { originOf } from './origin.ts'
import type { Rate } from './rate.ts'
import { readRate, readRetryAfter, Spent } from './rate.ts'
import { TokenSource } from './token.ts'
import type { Body, Incoming, Method, Outgoing, Transport } from './transport.ts'
import { describeEnd, readSmall } from './transport.ts'
import { UpstreamError } from './upstream-error.ts'

/** Docker Hub and others count manifests and blobs apart: a pause for the one is none for the other. */
export type Lane = 'manifests' | 'blobs'

export interface Ask {
  readonly method: Method
  readonly lane: Lane
  /** As the upstream spells it; '' for what belongs to none. */
  readonly repository: string
  /** What follows the repository's name, with a query if need be: `/manifests/latest`; or where an upload goes. */
  readonly path: string | URL
  /** What a token must be good for beside pulling, as scopes spell it; or a whole scope. */
  readonly actions?: 'pull,push' | 'delete,pull,push' | `registry:${string}`
  /** A repository that must be readable too. */
  readonly from?: string
  /** Made again for each time it is sent, and destroyed after each. */
  readonly body?: () => Body
  readonly patience?: number
  /** Statuses that are an answer; 200 and 206 unless given. */
  readonly expect?: readonly number[]
  /** Beside what every request has. */
  readonly headers?: Readonly<Record<string, string>>
  readonly signal?: AbortSignal
}

export interface EndpointOptions {
  readonly allowed: Allowed
  readonly transport: Transport
  readonly find: LoginOptions['find']
  /** Milliseconds since 1970. */
  readonly clock: () => number
  readonly tokenTimeout: number
  readonly breaker?: { readonly threshold?: number; readonly first?: number; readonly longest?: number }
}

export interface EndpointState {
  readonly url: string
  readonly breaker: BreakerState
  /** Milliseconds since 1970 until which it asked to be left alone. */
  readonly pausedUntil: Readonly<Record<Lane, number>>
  readonly rate?: Rate
}

// After a 429 that does not say for how long.
const USUAL_PAUSE = 30_000
const GATEWAY = new Set([502, 503, 504])
const SUCCESS = [200, 206]
const TOO_MANY = 429
const LARGEST_ERROR = 65_536

export class Endpoint {
  readonly #options: EndpointOptions
  readonly #login: Login
  readonly #breaker: Breaker
  readonly #pausedUntil: Record<Lane, number> = { manifests: 0, blobs: 0 }
  /** How long the pauses are, in milliseconds. */
  readonly #pauses: Record<Lane, number> = { manifests: 0, blobs: 0 }
  /** Of the path: what stands before the repository, in requests and in scopes. */
  readonly #base: string
  readonly #scopePrefix: string
  #rate: Rate | undefined
  readonly #spent: Readonly<Record<Lane, Spent>>

  constructor(options: EndpointOptions) {
    const { allowed, transport, clock, tokenTimeout } = options
    this.#options = options
    const tokens = new TokenSource({ transport, allowed, clock, timeout: tokenTimeout })
    this.#login = new Login({ host: allowed.url.host, tokens, find: options.find })
    this.#breaker = new Breaker({ clock, ...options.breaker })
    this.#spent = { manifests: new Spent(clock), blobs: new Spent(clock) }
    // Like containerd's override_path: a path that already begins with /v2 gets no second one.
    const path = allowed.url.pathname.replace(/\/+$/, '')
    const inside = /^\/v2(?:\/(.+))?$/.exec(path)
    this.#base = inside === null ? `${path}/v2` : path
    this.#scopePrefix = inside?.[1] === undefined ? '' : `${inside[1]}/`
  }

  get url(): string {
    return this.#options.allowed.url.href
  }

  get state(): EndpointState {
    return {
      url: this.url,
      breaker: this.#breaker.state,
      pausedUntil: { ...this.#pausedUntil },
      ...(this.#rate && { rate: this.#rate }),
    }
  }

  /** Whether it counts as offline. One that asked to be left alone is there. */
  get isAway(): boolean {
    return this.#breaker.wait > 0
  }

  /** Takes it for away no longer than until the next request. */
  hasten(): void {
    this.#breaker.hasten()
  }

  // A clock that was set back must not make a pause longer than it was asked for.
  #pauseOf(lane: Lane): number {
    const left = this.#pausedUntil[lane] - this.#options.clock()
    return left > this.#pauses[lane] ? 0 : Math.max(0, left)
  }

  /** Where an upload goes after this answer. Throws an UpstreamError. */
  readUpload(incoming: Incoming): URL | undefined {
    const location = incoming.header('location')
    return location === undefined ? undefined : this.#options.allowed.readUpload(incoming.url, location)
  }

  /** Throws an UpstreamError for all that is not expected, and the signal's reason when that comes first. */
  async ask(ask: Ask): Promise<Incoming> {
    const pass = this.#admit(ask)
    try {
      const incoming = await this.#exchange(ask)
      this.#noteRate(incoming, ask)
      if (!(ask.expect ?? SUCCESS).includes(incoming.status)) throw await this.#describe(incoming, ask)
      pass.succeed()
      return incoming
    } catch (thrown) {
      // The time may also run out while a token is being waited for.
      const late = ask.signal?.aborted === true && !(thrown instanceof UpstreamError)
      const error = late ? describeEnd(thrown, this.#options.allowed.url, ask.signal) : thrown
      settle(pass, error)
      throw error
    }
  }

  #admit({ lane, method }: Ask): Pass {
    const { host } = this.#options.allowed.url
    // Docker Hub counts what it sends: a HEAD costs nothing.
    const pause = Math.max(this.#pauseOf(lane), method === 'GET' ? this.#spent[lane].wait : 0)
    if (pause > 0)
      throw new UpstreamError('limited', `${host} asked to be left alone for a while`, { retryAfter: pause })
    const pass = this.#breaker.admit()
    if (pass !== undefined) return pass
    const message = `${host} did not answer before and counts as offline`
    throw new UpstreamError('unreachable', message, { retryAfter: this.#breaker.wait })
  }

  async #exchange(ask: Ask): Promise<Incoming> {
    const { repository, signal } = ask
    const scope = this.#scopeOf(ask)
    const shown = await this.#login.offer(repository, scope, signal)
    const first = await this.#send(ask, shown)
    // Only the address itself may ask for a login: not a blob store at the end of a redirect.
    if (first.status !== 401 || originOf(first.url) !== this.#options.allowed.origin) return first
    first.discard()
    const challenges = parseChallenges(first.headers('www-authenticate'))
    const better = await this.#login.answer(challenges, { repository, scope, shown, signal })
    return better === undefined ? first : this.#send(ask, better)
  }

  #scopeOf({ repository, actions, from }: Ask): string {
    if (actions?.startsWith('registry:') === true) return actions
    const own = `repository:${this.#scopePrefix}${repository}:${actions ?? 'pull'}`
    return from === undefined ? own : `${own} repository:${this.#scopePrefix}${from}:pull`
  }

  async #send(ask: Ask, authorization: string | undefined): Promise<Incoming> {
    const { method, repository, path, headers, signal, patience } = ask
    const { allowed, transport } = this.#options
    const inside = repository === '' ? '' : `/${repository}`
    const body = ask.body?.()
    const outgoing: Outgoing = {
      method,
      url: typeof path === 'string' ? new URL(`${this.#base}${inside}${path}`, allowed.url) : path,
      headers: { ...headers, ...(authorization !== undefined && { authorization }) },
      ...(body !== undefined && { body }),
      ...(patience !== undefined && { patience }),
      ...(signal && { signal }),
    }
    try {
      return await (method === 'GET' || method === 'HEAD'
        ? follow(transport, allowed, outgoing)
        : transport.send(outgoing))
    } finally {
      // An answer may come before the end of the body; nobody reads the rest then.
      if (typeof body === 'object' && !Buffer.isBuffer(body)) body.destroy()
    }
  }

  #noteRate(incoming: Incoming, { lane, method }: Ask): void {
    const rate = readRate(incoming.headers('ratelimit-remaining')[0], incoming.headers('ratelimit-limit')[0])
    if (rate === undefined || originOf(incoming.url) !== this.#options.allowed.origin) return
    this.#rate = rate
    // That it does not have something is an answer too.
    this.#spent[lane].note(rate, method === 'GET' ? incoming.status !== TOO_MANY : undefined)
  }

  async #describe(incoming: Incoming, { repository, lane, method, signal }: Ask): Promise<UpstreamError> {
    const { status, headers, url } = incoming
    const code = await readCode(incoming, signal)
    const { allowed, clock } = this.#options
    const where = url.host === allowed.url.host ? url.host : `${url.host}, to which ${allowed.url.host} redirects,`
    const retryAfter = readRetryAfter(headers('retry-after')[0], clock())
    const more = { status, ...(retryAfter !== undefined && { retryAfter }), ...(code !== undefined && { code }) }
    const what = repository === '' ? 'it' : repository
    if (status === 404 || status === 410)
      return new UpstreamError('notFound', `${where} does not have what was asked of ${what}`, more)
    if (status === 401 || status === 403) {
      const act = method === 'GET' || method === 'HEAD' ? 'read' : method === 'DELETE' ? 'delete in' : 'write to'
      return new UpstreamError('unauthorized', `${where} does not let this registry ${act} ${what}`, {
        ...more,
        hint: 'check the credentials of this upstream, and that the repository exists',
      })
    }
    if (status === TOO_MANY) {
      const pause = retryAfter ?? USUAL_PAUSE
      this.#pauses[lane] = Math.max(pause, this.#pauseOf(lane))
      this.#pausedUntil[lane] = clock() + this.#pauses[lane]
      return new UpstreamError('limited', `${where} asks to be left alone for a while`, { status, retryAfter: pause })
    }
    const said = code === undefined ? '' : ` (${code})`
    return new UpstreamError('failed', `${where} answers with status ${status}${said}`, more)
  }
}

/** The code of an error as the specification has it: of what a stranger says nothing else is shown. */
async function readCode(incoming: Incoming, signal?: AbortSignal): Promise<string | undefined> {
  if (!(incoming.header('content-type') ?? '').startsWith('application/json')) {
    incoming.discard()
    return undefined
  }
  try {
    const answer = JSON.parse((await readSmall(incoming, LARGEST_ERROR, signal)).toString('utf8')) as {
      errors?: { code?: unknown }[]
    } | null
    const code = answer?.errors?.[0]?.code
    return typeof code === 'string' && /^[A-Z_]{3,40}$/.test(code) ? code : undefined
  } catch {
    return undefined
  }
}

/** An answer of any kind shows that somebody is there; a gateway's error shows that nobody is behind it. */
function settle(pass: Pass, error: unknown): void {
  if (!(error instanceof UpstreamError) || error.kind === 'refused') pass.drop()
  else if (error.kind === 'unreachable') pass.fail()
  else if (error.status !== undefined && GATEWAY.has(error.status)) pass.fail()
  else pass.succeed()
}
