// Malformed tags and digests on every route that takes one, over raw sockets.
import t from 'tap'
import { locationOf, openClient } from '../helpers/client.ts'
import { hashOf } from '../helpers/digest.ts'
import type { HostileCase } from '../helpers/hostile.ts'
import { attack } from '../helpers/hostile.ts'
import { pushImage } from '../helpers/push.ts'
import { startTarn } from '../helpers/server.ts'

const HEX = 'b'.repeat(64)
const INDEX = ['Content-Type: application/vnd.oci.image.index.v1+json']
const BODY = '{"schemaVersion":2,"manifests":[]}'

const TAGS: Readonly<Record<string, string>> = {
  'a leading dot': '.a',
  'a leading dash': '-a',
  '129 characters': 'a'.repeat(129),
  '4096 characters': 'a'.repeat(4096),
  'a plus': 'a+b',
  'an escaped plus': 'a%2Bb',
  'an at sign': 'a@b',
  'a tilde': 'a~b',
  'an exclamation mark': 'a!',
  'a dollar': 'a$b',
  'an asterisk': '*',
  'a comma': 'a,b',
  'a semicolon': 'a;b',
  'an equals sign': 'a=b',
  'a backslash': 'a\\b',
  'a quotation mark': 'a"b',
  braces: 'a{b}',
  'an escaped space': 'a%20b',
  'an escaped NUL': 'a%00',
  'an escaped line feed': 'a%0A',
  'an escaped letter': '%61',
  'a double escape': 'a%252F',
  'an escape of no hex': 'a%zz',
  'raw UTF-8': '\u00c3\u00a9',
  'escaped dots that climb': '%2e%2e%2fa',
  'only dashes': '--',
}

const DIGESTS: Readonly<Record<string, string>> = {
  'no hex': 'sha256:',
  'one digit short': `sha256:${'b'.repeat(63)}`,
  'one digit long': `sha256:${'b'.repeat(65)}`,
  'upper-case digits': `sha256:${'B'.repeat(64)}`,
  'a digit that is none': `sha256:${'b'.repeat(63)}g`,
  'words for digits': 'sha256:baddigeststring',
  'an upper-case algorithm': `SHA256:${HEX}`,
  'no algorithm': `:${HEX}`,
  sha1: `sha1:${'b'.repeat(40)}`,
  md5: `md5:${'b'.repeat(32)}`,
  'sha384, which is not served': `sha384:${'b'.repeat(96)}`,
  'sha512 with the length of sha256': `sha512:${HEX}`,
  'sha256 with the length of sha512': `sha256:${'b'.repeat(128)}`,
  blake3: `blake3:${HEX}`,
  'a compound algorithm': `sha256+b64:${HEX}`,
  'an algorithm with dots': `sha256.x:${HEX}`,
  'two colons': `sha256::${HEX}`,
  'a tail': `sha256:${HEX}:latest`,
  __proto__: `__proto__:${HEX}`,
  constructor: `constructor:${HEX}`,
  'dots that climb': 'sha256:..%2F..%2F..%2F..%2Fetc%2Fpasswd',
  'a slash inside': `sha256:${'b'.repeat(31)}%2F${'b'.repeat(32)}`,
  'an escaped NUL': `sha256:${HEX}%00`,
  'a leading space': `%20sha256:${HEX}`,
  'a trailing line feed': `sha256:${HEX}%0A`,
  'an escaped digit': `sha256:%62${'b'.repeat(63)}`,
  'a plus': `sha256:${'b'.repeat(63)}+`,
  'a double escape': `sha256%253A${HEX}`,
  'ten thousand digits': `sha256:${'b'.repeat(10_000)}`,
  '0x': `sha256:0x${'b'.repeat(62)}`,
  'a wide digit': `sha256:${'b'.repeat(63)}%EF%BC%91`,
}

interface Route {
  readonly method: string
  readonly path: (text: string) => string
  readonly headers?: readonly string[]
  readonly body?: string
}

