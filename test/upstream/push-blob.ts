// Registries that answer in their own ways: what a push makes of them, and what it never does.
import type { ServerResponse } from 'node:http'
import t from 'tap'
import type { Test } from 'tap'
import { parseRepositoryName } from '../../src/oci/name.ts'
import { makeBlob, openPush } from '../helpers/pushing.ts'
import type { SeenRequest } from '../helpers/upstream.ts'
import { catchUpstream, resolveFrom, send, sendJson, startFake } from '../helpers/upstream.ts'

const NAME = parseRepositoryName('team/app')
const OTHER = parseRepositoryName('team/other')
const UPLOADS = '/v2/team/app/blobs/uploads/'
const LARGE = makeBlob('0123456789abcdef'.repeat(65_536))

type Route = (request: SeenRequest, response: ServerResponse) => void

/** Answers by method, the last of a list again and again; what is not listed is as a plain registry would say. */
async function startOdd(t: Test, routes: Readonly<Record<string, readonly Route[]>>, options = {}) {
  const counts = new Map<string, number>()
  const fake = await startFake(
    t,
    (request, response) => {
      const count = counts.get(request.method) ?? 0
      counts.set(request.method, count + 1)
      const list = routes[request.method] ?? USUAL[request.method] ?? []
      const route = list[Math.min(count, list.length - 1)]
      if (route === undefined) send(response, 500)
      else route(request, response)
    },
    options,
  )
  return { ...fake, lines: () => fake.seen.map(({ method, url }) => `${method} ${url}`) }
}

const USUAL: Readonly<Record<string, readonly Route[]>> = {
  HEAD: [(_, response) => send(response, 404)],
  POST: [(_, response) => send(response, 202, { location: `${UPLOADS}1` })],
  PATCH: [(_, response) => send(response, 202, { location: `${UPLOADS}1` })],
  PUT: [(_, response) => send(response, 201)],
  DELETE: [(_, response) => send(response, 204)],
  GET: [(_, response) => send(response, 404)],
}

t.test('the query of a Location is kept, and the digest is added to it', async (t) => {
  const odd = await startOdd(t, {
    POST: [(_, response) => send(response, 202, { location: `${UPLOADS}1?_state=a%2Fb%3D&digest=x` })],
    PATCH: [(_, response) => send(response, 202, { location: `${odd.origin}${UPLOADS}2?_state=c%2Fd` })],
  })
  t.equal(await openPush(t, odd.origin).pushBlob({ repository: NAME, ...LARGE }), 'pushed')
  t.same(odd.lines().slice(2), [
    `PATCH ${UPLOADS}1?_state=a%2Fb%3D&digest=x`,
    `PUT ${UPLOADS}2?_state=c%2Fd&digest=${encodeURIComponent(LARGE.digest)}`,
  ])
  t.equal(odd.seen[2]?.body, LARGE.bytes.toString())
  t.equal(odd.seen[2]?.headers['content-length'], String(LARGE.size))
})

t.test('a Location relative to the request is understood', async (t) => {
  const odd = await startOdd(t, { POST: [(_, response) => send(response, 202, { location: 'abc' })] })
  await openPush(t, odd.origin).pushBlob({ repository: NAME, ...LARGE })
  t.equal(odd.lines()[2], `PATCH ${UPLOADS}abc`)
})

t.test('a small blob goes in the closing PUT', async (t) => {
  const odd = await startOdd(t, {})
  await openPush(t, odd.origin).pushBlob({ repository: NAME, ...makeBlob('config'), isAbsent: true })
  t.same(
    odd.seen.map(({ method, body }) => `${method} ${body}`),
    ['POST ', 'PUT config'],
  )
})

t.test('R34: an upload that is sent to another host is refused before a byte or the login goes there', async (t) => {
  const evil = await startFake(t, (_, response) => send(response, 202), { tls: true })
  const routes = {
    POST: [
      (_: unknown, response: ServerResponse) => send(response, 202, { location: `${evil.named('localhost')}/take` }),
    ],
  }
  const odd = await startOdd(t, routes, { tls: true })
  const push = openPush(t, odd.origin, { username: 'u', password: 'canary' })
  t.match(await catchUpstream(push.pushBlob({ repository: NAME, ...LARGE })), { kind: 'refused', hint: /origins/ })
  t.equal(evil.connections, 0)
  const listed = openPush(t, odd.origin, { origins: [evil.named('localhost')] })
  t.not((await catchUpstream(listed.pushBlob({ repository: NAME, ...LARGE }))).kind, 'refused')
  t.ok(evil.connections > 0)
})

