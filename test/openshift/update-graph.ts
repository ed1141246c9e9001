import t from 'tap'
import { chooseRelease, fetchGraph, parseGraph } from '../../src/openshift/update-graph.ts'
import { openFetcher } from '../../src/upstream/fetch-small.ts'
import { startReleaseSite } from '../fixtures/release-site.ts'

const payload = (letter: string): string => `quay.io/openshift-release-dev/ocp-release@sha256:${letter.repeat(64)}`

t.test('the releases of a channel come in the order of their versions, each with its payload', async (t) => {
  const site = await startReleaseSite()
  const fetcher = openFetcher({ reach: 'anywhere' })
  t.teardown(() => Promise.all([site.close(), fetcher.close()]))
  for (const [version, letter] of Object.entries({ '4.18.10': 'a', '4.18.3': 'b', '4.18.0': 'c', '4.18.0-rc.2': 'd' }))
    site.addNode({ version, payload: payload(letter), channels: ['stable-4.18', 'fast-4.18'] })
  site.addNode({ version: '4.18.3', payload: payload('e'), channels: ['stable-4.18'], arch: 'arm64' })
  const releases = await fetchGraph(fetcher, { channel: 'stable-4.18', arch: 'amd64', url: site.graph })
  t.same(
    releases.map(({ version }) => version),
    ['4.18.0-rc.2', '4.18.0', '4.18.3', '4.18.10'],
  )
  t.equal(chooseRelease(releases, '4.18.3', 'stable-4.18').payload.digest, `sha256:${'b'.repeat(64)}`)
  t.throws(() => chooseRelease(releases, '4.18.4', 'stable-4.18'), { message: /has no release 4.18.4/ })
  const arm = await fetchGraph(fetcher, { channel: 'stable-4.18', arch: 'arm64', url: `${site.graph}?id=x` })
  t.equal(arm[0]?.payload.digest, `sha256:${'e'.repeat(64)}`)
  t.match(site.asked.at(-1), /id=x&channel=stable-4.18&arch=arm64/)
})

t.test('what is no channel, no graph or no service is a problem with a hint', async (t) => {
  const site = await startReleaseSite()
  const fetcher = openFetcher({ reach: 'anywhere' })
  t.teardown(() => Promise.all([site.close(), fetcher.close()]))
  const ask = { channel: 'stable-4.18', arch: 'amd64', url: site.graph }
  await t.rejects(fetchGraph(fetcher, ask), { name: 'Problem', message: /knows no release in stable-4.18/ })
  await t.rejects(fetchGraph(fetcher, { ...ask, channel: 'a b' }), { name: 'Problem', message: /no channel/ })
  await t.rejects(fetchGraph(fetcher, { ...ask, url: 'no address' }), { name: 'Problem' })
  await t.rejects(fetchGraph(fetcher, { ...ask, url: `${site.origin}/other` }), { message: /has no graph at \/other/ })
  for (const text of ['', '{', '[]', '{"nodes":{}}', 'null'])
    t.throws(() => parseGraph(Buffer.from(text), 'site'), { name: 'Problem' }, text)
})

t.test('nodes that name no version with a digest are left out', async (t) => {
  const nodes = [
    null,
    { version: '4.18.1' },
    { version: '4.18.1', payload: 'quay.io/o/r:tag' },
    { version: '4.18.1', payload: 'not an image' },
    { version: '../x', payload: payload('a') },
    { version: '4.18.2', payload: payload('a'), metadata: { url: 1 } },
  ]
  const releases = parseGraph(Buffer.from(JSON.stringify({ nodes })), 'site')
  t.same(
    releases.map(({ version, url }) => [version, url]),
    [['4.18.2', undefined]],
  )
})
