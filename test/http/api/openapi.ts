import t from 'tap'
import { describeApi } from '../../../src/http/api/openapi.ts'
import { ROUTES } from '../../../src/http/api/routes.ts'
import { openClient } from '../../helpers/client.ts'
import { ADMIN, makeApiParts, serveApi } from '../../helpers/api.ts'

interface Document {
  readonly openapi: string
  readonly paths: Record<string, Record<string, { operationId: string; requestBody?: object; responses: object }>>
  readonly components: { readonly schemas: object }
}

t.test('the document lists every route and nothing else', async (t) => {
  const { paths } = describeApi(ROUTES) as Document
  const listed = Object.entries(paths).flatMap(([path, methods]) =>
    Object.keys(methods).map((method) => `${method.toUpperCase()} ${path.replace(/^\/api\/v1/, '')}`),
  )
  t.same(listed.toSorted(), Object.keys(ROUTES).toSorted())
  for (const name of [
    'GET /status',
    'GET /mirror',
    'POST /gc',
    'POST /check',
    'POST /rm',
    'POST /retention',
    'GET /pins',
    'POST /pins',
    'DELETE /pins',
    'GET /bundle',
    'POST /bundle',
    'POST /import/data',
    'GET /openapi.json',
  ]) {
    t.ok(listed.includes(name), name)
  }
})

t.test('what it lists is served, and it is served itself', async (t) => {
  const client = openClient({ url: await serveApi(t, makeApiParts(), [ADMIN.username]), ...ADMIN })
  t.teardown(() => client.close())
  const answer = await client.send('GET', '/api/v1/openapi.json')
  t.equal(answer.status, 200)
  t.equal(answer.headers['content-type'], 'application/json')
  const { openapi, paths } = JSON.parse(answer.body.toString()) as Document
  t.equal(openapi, '3.1.0')
  const ids = new Set<string>()
  for (const [path, methods] of Object.entries(paths)) {
    for (const [method, { operationId, requestBody, responses }] of Object.entries(methods)) {
      ids.add(operationId)
      t.equal(requestBody === undefined, method === 'get')
      for (const status of ['200', '400', '401', '403', '415']) t.ok(status in responses)
      // It reads a directory, which these parts have not.
      if (`${method} ${path}` === 'get /api/v1/bundle') continue
      const { status } = await client.send(method.toUpperCase(), path, {
        headers: { 'content-type': 'text/plain' },
        body: '{}',
      })
      t.equal(status, method === 'get' ? 200 : 415, `${method} ${path} is there`)
    }
  }
  t.equal(ids.size, Object.keys(ROUTES).length, 'each operation has a name of its own')
})

t.test('each schema refers only to schemas that are there', async (t) => {
  const document = describeApi(ROUTES) as Document
  const text = JSON.stringify(document)
  for (const [, name = ''] of text.matchAll(/"#\/components\/schemas\/(\w+)"/g)) {
    t.ok(name in document.components.schemas, name)
  }
})
