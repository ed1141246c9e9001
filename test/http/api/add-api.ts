import { request as requestHttp } from 'node:http'
import t from 'tap'
import type { Test } from 'tap'
import { ROUTES } from '../../../src/http/api/routes.ts'
import type { CollectReport } from '../../../src/registry/collect.ts'
import type { Client, Sending } from '../../helpers/client.ts'
import { openClient } from '../../helpers/client.ts'
import type { Acts } from '../../helpers/api.ts'
import { ADMIN, NO_COLLECTION, NO_FINDINGS, eventsOf, makeApiParts, serveApi } from '../../helpers/api.ts'

const JSON_TYPE = { 'content-type': 'application/json' }

async function makeApi(t: Test, acts: Acts = {}, host = '') {
  const parts = makeApiParts(acts)
  const url = await serveApi(t, parts, [ADMIN.username], host)
  const client = openClient({ url, ...ADMIN })
  t.teardown(() => client.close())
  return { parts, url, client }
}

const post = (client: Client, path: string, body: unknown, headers: Sending['headers'] = {}) =>
  client.send('POST', `/api/v1${path}`, {
    headers: { ...JSON_TYPE, ...headers },
    body: typeof body === 'string' ? body : JSON.stringify(body),
  })

const messageOf = (body: Buffer): string =>
  (JSON.parse(body.toString()) as { errors: { message: string }[] }).errors[0]?.message ?? ''

t.test(
  'every route is for administrators: others are asked for a login or refused, whatever they may pull',
  async (t) => {
    let collected = 0
    const parts = makeApiParts({ collect: async () => (++collected, NO_COLLECTION) })
    const closed = openClient({ url: await serveApi(t, parts), ...ADMIN })
    const url = await serveApi(t, parts, ['somebody-else'])
    const [anonymous, user] = [openClient({ url }), openClient({ url, ...ADMIN })]
    t.teardown(() => [closed, anonymous, user].forEach((client) => client.close()))
    for (const name of [...Object.keys(ROUTES), 'GET /no-such-page']) {
      const [method = '', path = ''] = name.split(' ')
      const sending = { headers: JSON_TYPE, body: '{}' }
      t.equal((await closed.send(method, `/api/v1${path}`, sending)).status, 403, `${name} without any login`)
      t.equal((await anonymous.send(method, `/api/v1${path}`, sending)).status, 401, `${name} without login`)
      t.equal((await user.send(method, `/api/v1${path}`, sending)).status, 403, `${name} as another user`)
    }
    t.equal(collected, 0)
  },
)

t.test('a request that changes something must be JSON', async (t) => {
  const { client } = await makeApi(t)
  for (const type of [
    'text/plain',
    'application/x-www-form-urlencoded',
    'multipart/form-data',
    'application/jsonx',
    'application/json\t;a',
  ]) {
    const answer = await post(client, '/gc', {}, { 'content-type': type })
    t.equal(answer.status, 415, type)
    t.equal(answer.headers['content-type'], 'application/json')
  }
  const untyped = await client.send('POST', '/api/v1/gc', { body: '{}' })
  t.equal(untyped.status, 415)
  t.equal((await post(client, '/gc', {}, { 'content-type': 'application/json; charset=utf-8' })).status, 200)
})

t.test('a request that changes something must come from our own origin, when it says from where', async (t) => {
  const { client, url } = await makeApi(t)
  for (const origin of ['https://evil.example', 'null', `${url}0`, 'http://127.0.0.1']) {
    const answer = await post(client, '/gc', {}, { origin })
    t.equal(answer.status, 403, origin)
    t.match(messageOf(answer.body), /another origin/)
  }
  t.equal((await post(client, '/gc', {}, { 'sec-fetch-site': 'cross-site' })).status, 403)
  t.equal((await post(client, '/gc', {}, { origin: url })).status, 200)
  const proxied = await makeApi(t, {}, 'https://registry.example.com')
  t.equal((await post(proxied.client, '/gc', {}, { origin: 'https://registry.example.com' })).status, 200)
  t.equal((await post(proxied.client, '/gc', {}, { origin: proxied.url })).status, 403)
})

