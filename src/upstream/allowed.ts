// What one address of an upstream may make this process do: which origins see its credentials, which redirects and
// token realms are followed, which network addresses are connected to. Every answer is by origin and address, none
// by the look of a text. A stranger is every origin that the configuration does not name.
import { isIP } from 'node:net'
import type { Place } from './address.ts'
import { placeOf, unwrapNat64 } from './address.ts'
import { hostOf, isLocalhost, isSameSite, originOf } from './origin.ts'
import { UpstreamError } from './upstream-error.ts'

export interface AllowedOptions {
  /** The address of the upstream as it is configured. */
  readonly url: URL
  /** Further origins that may see the credentials. */
  readonly origins?: readonly URL[]
  /** Certificates are not verified, or there are none. */
  readonly insecure?: boolean
}

const MOST_REDIRECT_CHARACTERS = 8192

export class Allowed {
  readonly url: URL
  readonly origin: string
  readonly #listed: ReadonlyMap<string, URL>
  readonly #insecure: boolean
  readonly #host: string
  /** The place of the configured host when it is an address or localhost. */
  readonly #ownPlace: Place | undefined
  /** Where the upstream itself was seen so far, beside public addresses. */
  readonly #seen = new Set<Place>()

  constructor({ url, origins = [], insecure = false }: AllowedOptions) {
    this.url = url
    this.origin = originOf(url)
    this.#listed = new Map([url, ...origins].map((each) => [originOf(each), each]))
    this.#insecure = insecure
    this.#host = hostOf(url)
    this.#ownPlace = isLocalhost(this.#host) ? 'loopback' : isIP(this.#host) ? placeOf(this.#host) : undefined
  }

  /** Whether the configuration names this origin. */
  isListed(target: URL): boolean {
    return this.#listed.has(originOf(target))
  }

  /**
   * R4: the upstream itself and the origins that are listed; and where certificates prove who answers, hosts of the
   * same owner over https. Addresses and localhost match only themselves.
   */
  maySeeCredentials(target: URL): boolean {
    if (this.isListed(target)) return true
    if (this.#insecure || target.protocol !== 'https:' || this.url.protocol !== 'https:') return false
    const host = hostOf(target)
    if (isIP(host) !== 0 || isLocalhost(host) || this.#ownPlace !== undefined) return false
    return isSameSite(host, this.#host)
  }

  /** The target of a redirect from `from`; throws 'refused' or 'invalid'. Who follows it leaves credentials behind. */
  readRedirect(from: URL, location: string): URL {
    return this.#readTarget(location, from, 'redirects')
  }

  /**
   * Where the next piece of an upload goes after an answer from `from`. Throws 'refused' for what may not see the
   * credentials: the bytes of an image may be as secret.
   */
  readUpload(from: URL, location: string): URL {
    const bare = URL.parse(location, from.href)
    // A registry behind a proxy that ends TLS does not know that it is spoken to over TLS.
    const isOwn = bare?.protocol === 'http:' && from.protocol === 'https:' && bare.hostname === from.hostname
    const text = isOwn ? `${originOf(from)}${bare.pathname}${bare.search}` : location
    const target = this.#readTarget(text, from, 'sends an upload')
    if (this.maySeeCredentials(target)) return target
    throw new UpstreamError('refused', `${this.url.host} sends an upload to ${target.host}, which is no part of it`, {
      hint: `if ${target.host} belongs to it, add ${originOf(target)} to "origins" of this registry`,
    })
  }

  /**
   * The address of a token server. `secret` says that credentials are to be shown to it. Throws 'refused' for one
   * that may not see them, and for one that not even a stranger's request may go to.
   */
  readRealm(realm: string, secret: boolean): URL {
    const target = this.#readTarget(realm, undefined, 'sends for a token')
    if (secret && !this.maySeeCredentials(target)) {
      throw new UpstreamError(
        'refused',
        `${this.url.host} sends for a token to ${target.host}, which may not see its credentials`,
        { hint: `if ${target.host} belongs to it, add ${originOf(target)} to "origins" of this upstream` },
      )
    }
    return target
  }

  /** R28, R32: whether a connection for `target` may go to `address`; remembers where the upstream itself lies. */
  mayConnect(target: URL, address: string): boolean {
    const place = placeOf(address)
    if (!this.isListed(target)) return target.protocol === 'https:' && this.#mayStrangerBe(target, place)
    const host = hostOf(target)
    // Somebody wrote this very address into the configuration.
    if (isIP(host) !== 0) return true
    const inner = unwrapNat64(address)
    const real = inner === undefined ? place : placeOf(inner)
    // A name of this machine in /etc/hosts is fine when a certificate must prove it; a rebound name has none.
    const proven = target.protocol === 'https:' && !this.#insecure
    const good = real === 'public' || real === 'private' || (real === 'loopback' && (proven || isLocalhost(host)))
    if (good && originOf(target) === this.origin) this.#seen.add(real)
    return good
  }

  #mayStrangerBe(target: URL, place: Place): boolean {
    if (place === 'public') return true
    if (place === 'private' && this.#seen.has('private')) return true
    // The token server of a registry on this machine, under another name of the same owner.
    if (place === 'loopback' && this.#seen.has('loopback') && this.maySeeCredentials(target)) return true
    return (place === 'private' || place === 'loopback' || place === 'linkLocal') && place === this.#ownPlace
  }

  #readTarget(text: string, base: URL | undefined, does: string): URL {
    const here = this.url.host
    if (text.length > MOST_REDIRECT_CHARACTERS)
      throw new UpstreamError('invalid', `${here} ${does} to an address of ${text.length} characters`)
    const target = URL.parse(text, base?.href)
    if (target === null || target.hostname === '' || !/^https?:$/.test(target.protocol))
      throw new UpstreamError('refused', `${here} ${does} to what is no http address`)
    if (target.username !== '' || target.password !== '')
      throw new UpstreamError('refused', `${here} ${does} to an address with a login in it, at ${target.host}`)
    const from = base ?? this.url
    if (target.protocol === 'http:' && (from.protocol === 'https:' || !this.isListed(target)))
      throw new UpstreamError('refused', `${here} ${does} to ${target.host} without TLS`)
    target.hash = ''
    return target
  }
}

/** Reads an address of the configuration: http or https, no login, query or fragment. Throws 'refused'. */
export function parseUpstreamUrl(text: string): URL {
  const url = URL.parse(text)
  if (url === null || !/^https?:$/.test(url.protocol) || url.hostname === '')
    throw new UpstreamError('refused', 'the url of an upstream must be an http or https address')
  if (url.username !== '' || url.password !== '' || url.search !== '' || url.hash !== '') {
    throw new UpstreamError('refused', `the url of the upstream at ${url.host} holds more than scheme, host and path`, {
      hint: 'a login belongs into "credentials"',
    })
  }
  return url
}
