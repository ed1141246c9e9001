// From what the configuration says of an upstream to one address of it, ready to be asked. Opens no connection.
import { Allowed, parseUpstreamUrl } from './allowed.ts'
import type { Resolve } from './connect.ts'
import { makeAgent } from './connect.ts'
import type { Credentials } from './credentials.ts'
import { NO_CREDENTIALS } from './credentials.ts'
import type { EndpointOptions } from './endpoint.ts'
import { Endpoint } from './endpoint.ts'
import { hostOf, isSameSite } from './origin.ts'
import { ReadBuffers } from './read-buffers.ts'
import type { Timeouts } from './transport.ts'
import { TIMEOUTS, Transport } from './transport.ts'
import { UpstreamError } from './upstream-error.ts'

export interface AddressOptions {
  /** As image names spell it, with a port where there is one. */
  readonly host: string
  readonly credentials?: Credentials
  /** Certificates of authorities in PEM, trusted beside those of Node. */
  readonly ca?: readonly string[]
  /** Plain http, or certificates that nobody verifies. */
  readonly insecure?: boolean
  /** Further origins that may see the credentials. */
  readonly origins?: readonly string[]
  /** A local socket that every connection goes to, whatever the url says. Who names it has looked whose it is. */
  readonly socketPath?: string
  readonly timeouts?: Partial<Timeouts>
  readonly breaker?: EndpointOptions['breaker']
  /** Milliseconds since 1970. */
  readonly clock: () => number
  /** In place of the system's resolver. */
  readonly resolve?: Resolve
  readonly userAgent?: string
}

/** The url of an upstream of which only the name is known, or a local socket. */
export function usualUrl({ host, socketPath }: Pick<AddressOptions, 'host' | 'socketPath'>): string {
  return socketPath === undefined ? `https://${host}` : 'http://localhost'
}

/** Throws an UpstreamError 'refused' for a text that is no url, and for plain http without `insecure`. */
export function openEndpoint(text: string, options: AddressOptions): { endpoint: Endpoint; transport: Transport } {
  const { host, ca, insecure = false, origins = [], credentials = NO_CREDENTIALS, clock, resolve, socketPath } = options
  const url = parseUpstreamUrl(text)
  if (url.protocol === 'http:' && !insecure && socketPath === undefined) {
    throw new UpstreamError('refused', `the url of the upstream ${host} is plain http`, {
      hint: 'use https, or say insecure: true for this upstream',
    })
  }
  const timeouts = { ...TIMEOUTS, ...options.timeouts }
  const allowed = new Allowed({ url, origins: origins.map(parseUpstreamUrl), insecure })
  const buffers = new ReadBuffers()
  const agent = makeAgent({
    allowed,
    buffers,
    insecure,
    connectTimeout: timeouts.connect,
    ...(ca && { ca }),
    ...(resolve && { resolve }),
    ...(socketPath !== undefined && { socketPath }),
  })
  const transport = new Transport(agent, timeouts, options.userAgent ?? 'tarn', buffers)
  // A login kept under the name that images have is for addresses of the same owner only.
  const own = URL.parse(`https://${host}`)
  const hosts = own !== null && isSameSite(hostOf(own), hostOf(url)) ? [url.host, own.host] : [url.host]
  const find = (repository: string) => credentials.find(hosts, repository)
  const breaker = options.breaker && { breaker: options.breaker }
  const endpoint = new Endpoint({ allowed, transport, find, clock, tokenTimeout: timeouts.whole, ...breaker })
  return { endpoint, transport }
}