t.test('wrong options are refused by their names', async (t) => {
  const { client } = await makeApi(t)
  const cases: [string, unknown, RegExp][] = [
    ['/gc', { dryrun: true }, /no option "dryrun"/],
    ['/gc', { dryRun: 'yes' }, /"dryRun" must be boolean/],
    ['/gc', { olderThan: '24' }, /"olderThan" is no duration/],
    ['/gc', { grace: '-1h' }, /"grace" is no duration/],
    ['/gc', [], /the body must be object/],
    ['/gc', 'null', /the body must be object/],
    ['/gc', '{"dryRun":', /not JSON/],
    ['/gc', Buffer.from([0x22, 0xff, 0x22]).toString('latin1'), /the body/],
    ['/rm', {}, /"images" is missing/],
    ['/rm', { images: [] }, /"images"/],
    ['/rm', { images: ['a', 3] }, /"images.1" must be string/],
    ['/pins', { id: '../x' }, /"id"/],
    ['/pins', { id: 'x', images: ['no image'] }, /neither repo:tag nor repo@digest/],
    ['/pins', { id: 'x', blobs: ['sha256:1'] }, /no digest/],
  ]
  for (const [path, body, expected] of cases) {
    const answer = await post(client, path, body)
    t.equal(answer.status, 400, JSON.stringify(body))
    t.match(messageOf(answer.body), expected)
  }
})

t.test('a body above 64 KiB is refused', async (t) => {
  const { client } = await makeApi(t)
  const body = JSON.stringify({ images: ['x'.repeat(4000)], ...Object.fromEntries(Array(20).entries()) }).padEnd(65_537)
  const answer = await post(client, '/rm', body)
  t.equal(answer.status, 413)
  t.match(messageOf(answer.body), /the body is larger than 65536 bytes/)
})

t.test('other paths and other methods are errors', async (t) => {
  const { client } = await makeApi(t)
  for (const path of ['/api/v1', '/api/v1/', '/api/v1/gc/', '/api/v1/constructor', '/api/v1/gc%2F']) {
    t.equal((await client.send('GET', path)).status, 404, path)
  }
  const wrong = await client.send('PUT', '/api/v1/pins', { headers: JSON_TYPE, body: '{}' })
  t.equal(wrong.status, 405)
  t.equal(wrong.headers.allow, 'GET, POST, DELETE')
  t.equal((await client.send('OPTIONS', '/api/v1/gc')).headers.allow, 'POST')
})

t.test('a long act answers with events and its report last', async (t) => {
  const { client } = await makeApi(t, {
    collect: async (options, onProgress) => {
      onProgress({ phase: 'survey', done: 1, total: 2 })
      return { ...NO_COLLECTION, untagged: options.untagged === true, seconds: options.olderThan ?? 0 }
    },
  })
  const answer = await post(client, '/gc', { untagged: true, olderThan: '1h30m' })
  t.equal(answer.status, 200)
  t.equal(answer.headers['content-type'], 'application/x-ndjson')
  t.equal(answer.headers['cache-control'], 'no-store')
  const events = eventsOf(answer.body)
  t.same(events[0], { event: 'progress', phase: 'waiting', done: 0 })
  t.match(events.at(-1), { event: 'report', report: { untagged: true, seconds: 5_400_000 } })
})

t.test('no grace means two runs and one report', async (t) => {
  const asked: (number | undefined)[] = []
  const { client } = await makeApi(t, {
    collect: async ({ grace, dryRun }) => {
      asked.push(grace)
      const blobs = { ...NO_COLLECTION.blobs, seen: 3, kept: 1 }
      if (asked.length === 2) {
        return { ...NO_COLLECTION, blobs: { ...blobs, deleted: 2, deletedBytes: 20 }, trash: { blobs: 0, bytes: 0 } }
      }
      return {
        ...NO_COLLECTION,
        dryRun,
        blobs: { ...blobs, trashed: 2, trashedBytes: 20 },
        trash: { blobs: 2, bytes: 20 },
      }
    },
  })
  const report = async (options: object) =>
    eventsOf((await post(client, '/gc', options)).body).at(-1)?.['report'] as CollectReport
  const whole = await report({ grace: '0s' })
  t.match(whole, { seconds: 2, blobs: { trashed: 2, deleted: 2, kept: 1 }, trash: { blobs: 0, bytes: 0 } })
  t.same(asked, [0, 0])
  asked.length = 0
  const dry = await report({ grace: '0s', dryRun: true })
  t.same({ ...dry, dryRun: false, seconds: 2 }, whole, 'a dry run tells the same')
  t.same(asked, [0])
  asked.length = 0
  await report({})
  t.same(asked, [86_400_000], 'the grace of the configuration unless another is given')
})

