import t from 'tap'
import type { Digest } from '../../../src/oci/digest.ts'
import { parseRepositoryName } from '../../../src/oci/name.ts'
import { parseTag } from '../../../src/oci/reference.ts'
import { Dates } from '../../../src/mirror/sync/dates.ts'
import { hashOf } from '../../helpers/digest.ts'
import { OCI_CONFIG, OCI_INDEX, OCI_MANIFEST } from '../../helpers/push.ts'
import type { FakeUpstream } from '../../helpers/upstream.ts'
import { catchUpstream, openUpstream, send, startFake } from '../../helpers/upstream.ts'
import type { Test } from 'tap'

const NAME = parseRepositoryName('team/app')
const NOWHERE = { local: async () => undefined }

/** Contents by path below the repository: manifests by tag and digest, blobs by digest. */
class Shelf {
  readonly paths = new Map<string, { readonly body: string; readonly type?: string }>()

  blob(body: string): { digest: string; size: number } {
    const digest = hashOf(body)
    this.paths.set(`blobs/${digest}`, { body })
    return { digest, size: Buffer.byteLength(body) }
  }

  manifest(value: Record<string, unknown>, tag?: string): { digest: string; size: number; mediaType: unknown } {
    const body = JSON.stringify({ schemaVersion: 2, ...value })
    const digest = hashOf(body)
    const type = String(value['mediaType'])
    for (const name of [digest, ...(tag === undefined ? [] : [tag])])
      this.paths.set(`manifests/${name}`, { body, type })
    return { digest, size: Buffer.byteLength(body), mediaType: type }
  }

  image(config: unknown, tag?: string, annotations?: Record<string, string>) {
    const blob = this.blob(typeof config === 'string' ? config : JSON.stringify(config))
    const more = annotations && { annotations }
    return this.manifest(
      { mediaType: OCI_MANIFEST, config: { mediaType: OCI_CONFIG, ...blob }, layers: [], ...more },
      tag,
    )
  }

  serve(t: Test): Promise<FakeUpstream> {
    return startFake(t, ({ method, url }, response) => {
      const found = this.paths.get(url.replace(/^\/v2\/team\/app\//, ''))
      if (found === undefined) return send(response, 404)
      const { body, type = 'application/octet-stream' } = found
      const headers = { 'content-type': type, 'content-length': String(Buffer.byteLength(body)) }
      const digest = { 'docker-content-digest': hashOf(body) }
      send(response, 200, { ...headers, ...digest }, method === 'HEAD' ? '' : body)
    })
  }
}

async function readDates(t: Test, shelf: Shelf, tags: readonly string[], dates = new Dates(NOWHERE)) {
  const fake = await shelf.serve(t)
  const place = { client: openUpstream(t, [fake.origin]), repository: NAME, signal: new AbortController().signal }
  const found = await dates.of(place, tags.map(parseTag))
  return {
    fake,
    place,
    found: Object.fromEntries([...found].map(([tag, date]) => [tag, new Date(date).toISOString()])),
  }
}

t.test('the date is the one of the config, and an annotation comes before it', async (t) => {
  const shelf = new Shelf()
  shelf.image({ created: '2024-05-01T10:00:00.123456789Z' }, 'config')
  shelf.image({ created: '2024-05-01T10:00:00Z' }, 'annotated', {
    'org.opencontainers.image.created': '2025-01-02T03:04:05+02:00',
  })
  const { found } = await readDates(t, shelf, ['config', 'annotated'])
  t.same(found, { config: '2024-05-01T10:00:00.123Z', annotated: '2025-01-02T01:04:05.000Z' })
})

t.test('the date of an index is its own or that of its first image, not of an attestation', async (t) => {
  const shelf = new Shelf()
  const image = shelf.image({ created: '2023-01-01T00:00:00Z' })
  const attestation = shelf.image({ created: '2024-01-01T00:00:00Z' })
  const manifests = [
    { ...attestation, platform: { os: 'unknown', architecture: 'unknown' } },
    { ...image, platform: { os: 'linux', architecture: 'amd64' } },
  ]
  shelf.manifest({ mediaType: OCI_INDEX, manifests }, 'plain')
  shelf.manifest(
    { mediaType: OCI_INDEX, manifests, annotations: { 'org.opencontainers.image.created': '2022-02-02T00:00:00Z' } },
    'said',
  )
  const { found } = await readDates(t, shelf, ['plain', 'said'])
  t.same(found, { plain: '2023-01-01T00:00:00.000Z', said: '2022-02-02T00:00:00.000Z' })
})

t.test(
  'what says no date has none: other configs, other texts, tags that are gone, bytes that are wrong',
  async (t) => {
    const shelf = new Shelf()
    shelf.image('no json', 'text')
    shelf.image({ created: 'yesterday' }, 'word')
    shelf.image({ created: 5 }, 'number')
    shelf.image(null, 'null')
    const { digest } = shelf.blob('{"created":"2024-01-01T00:00:00Z"}')
    shelf.manifest(
      { mediaType: OCI_MANIFEST, config: { mediaType: OCI_CONFIG, digest, size: 34 }, layers: [] },
      'wrong',
    )
    shelf.paths.set(`blobs/${digest}`, { body: '{"created":"2025-01-01T00:00:00Z"}' })
    const { found } = await readDates(t, shelf, ['text', 'word', 'number', 'null', 'wrong', 'gone'])
    t.same(found, {})
  },
)

t.test('a config larger than any honest one is not asked for', async (t) => {
  const shelf = new Shelf()
  const config = { mediaType: OCI_CONFIG, digest: hashOf('x'), size: 100_000_000 }
  shelf.manifest({ mediaType: OCI_MANIFEST, config, layers: [] }, 'huge')
  const { fake, found } = await readDates(t, shelf, ['huge'])
  t.same(found, {})
  t.notOk(fake.seen.some(({ url }) => url.includes('/blobs/')))
})

t.test('what was read once, and what lies here, costs a HEAD and no pull', async (t) => {
  const shelf = new Shelf()
  shelf.image({ created: '2024-05-01T10:00:00Z' }, 'v1')
  const dates = new Dates({
    local: async (digest: Digest) => {
      const found = shelf.paths.get(`manifests/${digest}`) ?? shelf.paths.get(`blobs/${digest}`)
      return found && Buffer.from(found.body)
    },
  })
  const { fake, place } = await readDates(t, shelf, ['v1'], dates)
  t.equal((await dates.of(place, [parseTag('v1')])).size, 1)
  t.same(
    fake.seen.map(({ method }) => method),
    ['HEAD', 'HEAD'],
  )
  const remembering = new Dates(NOWHERE)
  await remembering.of(place, [parseTag('v1')])
  const before = fake.seen.length
  await remembering.of(place, [parseTag('v1')])
  t.equal(fake.seen.length, before + 1)
})

t.test('an upstream that does not answer is told, and makes nobody old', async (t) => {
  const fake = await startFake(t, (_, response) => send(response, 429, { 'retry-after': '5' }))
  const place = { client: openUpstream(t, [fake.origin]), repository: NAME, signal: new AbortController().signal }
  t.match(await catchUpstream(new Dates(NOWHERE).of(place, [parseTag('a')])), { kind: 'limited', retryAfter: 5000 })
})
