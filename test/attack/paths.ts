// Paths that try to leave the registry's own: traversal, escapes, empty parts, odd forms of a request target.
// Nothing may be read or written outside the data directory, and a redirect may lead nowhere but to /v2/.
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { listTree } from '../helpers/hostile.ts'
import { exchange, valuesOf, writeRequest } from '../helpers/raw-socket.ts'
import { startTarn } from '../helpers/server.ts'

const HEX = 'c'.repeat(64)
const CLIMBS = [
  '..',
  '%2e%2e',
  '%2E%2E',
  '.%2e',
  '..%2f',
  '..%2F..',
  '%2e%2e%2f',
  '..%5c',
  '..\\',
  '..;',
  '....',
  '%252e%252e',
  '..%c0%af',
  '..%00',
  '%u002e%u002e',
  '.',
  '%2e',
  '%2F..',
  '..%2f..%2f..%2f..',
]

const TEMPLATES: Readonly<Record<string, (climb: string) => string>> = {
  'before v2': (climb) => `/${climb}/v2/a/tags/list`,
  'after v2': (climb) => `/v2/${climb}/tags/list`,
  'out of v2': (climb) => `/v2/${climb}/${climb}/etc/passwd`,
  'inside a name': (climb) => `/v2/a/${climb}/b/tags/list`,
  'at the end of a name': (climb) => `/v2/a/${climb}/tags/list`,
  'as a tag': (climb) => `/v2/a/manifests/${climb}`,
  'as a digest': (climb) => `/v2/a/blobs/${climb}`,
  'after a digest': (climb) => `/v2/a/blobs/sha256:${HEX}/${climb}`,
  'as an upload': (climb) => `/v2/a/blobs/uploads/${climb}`,
  'behind an upload': (climb) => `/v2/a/blobs/uploads/${climb}/${climb}/data`,
  'as a subject': (climb) => `/v2/a/referrers/${climb}`,
  'at the end': (climb) => `/v2/a/tags/list/${climb}`,
  'to the secret': (climb) => `/v2/${climb}/${climb}/${climb}/${climb}/${climb}/secret.txt`,
}

const WRITES = [
  [
    'PUT',
    (path: string) => path,
    ['Content-Type: application/vnd.oci.image.index.v1+json'],
    '{"schemaVersion":2,"manifests":[]}',
  ],
  ['POST', (path: string) => path, [], 'x'],
  ['PATCH', (path: string) => path, [], 'x'],
  ['DELETE', (path: string) => path, [], ''],
] as const

for (const [where, path] of Object.entries(TEMPLATES)) {
  t.test(`a climb ${where} leads nowhere`, async (t) => {
    const tarn = await startTarn(t, { storage: { delete: { enabled: true } } })
    writeFileSync(join(tarn.directory, 'secret.txt'), 'the secret')
    const before = listTree(tarn.directory)
    for (const climb of CLIMBS) {
      for (const method of ['GET', 'HEAD']) {
        const { answers } = await exchange(tarn.port, writeRequest(method, path(climb)), {
          methods: [method],
        })
        const [answer] = answers
        const status = answer?.status ?? 0
        t.ok(
          [301, 400, 404, 405].includes(status) || (status === 200 && isListed(path(climb))),
          `${method} ${path(climb)}: ${status}`,
        )
        t.notMatch(answer?.body.toString() ?? '', /the secret|root:/, `${method} ${path(climb)} tells nothing`)
        for (const location of answer === undefined ? [] : valuesOf(answer, 'location')) {
          t.match(location, /^\/v2\/[a-z0-9_]/, `${method} ${path(climb)} leads to ${location}`)
          t.notMatch(location, /\/\.\.?(\/|$)|\/\//, location)
        }
      }
      for (const [method, make, headers, body] of WRITES) {
        const { answers } = await exchange(tarn.port, writeRequest(method, make(path(climb)), headers, body))
        const status = answers[0]?.status ?? 0
        t.ok(status >= 400 && status < 500, `${method} ${path(climb)}: ${status}`)
      }
    }
    t.same(listTree(tarn.directory), before, 'nothing was made')
    t.equal(readFileSync(join(tarn.directory, 'secret.txt'), 'utf8'), 'the secret')
  })
}

// "." and "" of the base leave `/v2/`, which is there.
function isListed(path: string): boolean {
  return path === '/v2/' || path === '/v2'
}

const ODD: Readonly<Record<string, string>> = {
  'the catalog escaped': '/v2/%5Fcatalog',
  'v2 escaped': '/%762/',
  'a slash escaped before tags': '/v2/a%2Ftags%2Flist%2F..',
  'escaped slashes that climb': '/v2/a%2F..%2F..%2Fb/tags/list',
  'an escape of NUL at the end': '/v2/a/tags/list%00',
  'a cut escape at the end': '/v2/a/tags/list%2',
  'a percent sign at the end': '/v2/a/tags/list%',
  'an unknown endpoint': '/v2/a/nothing/here',
  'an unknown word after v2': '/v2/_nothing',
  v3: '/v3/',
  'v1 search': '/v1/search',
  'v2 in capitals': '/V2/',
  'nothing after manifests': '/v2/a/manifests/',
  'nothing after blobs': '/v2/a/blobs/',
  'no name before tags': '/v2/tags/list',
  'no name before manifests': '/v2/manifests/latest',
  'a part after an upload': `/v2/a/blobs/uploads/00000000-0000-4000-8000-000000000000/data`,
  'a part after tags/list': '/v2/a/tags/list/more',
  'a part after the catalog': '/v2/_catalog/more',
  'an extension': '/v2/_oci/ext/discover',
  'a question mark escaped': '/v2/a/tags/list%3Fn=1',
  'a fragment': '/v2/a/tags/list%23x',
  'a long path': `/v2/${'a/'.repeat(3000)}tags/list`,
  'a thousand empty parts': `/v2/${'/'.repeat(1000)}x`,
  semicolons: '/v2/a;x=y/tags/list',
}

t.test('odd paths', async (t) => {
  const tarn = await startTarn(t)
  const before = listTree(tarn.directory)
  for (const [name, path] of Object.entries(ODD)) {
    const { answers } = await exchange(tarn.port, writeRequest('GET', path))
    const [answer] = answers
    t.ok([400, 404, 414, 431].includes(answer?.status ?? 0), `${name} is refused: ${answer?.status}`)
    t.equal(answer === undefined ? '' : valuesOf(answer, 'content-type')[0], 'application/json', `${name} in JSON`)
    t.match(
      JSON.parse(answer?.body.toString() ?? '{}'),
      { errors: [{ code: String, message: String }] },
      `${name} with a code`,
    )
  }
  t.same(listTree(tarn.directory), before)
})

t.test('only %2F, %3A and %2B are decoded, once and in any case', async (t) => {
  const tarn = await startTarn(t)
  for (let byte = 0; byte < 256; byte++) {
    const escape = `%${byte.toString(16).padStart(2, '0')}`
    for (const form of new Set([escape, escape.toUpperCase()])) {
      const { answers } = await exchange(tarn.port, writeRequest('GET', `/v2/a${form}b/tags/list`))
      const [answer] = answers
      const { errors } = JSON.parse(answer?.body.toString() ?? '{}') as { errors: { code: string }[] }
      const wanted = byte === 0x2f ? [404, 'NAME_UNKNOWN'] : [400, 'NAME_INVALID']
      t.same([answer?.status, errors[0]?.code], wanted, `${form} in a name`)
    }
  }
})
