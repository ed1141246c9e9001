// Malformed repository names on every route that takes one, over raw sockets.
import t from 'tap'
import { openClient } from '../helpers/client.ts'
import type { HostileCase } from '../helpers/hostile.ts'
import { attack } from '../helpers/hostile.ts'
import { startTarn } from '../helpers/server.ts'

const HEX = 'a'.repeat(64)
const UUID = '00000000-0000-4000-8000-000000000000'
const INDEX = 'Content-Type: application/vnd.oci.image.index.v1+json'

const NAMES: Readonly<Record<string, string>> = {
  'an upper-case letter': 'Team/app',
  'an upper-case component': 'team/APP',
  'a leading dash': '-a',
  'a leading dot': '.a',
  'a leading underscore': '_a',
  'a trailing dash': 'a-',
  'a trailing dot': 'a.',
  'a trailing underscore': 'a_',
  'two dots': 'a..b',
  'three underscores': 'a___b',
  'dash and underscore': 'a-_b',
  'dot and dash': 'a.-b',
  'underscore and dot': 'a_.b',
  'a component with a leading dash': 'a/-b',
  'the store’s _layers': '_layers',
  'the store’s _manifests below a repository': 'a/_manifests',
  'the store’s _uploads below a repository': 'a/_uploads/b',
  'three dots as a component': 'a/.../b',
  'a host with a port': 'localhost:5000/a',
  'a colon': 'a:b',
  'an escaped colon': 'a%3Ab',
  'an at sign': 'a@b',
  'a digest': `a@sha256:${HEX}`,
  'a plus': 'a+b',
  'an escaped plus': 'a%2Bb',
  'a tilde': 'a~b',
  'an exclamation mark': 'a!b',
  'a dollar': 'a$b',
  'an ampersand': 'a&b',
  'an apostrophe': "a'b",
  'a quotation mark': 'a"b',
  parentheses: 'a(b)',
  brackets: 'a[b]',
  braces: 'a{b}',
  'an asterisk': 'a*b',
  'a comma': 'a,b',
  'a semicolon': 'a;b',
  'an equals sign': 'a=b',
  'a backslash': 'a\\b',
  'a bar': 'a|b',
  'a caret': 'a^b',
  'a backtick': 'a`b',
  'angle brackets': 'a<b>',
  'an escaped space': 'a%20b',
  'an escaped NUL': 'a%00b',
  'an escaped line feed': 'a%0Ab',
  'an escaped carriage return': 'a%0Db',
  'an escaped dot': 'a%2Eb',
  'an escaped letter': '%61',
  'an escaped percent sign': 'a%252Fb',
  'an escaped backslash': 'a%5Cb',
  'escaped UTF-8': 'a%C3%A9',
  'overlong UTF-8 of a slash': 'a%C0%AFb',
  'a percent sign alone': 'a%b',
  'a cut escape': 'a%2',
  'an escape of no hex': 'a%zz',
  'an escape of JavaScript': 'a%u0041',
  'raw UTF-8': 'a\u00c3\u00a9',
  'a raw high byte': 'a\u00ff',
  '256 characters': 'a'.repeat(256),
  '256 characters in components': `${'a'.repeat(127)}/${'b'.repeat(128)}`,
  '4000 characters': 'a/'.repeat(2000).slice(0, -1),
}

interface Route {
  readonly method: string
  readonly path: (name: string) => string
  readonly headers?: readonly string[]
  readonly body?: string
}

const ROUTES: readonly Route[] = [
  { method: 'GET', path: (name) => `/v2/${name}/tags/list` },
  { method: 'GET', path: (name) => `/v2/${name}/manifests/latest` },
  { method: 'HEAD', path: (name) => `/v2/${name}/manifests/sha256:${HEX}` },
  {
    method: 'PUT',
    path: (name) => `/v2/${name}/manifests/latest`,
    headers: [INDEX],
    body: '{"schemaVersion":2,"manifests":[]}',
  },
  { method: 'DELETE', path: (name) => `/v2/${name}/manifests/latest` },
  { method: 'GET', path: (name) => `/v2/${name}/blobs/sha256:${HEX}` },
  { method: 'DELETE', path: (name) => `/v2/${name}/blobs/sha256:${HEX}` },
  { method: 'POST', path: (name) => `/v2/${name}/blobs/uploads/` },
  { method: 'PATCH', path: (name) => `/v2/${name}/blobs/uploads/${UUID}`, body: 'x' },
  { method: 'GET', path: (name) => `/v2/${name}/referrers/sha256:${HEX}` },
]

const makeCases = ({ method, path, headers = [], body = '' }: Route): HostileCase[] =>
  Object.entries(NAMES).map(([what, name]) => ({
    name: `a name with ${what}: ${method} ${path('…')}`,
    method,
    path: path(name),
    headers,
    body,
    status: [400, 404, 414, 431],
  }))

for (const route of ROUTES) {
  t.test(`malformed names at ${route.method} ${route.path('NAME')}`, async (t) => {
    const tarn = await startTarn(t, { storage: { delete: { enabled: true } } })
    await attack(t, tarn, makeCases(route))
  })
}

t.test('malformed names as the source of a mount', async (t) => {
  const tarn = await startTarn(t)
  const cases = [
    'A',
    '_a',
    'a..b',
    '-a',
    '../a',
    'a/../b',
    '/a',
    'a/',
    'a//b',
    'a%00b',
    'a%20b',
    'a'.repeat(256),
    'a:b',
    '.',
  ]
  await attack(
    t,
    tarn,
    cases.map((from) => ({
      name: `from=${from.slice(0, 20)}`,
      method: 'POST',
      path: `/v2/a/blobs/uploads/?mount=sha256:${HEX}&from=${from}`,
      status: [400],
      code: ['NAME_INVALID'],
    })),
  )
})

t.test('names at the edge of the grammar are names', async (t) => {
  const { url } = await startTarn(t)
  const client = openClient({ url })
  t.teardown(() => client.close())
  for (const name of [
    'a',
    '0',
    'a__b',
    'a--b',
    'a-----b',
    'a.b',
    'a_b',
    'a'.repeat(255),
    `${'a/'.repeat(127)}b`,
    'a/b/c/d/e/f',
    '0/0',
    'a.b-c_d__e',
  ]) {
    const answer = await client.send('POST', `/v2/${name}/blobs/uploads/`)
    t.equal(answer.status, 202, name.slice(0, 40))
  }
})
