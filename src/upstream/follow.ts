// Follows redirects by hand (R30, R33): each hop is judged, and a login is left behind at the first hop that leaves
// its origin, for good: a way back through a stranger does not bring it back.
import type { Allowed } from './allowed.ts'
import { originOf } from './origin.ts'
import type { Incoming, Outgoing, Transport } from './transport.ts'
import { UpstreamError } from './upstream-error.ts'

const MOST_REDIRECTS = 5
const REDIRECTS = new Set([301, 302, 303, 307, 308])

/** Sends a GET or HEAD and gives the first answer that is no redirect. Throws as `Transport.send` and readRedirect. */
export async function follow(transport: Transport, allowed: Allowed, outgoing: Outgoing): Promise<Incoming> {
  let request = outgoing
  for (let hops = 0; ; hops += 1) {
    const incoming = await transport.send(request)
    if (!REDIRECTS.has(incoming.status)) return incoming
    incoming.discard()
    const location = incoming.header('location')
    if (location === undefined)
      throw new UpstreamError('invalid', `${request.url.host} redirects without saying where to`)
    if (hops === MOST_REDIRECTS)
      throw new UpstreamError('refused', `${allowed.url.host} redirects more than ${MOST_REDIRECTS} times`)
    const url = allowed.readRedirect(request.url, location)
    const { authorization: _, ...anonymous } = request.headers
    const stays = originOf(url) === originOf(request.url)
    request = { ...request, url, headers: stays ? request.headers : anonymous }
  }
}
