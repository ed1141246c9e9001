import t from 'tap'
import type { TSchema } from 'typebox'
import { Value } from 'typebox/value'
import { callSocket } from '../../../src/cli/socket-client.ts'
import type { RouteName } from '../../../src/http/api/routes.ts'
import { ROUTES } from '../../../src/http/api/routes.ts'
import { findSocket, makeHome, pushLitter } from '../../helpers/home.ts'

const RETENTION = `retention: {policies: [{repositories: ['**'], keep: [{tags: 'v.*'}]}]}\n`

/** What the answer holds and the document does not tell, by its path. */
function findUntold(schema: TSchema, value: unknown, at = ''): string[] {
  const { properties, items, anyOf } = schema as {
    properties?: Record<string, TSchema>
    items?: TSchema
    anyOf?: TSchema[]
  }
  if (Array.isArray(value)) return items === undefined ? [] : value.flatMap((one) => findUntold(items, one, `${at}[]`))
  if (typeof value !== 'object' || value === null) return []
  const fields =
    properties ?? (anyOf?.find((one) => 'properties' in one) as { properties?: typeof properties })?.properties
  if (fields === undefined || Object.keys(fields).length === 0) return []
  return Object.entries(value).flatMap(([key, inner]) => {
    const told = fields[key]
    return told === undefined ? [`${at}.${key}`] : findUntold(told, inner, `${at}.${key}`)
  })
}

t.test('what a registry really answers is what the document says, over the socket', async (t) => {
  const { data, serve } = makeHome(t, `gc: {lease: 0s}\n${RETENTION}`)
  const serving = await serve()
  await pushLitter(serving.url)
  const socketPath = await findSocket(data)
  const ask = async (name: RouteName, options: object = {}) => {
    const answer = await callSocket({ socketPath, name, options, onEvent: () => undefined })
    const { report } = ROUTES[name] as { report: TSchema }
    t.same([...Value.Errors(report, answer)], [], name)
    t.same(findUntold(report, answer), [], `all that ${name} answers is told`)
    return answer
  }
  t.match(await ask('GET /status'), { keeps: true, collection: { running: false, last: null }, jobs: [] })
  await ask('POST /pins', { id: 'release', reason: 'kept', images: ['team/app:latest'], blobs: [] })
  t.match(await ask('GET /pins'), { pins: [{ id: 'release', images: ['team/app:latest'] }], unreadable: [] })
  t.match(await ask('POST /rm', { images: ['team/app'] }), { refused: [{ image: /team\/app/, why: 'pinned' }] })
  t.match(await ask('POST /retention', { dryRun: true }), { keptBy: { pinned: 1 }, removed: [] })
  t.same(await ask('DELETE /pins', { id: 'release' }), { id: 'release', done: true })
  t.same(await ask('DELETE /pins', { id: 'release' }), { id: 'release', done: false })
  t.match(await ask('POST /check'), { findings: [], unrepaired: 0 })
  t.match(await ask('POST /retention'), { removed: [{ repository: 'team/app', tag: 'latest' }] })
  t.match(await ask('POST /gc', { untagged: true, grace: '0s' }), { blobs: { deleted: 5 } })
  t.match(await ask('GET /status'), { collection: { running: false, last: { untagged: true } } })
  await ask('POST /rm', { images: ['team/**', 'nothing/here'], dryRun: true })
  t.match(await ask('GET /mirror'), { enabled: false, upstreams: [] })
})

t.test('what a mirror answers is what the document says', async (t) => {
  const upstreams =
    '[{host: up.test, url: ["http://127.0.0.1:1", "http://127.0.0.1:2"], insecure: true}, {host: quay.io}]'
  const { data, serve } = makeHome(t, `mirror: {anonymous: true, upstreams: ${upstreams}}\n`)
  const serving = await serve()
  for (const tag of ['a', 'b', 'c'])
    t.equal(
      (await fetch(`${serving.url}/v2/up.test/team/app/manifests/${tag}`)).status,
      404,
      'an upstream that is down',
    )
  const socketPath = await findSocket(data)
  const answer = await callSocket({ socketPath, name: 'GET /mirror', options: {}, onEvent: () => undefined })
  const { report } = ROUTES['GET /mirror'] as { report: TSchema }
  t.same([...Value.Errors(report, answer)], [])
  t.same(findUntold(report, answer), [])
  t.match(answer, {
    enabled: true,
    offline: false,
    upstreams: [
      {
        host: 'up.test',
        insecure: true,
        addresses: [
          { url: 'http://127.0.0.1:1/', breaker: { state: 'open', retryAt: /^20.*Z$/ } },
          { url: 'http://127.0.0.1:2/' },
        ],
      },
      { host: 'quay.io', path: 'quay.io', insecure: false, addresses: [{ breaker: { state: 'closed', failures: 0 } }] },
    ],
    transfers: [],
    fills: [],
  })
})

t.test('an answer that the document does not tell would be found', async (t) => {
  const { report } = ROUTES['POST /gc'] as { report: TSchema }
  t.same(findUntold(report, { blobs: { seen: 1, secret: 2 }, problems: [{ path: '', what: '', why: '' }], more: 1 }), [
    '.blobs.secret',
    '.problems[].why',
    '.more',
  ])
})
