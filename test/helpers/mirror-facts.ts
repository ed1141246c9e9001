// Facts of a mirror that was never started, for what only tells of them.
import type { MirrorFacts, UpstreamFacts } from '../../src/http/mirror-facts.ts'
import { makeTally } from '../../src/mirror/tally.ts'
import type { EndpointState } from '../../src/upstream/endpoint.ts'

/** An address that answers. */
export const CLOSED: EndpointState = {
  url: 'https://quay.io/',
  breaker: { state: 'closed', failures: 0 },
  pausedUntil: { manifests: 0, blobs: 0 },
}

/** An address that does not. */
export const OPEN: EndpointState = { ...CLOSED, breaker: { state: 'open', failures: 3, retryAt: 9000 } }

export function upstreamOf(host: string, state: readonly EndpointState[], insecure = false): UpstreamFacts {
  return { config: { host, path: host, insecure }, client: { state } }
}

export function factsOf(facts: Partial<MirrorFacts> = {}): MirrorFacts {
  return { offline: false, upstreams: [], transfers: [], fills: [], tally: makeTally(), ...facts }
}