t.test('R34: a redirect of an upload is not followed', async (t) => {
  const evil = await startFake(t, (_, response) => send(response, 202))
  const odd = await startOdd(t, { POST: [(_, response) => send(response, 307, { location: evil.origin })] })
  t.match(await catchUpstream(openPush(t, odd.origin).pushBlob({ repository: NAME, ...LARGE })), { status: 307 })
  t.equal(evil.connections, 0)
})

t.test('a registry behind a proxy that names itself without TLS is spoken to over TLS all the same', async (t) => {
  const odd = await startOdd(
    t,
    { POST: [(_, response) => send(response, 202, { location: `http://registry.test:80${UPLOADS}1` })] },
    { tls: true },
  )
  const resolve = resolveFrom({ 'registry.test': [['127.0.0.1']] })
  await openPush(t, odd.named('registry.test'), { resolve }).pushBlob({ repository: NAME, ...LARGE })
  t.equal(odd.lines()[2], `PATCH ${UPLOADS}1`)
})

t.test('an upload that breaks goes on where the registry says that it is', async (t) => {
  const odd = await startOdd(t, {
    PATCH: [(_, response) => response.destroy(), ...(USUAL['PATCH'] ?? [])],
    GET: [(_, response) => send(response, 204, { location: `${UPLOADS}1?again`, range: '0-999999' })],
  })
  await openPush(t, odd.origin).pushBlob({ repository: NAME, ...LARGE, isAbsent: true })
  t.same(odd.lines(), [
    `POST ${UPLOADS}`,
    `PATCH ${UPLOADS}1`,
    `GET ${UPLOADS}1`,
    `PATCH ${UPLOADS}1?again`,
    `PUT ${UPLOADS}1?digest=${encodeURIComponent(LARGE.digest)}`,
  ])
  t.equal(odd.seen[3]?.headers['content-range'], `1000000-${LARGE.size - 1}`)
  t.equal(odd.seen[3]?.body, LARGE.bytes.subarray(1_000_000).toString())
})

t.test(
  'an upload is begun again where the registry does not know it any more, or does not say how far it is',
  async (t) => {
    for (const headers of [undefined, {}, { range: 'bytes 5' }, { range: `0-${LARGE.size + 5}` }]) {
      const odd = await startOdd(t, {
        PATCH: [(_, response) => response.destroy(), ...(USUAL['PATCH'] ?? [])],
        GET: [(_, response) => send(response, headers === undefined ? 404 : 204, headers)],
      })
      await openPush(t, odd.origin).pushBlob({ repository: NAME, ...LARGE, isAbsent: true })
      t.same(
        odd.seen.map(({ method }) => method),
        ['POST', 'PATCH', 'GET', 'DELETE', 'POST', 'PATCH', 'PUT'],
        JSON.stringify(headers),
      )
      t.equal(odd.seen[5]?.body, LARGE.bytes.toString())
    }
  },
)

t.test('a PUT that fails is tried again without sending the bytes again', async (t) => {
  const odd = await startOdd(t, {
    PUT: [(_, response) => send(response, 503), ...(USUAL['PUT'] ?? [])],
    GET: [(_, response) => send(response, 204, { range: `0-${LARGE.size - 1}` })],
  })
  await openPush(t, odd.origin).pushBlob({ repository: NAME, ...LARGE, isAbsent: true })
  t.same(
    odd.seen.map(({ method }) => method),
    ['POST', 'PATCH', 'PUT', 'GET', 'PUT'],
  )
})

t.test('bytes that can be had only once are not asked for twice', async (t) => {
  const odd = await startOdd(t, { PATCH: [(_, response) => response.destroy()] })
  let opened = 0
  const open = (offset: number): AsyncIterable<Uint8Array> => {
    opened += 1
    return LARGE.open(offset)
  }
  const act = openPush(t, odd.origin).pushBlob({ repository: NAME, ...LARGE, open, isOnce: true })
  t.match(await catchUpstream(act), { kind: 'unreachable' })
  t.equal(opened, 1)
  t.equal(odd.seen.at(-1)?.method, 'DELETE', 'the upload is given up')
})

