// Opens the connections of one upstream's address. The check of R28 stands between the answer of the resolver and the
// connection, which goes to exactly the address that was checked: a name that answers differently the next
// time is checked again the next time.
import type { LookupAddress } from 'node:dns'
import { lookup as systemLookup } from 'node:dns'
import type { LookupFunction } from 'node:net'
import { isIP } from 'node:net'
import { createSecureContext, getCACertificates } from 'node:tls'
import { Agent, buildConnector } from 'undici'
import type { Allowed } from './allowed.ts'
import type { ReadBuffers } from './read-buffers.ts'
import { UpstreamError } from './upstream-error.ts'

/** As node:dns's `lookup` with `all: true`. */
export type Resolve = (
  name: string,
  family: number,
  done: (error: NodeJS.ErrnoException | null, addresses: readonly LookupAddress[]) => void,
) => void

export interface AgentOptions {
  readonly allowed: Allowed
  /** Certificates of authorities in PEM that are trusted beside those of Node. */
  readonly ca?: readonly string[]
  readonly insecure?: boolean
  /** Milliseconds. */
  readonly connectTimeout: number
  readonly resolve?: Resolve
  /** In place of the network. */
  readonly socketPath?: string
  /** Memory to read into, Node's own unless given. */
  readonly buffers?: ReadBuffers
}

const resolveBySystem: Resolve = (name, family, done) => systemLookup(name, { all: true, family }, done)

/** An undici agent that connects only where `allowed` lets it: HTTP/1.1, no proxy, headers of at most 16 KiB. */
export function makeAgent(options: AgentOptions): Agent {
  return new Agent({
    connect: makeConnector(options),
    maxHeaderSize: 16_384,
    pipelining: 1,
    allowH2: false,
    // More than a registry, its token server and the hosts of its blobs would be an upstream that leads around.
    maxOrigins: 64,
  })
}

function makeConnector(options: AgentOptions): buildConnector.connector {
  const { allowed, ca, insecure = false, connectTimeout, resolve = resolveBySystem, socketPath, buffers } = options
  const secureContext = ca && createSecureContext({ ca: [...getCACertificates('default'), ...ca] })
  return (target, callback) => {
    const url = new URL(`${target.protocol}//${target.host ?? target.hostname}`)
    const host = target.hostname
    if (socketPath !== undefined) {
      if (allowed.isListed(url)) buildConnector({ socketPath, timeout: connectTimeout })(target, callback)
      else callback(forbidden(url.host), null)
      return
    }
    // Node asks no resolver for an address.
    if (isIP(host) !== 0 && !allowed.mayConnect(url, host)) {
      callback(forbidden(url.host), null)
      return
    }
    const connect = buildConnector({
      rejectUnauthorized: !insecure,
      ...(secureContext && { secureContext }),
      allowH2: false,
      timeout: connectTimeout,
      lookup: makeLookup(url, allowed, resolve),
      // One who must be certain of the certificate must not resume a session of another port's server.
      maxCachedSessions: 0,
      ...(buffers && { onread: buffers.forConnection() }),
    })
    connect(target, callback)
  }
}

function makeLookup(url: URL, allowed: Allowed, resolve: Resolve): LookupFunction {
  return (name, options, done) => {
    const family =
      options.family === 4 || options.family === 'IPv4' ? 4 : options.family === 6 || options.family === 'IPv6' ? 6 : 0
    resolve(name, family, (error, addresses) => {
      if (error !== null) {
        done(error, [])
        return
      }
      const good = addresses.filter(({ address }) => allowed.mayConnect(url, address))
      const [first] = good
      if (first === undefined) done(forbidden(url.host), [])
      else if (options.all === true) done(null, good)
      else done(null, first.address, first.family)
    })
  }
}

function forbidden(host: string): UpstreamError {
  return new UpstreamError('refused', `${host} lies at an address that this upstream may not lead to`, {
    hint: 'private, local and special addresses are reached only where the url of the upstream names them',
  })
}