t.test('an act that fails tells why in the last event, and nothing of the inside of the server', async (t) => {
  const fail = (error: Error) => async (): Promise<CollectReport> => {
    throw error
  }
  const last = async (error: Error) =>
    eventsOf((await post((await makeApi(t, { collect: fail(error) })).client, '/gc', {})).body).at(-1)
  const problem = Object.assign(new Error('the directory is gone'), { hint: 'bring it back' })
  t.same(await last(problem), { event: 'error', message: 'the directory is gone', hint: 'bring it back' })
  t.same(await last(new Error('secret /path')), { event: 'error', message: 'unknown error' })
})

t.test('findings are sent as they come', async (t) => {
  const held = Promise.withResolvers<void>()
  const { url } = await makeApi(t, {
    check: async (onEvent) => {
      onEvent({ kind: 'blob', path: 'a', what: 'rotten', outcome: 'found' })
      await held.promise
      return NO_FINDINGS
    },
  })
  const lines = await openEvents(url, '/check')
  t.match(await lines.next(), { event: 'progress' })
  t.same(await lines.next(), { event: 'finding', kind: 'blob', path: 'a', what: 'rotten', outcome: 'found' })
  held.resolve()
  t.match(await lines.next(), { event: 'report' })
})

t.test('a client that goes away does not end the act; the status shows it as long as it runs', async (t) => {
  const held = Promise.withResolvers<void>()
  const ended = Promise.withResolvers<void>()
  const { parts, client, url } = await makeApi(t, {
    collect: async (_options, onProgress) => {
      onProgress({ phase: 'survey', done: 7 })
      await held.promise
      ended.resolve()
      return NO_COLLECTION
    },
  })
  const lines = await openEvents(url, '/gc')
  await lines.next()
  await lines.leave()
  const status = async () =>
    JSON.parse((await client.send('GET', '/api/v1/status')).body.toString()) as { jobs: unknown }
  t.match((await status()).jobs, [{ job: 'gc', progress: { phase: 'survey', done: 7 } }])
  held.resolve()
  await ended.promise
  await new Promise(setImmediate)
  t.same((await status()).jobs, [])
  t.same(parts.jobs.list(), [])
})

t.test('paths of the server’s machine are not taken over HTTP', async (t) => {
  const { client } = await makeApi(t)
  const answer = await post(client, '/check', { from: ['/etc'] })
  t.equal(answer.status, 403)
  t.match(messageOf(answer.body), /local socket/)
  t.equal((await post(client, '/check', { from: [] })).status, 200)
})

t.test('a registry that is read-only refuses what would change it, and still looks', async (t) => {
  const { client } = await makeApi(t, { standing: { keeps: false, readOnly: 'another process keeps it' } })
  for (const [path, body] of [
    ['/gc', {}],
    ['/check', { repair: true }],
    ['/rm', { images: ['a'] }],
    ['/retention', {}],
    ['/pins', { id: 'a' }],
  ] as const) {
    const answer = await post(client, path, body)
    t.equal(answer.status, 405, path)
    t.equal(messageOf(answer.body), 'another process keeps it')
  }
  t.equal((await post(client, '/gc', { dryRun: true })).status, 200)
  t.equal((await post(client, '/check', {})).status, 200)
  t.equal((await client.send('GET', '/api/v1/pins')).status, 200)
})

/** Begins an act and reads its events one by one. */
async function openEvents(url: string, path: string) {
  const login = Buffer.from(`${ADMIN.username}:${ADMIN.password}`).toString('base64')
  const headers = { ...JSON_TYPE, authorization: `Basic ${login}`, 'content-length': '2' }
  const response = await new Promise<NodeJS.ReadableStream & { destroy(): void }>((resolve, reject) => {
    const request = requestHttp(`${url}/api/v1${path}`, { method: 'POST', headers, agent: false }, resolve)
    request.once('error', reject)
    request.end('{}')
  })
  let text = ''
  const parts = response[Symbol.asyncIterator]()
  return {
    async next(): Promise<Record<string, unknown>> {
      while (!text.includes('\n')) text += String((await parts.next()).value)
      const end = text.indexOf('\n')
      const line = text.slice(0, end)
      text = text.slice(end + 1)
      return JSON.parse(line) as Record<string, unknown>
    },
    async leave(): Promise<void> {
      const closed = new Promise((resolve) => response.once('close', resolve))
      response.destroy()
      await closed
    },
  }
}