t.test('a token that ends in the middle of an upload is made anew, and the bytes are opened again', async (t) => {
  let made = 0
  const odd = await startOdd(t, {
    GET: [
      (request, response) =>
        request.url.startsWith('/token') ? sendJson(response, { token: `t${++made}` }) : send(response, 404),
    ],
    HEAD: [
      (_, response) => send(response, 401, { 'www-authenticate': `Bearer realm="${odd.origin}/token",service="s"` }),
      (_, response) => send(response, 404),
    ],
    PATCH: [
      (_, response) => send(response, 401, { 'www-authenticate': `Bearer realm="${odd.origin}/token",service="s"` }),
      ...(USUAL['PATCH'] ?? []),
    ],
  })
  const push = openPush(t, odd.origin, { username: 'u', password: 'p' })
  t.equal(await push.pushBlob({ repository: NAME, ...LARGE }), 'pushed')
  const shown = odd.seen.map(({ method, headers }) => `${method} ${headers.authorization ?? '-'}`)
  t.match(shown.join(', '), /POST Bearer t1, PATCH Bearer t1, GET Basic \S+, PATCH Bearer t2, PUT Bearer t2$/)
  t.equal(odd.seen.filter(({ method }) => method === 'PATCH').at(-1)?.body, LARGE.bytes.toString())
})

t.test('a token is asked for pull and push, and for a mount for the other repository as well', async (t) => {
  const odd = await startOdd(t, {
    GET: [(_, response) => sendJson(response, { token: 'x' })],
    POST: [
      (_, response) => send(response, 401, { 'www-authenticate': `Bearer realm="${odd.origin}/token",service="s"` }),
      (_, response) => send(response, 201),
    ],
  })
  const push = openPush(t, odd.origin, { username: 'u', password: 'p' })
  t.equal(await push.pushBlob({ repository: NAME, ...LARGE, from: [OTHER], isAbsent: true }), 'mounted')
  const asked = new URL(odd.seen.find(({ url }) => url.startsWith('/token'))?.url ?? '', odd.origin).searchParams
  t.same(asked.getAll('scope'), ['repository:team/app:pull,push', 'repository:team/other:pull'])
  t.equal(odd.lines().at(-1), `POST ${UPLOADS}?mount=${encodeURIComponent(LARGE.digest)}&from=team%2Fother`)
})

t.test('an upload that a registry begins in place of a link is used', async (t) => {
  const odd = await startOdd(t, {})
  t.equal(
    await openPush(t, odd.origin).pushBlob({ repository: NAME, ...LARGE, from: [OTHER], isAbsent: true }),
    'pushed',
  )
  t.same(
    odd.seen.map(({ method }) => method),
    ['POST', 'PATCH', 'PUT'],
  )
})

t.test('a registry that refuses to link is sent the bytes', async (t) => {
  const odd = await startOdd(t, { POST: [(_, response) => send(response, 403), ...(USUAL['POST'] ?? [])] })
  t.equal(
    await openPush(t, odd.origin).pushBlob({ repository: NAME, ...LARGE, from: [OTHER], isAbsent: true }),
    'pushed',
  )
})

t.test('an early answer ends the push at once, with the code that it gives', async (t) => {
  const odd = await startOdd(t, {
    PATCH: [
      (_, response) =>
        response.writeHead(413, { 'content-type': 'application/json' }).end('{"errors":[{"code":"SIZE_INVALID"}]}'),
    ],
  })
  const error = await catchUpstream(openPush(t, odd.origin).pushBlob({ repository: NAME, ...LARGE }))
  t.match(error, { status: 413, code: 'SIZE_INVALID', message: /SIZE_INVALID/ })
})

t.test('a registry that begins an upload and does not say where is told as that', async (t) => {
  const odd = await startOdd(t, { POST: [(_, response) => send(response, 202)] })
  t.match(await catchUpstream(openPush(t, odd.origin).pushBlob({ repository: NAME, ...LARGE })), { kind: 'invalid' })
})
