// What the mirror tells of itself: to the admin API, the metrics and /readyz. Read at the moment of the question; nothing
// is asked of an upstream for it.
import type { UpstreamConfig } from '../config/upstreams.ts'
import type { FillStatus } from '../mirror/fills.ts'
import type { TallyNumbers } from '../mirror/tally.ts'
import type { TransferStatus } from '../mirror/transfers.ts'
import type { EndpointState } from '../upstream/endpoint.ts'

export interface MirrorFacts {
  readonly offline: boolean
  readonly upstreams: readonly UpstreamFacts[]
  readonly transfers: readonly TransferStatus[]
  readonly fills: readonly FillStatus[]
  readonly tally: TallyNumbers
}

export interface UpstreamFacts {
  readonly config: Pick<UpstreamConfig, 'host' | 'path' | 'insecure'>
  /** One state for each of its addresses. */
  readonly client: { readonly state: readonly EndpointState[] }
}

/** Whether an address counts as offline. */
export function isOpen({ breaker }: EndpointState): boolean {
  return breaker.state !== 'closed'
}

/** Lines for /readyz, which is public: how many upstreams, not which; none without a mirror. */
export function describeMirrorNotes(facts: Pick<MirrorFacts, 'offline' | 'upstreams'> | undefined): string[] {
  if (facts === undefined) return []
  const { offline, upstreams } = facts
  if (offline) return ['mirror: offline, nothing is fetched']
  const insecure = upstreams.filter(({ config }) => config.insecure).length
  const open = upstreams.filter(({ client }) => client.state.every(isOpen)).length
  const count = (number: number): string => `${number} of ${upstreams.length} upstreams`
  return [
    ...(insecure > 0
      ? [`mirror: ${count(insecure)} ${insecure === 1 ? 'is' : 'are'} reached without verification`]
      : []),
    ...(open > 0 ? [`mirror: ${count(open)} ${open === 1 ? 'does' : 'do'} not answer`] : []),
  ]
}
