import t from 'tap'
import { Value } from 'typebox/value'
import { MirrorReport, describeMirror } from '../../../src/http/api/describe-mirror.ts'
import type { Digest } from '../../../src/oci/digest.ts'
import type { RepositoryName } from '../../../src/oci/name.ts'
import type { Tag } from '../../../src/oci/reference.ts'
import { CLOSED, OPEN, factsOf, upstreamOf } from '../../helpers/mirror-facts.ts'

const DIGEST = `sha256:${'a'.repeat(64)}` as Digest
const NAME = 'quay.io/team/app' as RepositoryName

t.test('a registry without a mirror says so', async (t) => {
  const report = describeMirror(undefined, 0)
  t.same([...Value.Errors(MirrorReport, report)], [])
  t.match(report, { enabled: false, offline: false, upstreams: [], transfers: [], fills: [], counters: { hits: 0 } })
})

t.test('upstreams, transfers and images on their way are told as the document says', async (t) => {
  const facts = factsOf({
    upstreams: [upstreamOf('quay.io', [OPEN, { ...CLOSED, rate: { remaining: 3, limit: 100, window: 21_600 } }], true)],
    transfers: [{ digest: DIGEST, upstream: 'quay.io', repositories: [NAME], received: 10, size: null, age: 1500 }],
    fills: [{ name: NAME, digest: DIGEST, tags: ['v1' as Tag], kind: 'image', since: 0 }],
  })
  const report = describeMirror(facts, 1000)
  t.same([...Value.Errors(MirrorReport, report)], [])
  t.same(report.upstreams, [
    {
      host: 'quay.io',
      path: 'quay.io',
      insecure: true,
      addresses: [
        {
          url: 'https://quay.io/',
          breaker: { state: 'open', failures: 3, retryAt: '1970-01-01T00:00:09.000Z' },
        },
        {
          url: 'https://quay.io/',
          breaker: { state: 'closed', failures: 0 },
          rate: { remaining: 3, limit: 100, window: 21_600 },
        },
      ],
    },
  ])
  t.same(report.transfers, [
    { digest: DIGEST, upstream: 'quay.io', repositories: [NAME], received: 10, size: null, seconds: 1.5 },
  ])
  t.same(report.fills, [
    { repository: NAME, digest: DIGEST, tags: ['v1'], kind: 'image', since: '1970-01-01T00:00:00.000Z' },
  ])
})

t.test('a pause is told while it lasts', async (t) => {
  const paused = { ...CLOSED, pausedUntil: { manifests: 5000, blobs: 0 } }
  const facts = factsOf({ upstreams: [upstreamOf('docker.io', [paused])] })
  const pauseAt = (now: number): unknown => describeMirror(facts, now).upstreams[0]?.addresses[0]?.pausedUntil
  t.same(pauseAt(4999), { manifests: '1970-01-01T00:00:05.000Z' })
  t.equal(pauseAt(5000), undefined)
})
