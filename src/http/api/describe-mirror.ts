// The answer of `GET /api/v1/mirror`: how its upstreams are, what is on its way, and what was counted.
import Type from 'typebox'
import type { Static } from 'typebox'
import type { EndpointState } from '../../upstream/endpoint.ts'
import type { MirrorFacts } from '../mirror-facts.ts'

const count = (description?: string) =>
  Type.Integer({ minimum: 0, ...(description === undefined ? {} : { description }) })
const time = (description: string) => Type.String({ description: `${description}; ISO 8601` })
const optional = Type.Optional

const Address = Type.Object({
  url: Type.String(),
  breaker: Type.Object({
    state: Type.Enum(['closed', 'open', 'probing']),
    failures: count('in a row'),
    retryAt: optional(time('when it is tried again')),
  }),
  pausedUntil: optional(
    Type.Object(
      { manifests: optional(time('for manifests and lists')), blobs: optional(time('for blobs')) },
      { description: 'until when it asked to be left alone' },
    ),
  ),
  rate: optional(
    Type.Object(
      { remaining: count(), limit: optional(count()), window: optional(count('seconds')) },
      { description: 'requests that it said are left' },
    ),
  ),
})

export const MirrorReport = Type.Object({
  enabled: Type.Boolean({ description: 'false where the configuration has neither mirror nor proxy' }),
  offline: Type.Boolean({ description: 'whether the configuration forbids connections outwards' }),
  upstreams: Type.Array(
    Type.Object({
      host: Type.String(),
      path: Type.String({ description: 'where its repositories live here; empty for proxy.remoteurl' }),
      insecure: Type.Boolean({ description: 'plain http, or certificates that nobody verifies' }),
      addresses: Type.Array(Address, { description: 'in the order in which they are tried' }),
    }),
  ),
  transfers: Type.Array(
    Type.Object({
      digest: Type.String(),
      upstream: Type.String({ description: 'host' }),
      repositories: Type.Array(Type.String()),
      received: count('bytes'),
      size: Type.Union([count(), Type.Null()], { description: 'bytes; null while the upstream does not say' }),
      seconds: Type.Number({ minimum: 0, description: 'since it began' }),
    }),
    { description: 'blobs that are being fetched' },
  ),
  fills: Type.Array(
    Type.Object({
      repository: Type.String(),
      digest: Type.String(),
      tags: Type.Array(Type.String(), { description: 'that it will have' }),
      kind: Type.String({ description: 'image or index' }),
      since: time('when it was asked for'),
    }),
    { description: 'images that are being completed' },
  ),
  counters: Type.Object(
    {
      hits: count('manifests and blobs that were answered from here'),
      misses: count('those for which an upstream was asked'),
      fetchedBytes: count(),
      savedBytes: count('that were answered without an upstream'),
      revalidated: count('tags that were asked for again'),
      moved: count('those that had moved'),
      transfers: count('blobs that came whole'),
      failedTransfers: count(),
      filled: count('images that were completed'),
      abandoned: count('images that were given up'),
    },
    { description: 'since the process began' },
  ),
})

export type MirrorReport = Static<typeof MirrorReport>

/** `now` in milliseconds since 1970. */
export function describeMirror(facts: MirrorFacts | undefined, now: number): MirrorReport {
  const { offline = false, upstreams = [], transfers = [], fills = [], tally } = facts ?? {}
  const sum = (of: 'hits' | 'misses' | 'fetched' | 'saved'): number =>
    tally === undefined ? 0 : tally.blobs[of] + tally.manifests[of]
  return {
    enabled: facts !== undefined,
    offline,
    upstreams: upstreams.map(({ config: { host, path, insecure }, client }) => {
      return { host, path, insecure, addresses: client.state.map((state) => describeAddress(state, now)) }
    }),
    transfers: transfers.map(({ digest, upstream, repositories, received, size, age }) => {
      return { digest, upstream, repositories: [...repositories], received, size, seconds: age / 1000 }
    }),
    fills: fills.map(({ name, digest, tags, kind, since }) => {
      return { repository: name, digest, tags: [...tags], kind, since: formatTime(since) }
    }),
    counters: {
      hits: sum('hits'),
      misses: sum('misses'),
      fetchedBytes: sum('fetched'),
      savedBytes: sum('saved'),
      revalidated: tally?.revalidated ?? 0,
      moved: tally?.moved ?? 0,
      transfers: tally?.transfers ?? 0,
      failedTransfers: tally?.failedTransfers ?? 0,
      filled: tally?.filled ?? 0,
      abandoned: tally?.abandoned ?? 0,
    },
  }
}

function describeAddress({ url, breaker, pausedUntil, rate }: EndpointState, now: number) {
  const pauses = Object.entries(pausedUntil).flatMap(([lane, until]) =>
    until > now ? [[lane, formatTime(until)]] : [],
  )
  const { state, failures, retryAt } = breaker
  return {
    url,
    breaker: { state, failures, ...(retryAt !== undefined && { retryAt: formatTime(retryAt) }) },
    ...(pauses.length > 0 && { pausedUntil: Object.fromEntries(pauses) as { manifests?: string; blobs?: string } }),
    ...(rate !== undefined && { rate }),
  }
}

function formatTime(time: number): string {
  return new Date(time).toISOString()
}
