import pino from 'pino'
import type { Test } from 'tap'
import t from 'tap'
import { registryError } from '../../src/oci/errors.ts'
import { localSource } from '../../src/registry/source.ts'
import type { Surroundings } from '../../src/http/call.ts'
import type { Wish } from '../../src/http/gate.ts'
import { addCommon, createServer } from '../../src/http/server.ts'
import type { Kind } from '../../src/http/path.ts'
import { HANDLER_NAMES, TABLE, addV2 } from '../../src/http/v2.ts'
import { listTree } from '../helpers/hostile.ts'
import { makeContext, makeStore } from '../helpers/store.ts'

const DIGEST = `sha256:${'a'.repeat(64)}`
const PATHS: Readonly<Record<keyof typeof TABLE, string>> = {
  base: '/v2/',
  catalog: '/v2/_catalog',
  tags: '/v2/team/a/tags/list',
  manifest: '/v2/team/a/manifests/v1',
  blob: `/v2/team/a/blobs/${DIGEST}`,
  uploads: '/v2/team/a/blobs/uploads/',
  upload: '/v2/team/a/blobs/uploads/6f2dd8a8-6f4a-4b3c-9a6a-0d3f3f0c1b2a',
  referrers: `/v2/team/a/referrers/${DIGEST}`,
}
// What each method means may only be said here and in the table: both must agree.
const ACTIONS: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  base: { GET: 'ping', HEAD: 'ping' },
  catalog: { GET: 'list' },
  tags: { GET: 'pull' },
  manifest: { GET: 'pull', HEAD: 'pull', PUT: 'push', DELETE: 'delete' },
  blob: { GET: 'pull', HEAD: 'pull', DELETE: 'delete' },
  uploads: { POST: 'push' },
  upload: { GET: 'push', HEAD: 'push', PATCH: 'push', PUT: 'push', DELETE: 'push' },
  referrers: { GET: 'pull' },
}
const METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'TRACE'] as const

/** The routes behind a gate that writes down what it is asked, and lets in or not. */
async function serve(t: Test, open: boolean) {
  const store = makeStore(t.testdir({}))
  const context = makeContext(store)
  const surroundings: Surroundings = {
    context,
    source: localSource(context),
    resolve: (name) => name,
    base: '',
    prefix: '',
    noPush: undefined,
    manifestLimit: 1000,
    pages: { catalog: 10, tags: 10 },
    turn: async () => undefined,
    mayPull: () => true,
  }
  const asked: Wish[] = []
  const kinds: Kind[] = []
  const app = createServer({ logger: pino({ level: 'silent' }), tls: undefined, idleTimeout: 5000, maxConnections: 10 })
  t.teardown(() => app.close())
  addCommon(
    app,
    {},
    {
      started: () => undefined,
      ended: ({ tarn }) => void kinds.push(tarn?.target.kind ?? 'invalid'),
    },
  )
  const gate = async (_request: unknown, _reply: unknown, wish: Wish): Promise<undefined> => {
    asked.push(wish)
    if (!open) throw registryError('UNAUTHORIZED')
  }
  addV2(app, surroundings, gate)
  await app.ready()
  return { app, store, asked, kinds }
}

t.test('the table has exactly these routes, each with its action', async (t) => {
  const actions = Object.fromEntries(
    Object.entries(TABLE).map(([kind, methods]) => [
      kind,
      Object.fromEntries(Object.entries(methods).map(([method, { action }]) => [method, action])),
    ]),
  )
  t.same(actions, ACTIONS)
})

t.test('every route asks the gate for its action on its repository, once, before it does anything', async (t) => {
  const { app, asked, store } = await serve(t, false)
  const before = listTree(store.directory)
  for (const [kind, methods] of Object.entries(TABLE)) {
    for (const method of Object.keys(methods)) {
      asked.length = 0
      const { statusCode } = await app.inject({ method: method as 'GET', url: PATHS[kind as keyof typeof PATHS] })
      t.equal(statusCode, 401, `${method} ${kind}`)
      const repository = kind === 'base' || kind === 'catalog' ? undefined : 'team/a'
      t.same(asked, [{ action: ACTIONS[kind]?.[method], repository }], `${method} ${kind}`)
    }
  }
  t.same(listTree(store.directory), before)
})

t.test('methods and paths that are no route ask for a login all the same', async (t) => {
  const { app, asked } = await serve(t, false)
  const others = ['/v2', '/v2/x', '/v2//_catalog', '/v2/a/tags/other', '/v2/UPPER/tags/list', '/v2/%41/tags/list']
  for (const url of [...Object.values(PATHS), ...others]) {
    for (const method of METHODS) {
      asked.length = 0
      t.equal((await app.inject({ method: method as 'GET', url })).statusCode, 401, `${method} ${url}`)
      t.equal(asked.length, 1)
    }
  }
})

t.test('a method that a path has not is 405 UNSUPPORTED and says which it has; OPTIONS is answered', async (t) => {
  const { app } = await serve(t, true)
  for (const [kind, methods] of Object.entries(TABLE)) {
    for (const method of METHODS) {
      if (method in methods) continue
      const { statusCode, headers, body } = await app.inject({
        method: method as 'GET',
        url: PATHS[kind as keyof typeof PATHS],
      })
      t.equal(statusCode, method === 'OPTIONS' ? 200 : 405, `${method} ${kind}`)
      t.equal(headers['allow'], Object.keys(methods).join(', '))
      if (statusCode === 405 && method !== 'HEAD') t.match(JSON.parse(body), { errors: [{ code: 'UNSUPPORTED' }] })
    }
  }
})

t.test('every answer says which version of the API this is, refusals too', async (t) => {
  for (const open of [true, false]) {
    const { app } = await serve(t, open)
    for (const url of ['/v2', '/v2/', '/v2/x', PATHS.blob, '/v2//_catalog', '/v2/%41']) {
      t.equal((await app.inject(url)).headers['docker-distribution-api-version'], 'registry/2.0', url)
    }
  }
})

t.test('a path that only wants cleaning is redirected for reading, and for nothing else', async (t) => {
  const { app } = await serve(t, true)
  const moved = await app.inject('/v2//_catalog?n=3')
  t.same([moved.statusCode, moved.headers.location], [301, '/v2/_catalog?n=3'])
  t.equal((await app.inject({ method: 'DELETE', url: '/v2/a//manifests/v1' })).statusCode, 404)
})

t.test('metrics know every kind of path by a name', async (t) => {
  const { app, kinds } = await serve(t, false)
  for (const url of Object.values(PATHS)) await app.inject(url)
  t.same(kinds, Object.keys(PATHS))
  for (const kind of [...kinds, 'redirect', 'invalid'] as Kind[]) t.match(HANDLER_NAMES[kind], /^[a-z_]+$/)
})