const TAG_ROUTES: readonly Route[] = [
  { method: 'GET', path: (tag) => `/v2/a/manifests/${tag}` },
  { method: 'HEAD', path: (tag) => `/v2/a/manifests/${tag}` },
  { method: 'PUT', path: (tag) => `/v2/a/manifests/${tag}`, headers: INDEX, body: BODY },
  { method: 'DELETE', path: (tag) => `/v2/a/manifests/${tag}` },
  {
    method: 'PUT',
    path: (tag) => `/v2/a/manifests/${hashOf(BODY)}?tag=${tag.replaceAll('+', '%2B').replace('a;b', 'a%3Bb')}`,
    headers: INDEX,
    body: BODY,
  },
]

const DIGEST_ROUTES: readonly Route[] = [
  { method: 'GET', path: (digest) => `/v2/a/blobs/${digest}` },
  { method: 'HEAD', path: (digest) => `/v2/a/blobs/${digest}` },
  { method: 'DELETE', path: (digest) => `/v2/a/blobs/${digest}` },
  { method: 'GET', path: (digest) => `/v2/a/manifests/${digest}` },
  { method: 'PUT', path: (digest) => `/v2/a/manifests/${digest}`, headers: INDEX, body: BODY },
  { method: 'DELETE', path: (digest) => `/v2/a/manifests/${digest}` },
  { method: 'GET', path: (digest) => `/v2/a/referrers/${digest}` },
  { method: 'POST', path: (digest) => `/v2/a/blobs/uploads/?digest=${digest}`, body: 'x' },
  { method: 'POST', path: (digest) => `/v2/a/blobs/uploads/?mount=${digest}&from=a` },
  { method: 'POST', path: (digest) => `/v2/a/blobs/uploads/?mount=${digest}` },
]

const makeCases = (
  texts: Readonly<Record<string, string>>,
  what: string,
  { method, path, headers = [], body = '' }: Route,
): HostileCase[] =>
  Object.entries(texts)
    // A query may escape any character of its values.
    .filter(([, text]) => !path('').includes('?') || !/%6[12]/.test(text))
    .map(([name, text]) => ({
      name: `a ${what} with ${name}: ${method} ${path('…')}`,
      method,
      path: path(text),
      headers,
      body,
      status: [400, 404, 414, 431],
    }))

for (const [texts, what, routes] of [
  [TAGS, 'tag', TAG_ROUTES],
  [DIGESTS, 'digest', DIGEST_ROUTES],
] as const) {
  for (const route of routes) {
    t.test(`malformed ${what}s at ${route.method} ${route.path(what.toUpperCase())}`, async (t) => {
      const tarn = await startTarn(t, { storage: { delete: { enabled: true } } })
      const client = openClient(tarn)
      await pushImage(client, 'a', 'here', { reference: 'latest' })
      client.close()
      await attack(t, tarn, makeCases(texts, what, route))
    })
  }
}

t.test('malformed digests at the end of an upload leave it as it was', async (t) => {
  const tarn = await startTarn(t)
  const client = openClient(tarn)
  t.teardown(() => client.close())
  const opened = await client.send('POST', '/v2/a/blobs/uploads/')
  await client.send('PATCH', locationOf(opened), { body: 'hello' })
  const path = locationOf(opened)
  const join = path.includes('?') ? '&' : '?'
  await attack(
    t,
    tarn,
    [...Object.entries(DIGESTS), ['nothing at all', ''], ['another digest', `sha256:${HEX}`]].map(([name, digest]) => ({
      name: `PUT with a digest with ${name}`,
      method: 'PUT',
      path: `${path}${join}digest=${digest}`,
      status: [400, 414, 431],
    })),
  )
  const done = await client.send('PUT', `${path}${join}digest=${hashOf('hello')}`)
  t.equal(done.status, 201, 'the right digest ends it')
})

t.test('tags at the edge of the grammar are tags', async (t) => {
  const { url } = await startTarn(t)
  const client = openClient({ url })
  t.teardown(() => client.close())
  for (const tag of [
    '_',
    '__proto__',
    'constructor',
    'a'.repeat(128),
    'A.B-C_d',
    '0',
    'list',
    'current',
    'link',
    HEX,
    'index',
    'con',
    'data',
  ]) {
    await pushImage(client, 'a', 'edge', { reference: tag })
    t.equal((await client.send('GET', `/v2/a/manifests/${tag}`)).status, 200, tag.slice(0, 20))
  }
})
