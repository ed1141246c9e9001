// Small files of the web that are no registry's: signatures of releases, graphs of versions. Anonymous, bounded in size,
// time and redirects. An address that a stranger named leads to public hosts only.
import type { LookupAddress } from 'node:dns'
import { lookup as systemLookup } from 'node:dns'
import { isIP } from 'node:net'
import type { Agent } from 'undici'
import { placeOf } from './address.ts'
import { Allowed } from './allowed.ts'
import type { Resolve } from './connect.ts'
import { makeAgent } from './connect.ts'
import { follow } from './follow.ts'
import { hostOf, isLocalhost, originOf } from './origin.ts'
import { describeEnd, readSmall, TIMEOUTS, Transport } from './transport.ts'
import type { Timeouts } from './transport.ts'
import { UpstreamError } from './upstream-error.ts'

export interface FetcherOptions {
  /** `public` for addresses that came from outside, `anywhere` for those that a person wrote. */
  readonly reach: 'public' | 'anywhere'
  /** Certificates of authorities in PEM, trusted beside those of Node. */
  readonly ca?: readonly string[]
  readonly timeouts?: Partial<Timeouts>
  readonly resolve?: Resolve
}

export interface SmallAsk {
  /** Bytes. */
  readonly limit: number
  readonly accept?: string
  readonly signal?: AbortSignal | undefined
}

export interface Fetcher {
  /**
   * The body of a 200; undefined when it is not there (404, 410). Throws an UpstreamError for everything else, 'refused'
   * for an address that may not be asked.
   */
  get(address: string, ask: SmallAsk): Promise<Buffer | undefined>
  /** Ends all connections. */
  close(): Promise<void>
}

const bySystem: Resolve = (name, family, done) => systemLookup(name, { all: true, family }, done)

/** Opens no connection yet. */
export function openFetcher(options: FetcherOptions): Fetcher {
  const timeouts = { ...TIMEOUTS, whole: 60_000, ...options.timeouts }
  const agents = new Map<string, { readonly agent: Agent; readonly allowed: Allowed }>()
  const agentFor = (url: URL) => {
    const origin = originOf(url)
    const known = agents.get(origin)
    if (known !== undefined) return known
    const allowed = new Allowed({ url: new URL(origin), insecure: url.protocol === 'http:' })
    const resolve = options.reach === 'public' ? publicOnly(options.resolve ?? bySystem, url.host) : options.resolve
    const { ca } = options
    const agent = makeAgent({
      allowed,
      connectTimeout: timeouts.connect,
      ...(ca && { ca }),
      ...(resolve && { resolve }),
    })
    const made = { agent, allowed }
    agents.set(origin, made)
    return made
  }
  return {
    async get(address, { limit, accept = '*/*', signal: wish }) {
      const url = readAddress(address, options.reach)
      const { agent, allowed } = agentFor(url)
      const late = AbortSignal.timeout(timeouts.whole)
      const signal = wish === undefined ? late : AbortSignal.any([wish, late])
      const transport = new Transport(agent, timeouts, 'tarn')
      try {
        const incoming = await follow(transport, allowed, { method: 'GET', url, headers: { accept }, signal })
        if (incoming.status === 200) return await readSmall(incoming, limit, signal)
        incoming.discard()
        if (incoming.status === 404 || incoming.status === 410) return undefined
        throw new UpstreamError('failed', `${url.host} answers ${incoming.status}`, { status: incoming.status })
      } catch (error) {
        throw describeEnd(error, url, wish?.aborted === true ? wish : signal)
      }
    },
    async close() {
      await Promise.all([...agents.values()].map(({ agent }) => agent.destroy()))
    },
  }
}

function readAddress(address: string, reach: FetcherOptions['reach']): URL {
  const url = URL.parse(address)
  if (url === null || !/^https?:$/.test(url.protocol) || url.hostname === '' || url.username !== '')
    throw new UpstreamError('refused', 'an address that is to be fetched is no plain http or https address')
  const host = hostOf(url)
  const isInside = isLocalhost(host) || (isIP(host) !== 0 && placeOf(host) !== 'public')
  if (reach === 'public' && isInside) throw inside(url.host)
  return url
}

function publicOnly(resolve: Resolve, host: string): Resolve {
  return (name, family, done) => {
    resolve(name, family, (error, addresses: readonly LookupAddress[]) => {
      const good = addresses.filter(({ address }) => placeOf(address) === 'public')
      if (error === null && good.length === 0) done(inside(host), [])
      else done(error, good)
    })
  }
}

function inside(host: string): UpstreamError {
  return new UpstreamError('refused', `${host} lies inside this network, and whoever named it is outside`, {
    hint: 'name such an address yourself if it is right',
  })
}
