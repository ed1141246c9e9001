// Without the right login no route does anything: 401 with exactly one challenge, before any body is read.
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { openClient } from '../helpers/client.ts'
import { hashOf } from '../helpers/digest.ts'
import { findFault, listTree } from '../helpers/hostile.ts'
import { PASSWORD, USERNAME, makeLogin } from '../helpers/login.ts'
import { pushImage } from '../helpers/push.ts'
import { exchange, valuesOf, writeRequest } from '../helpers/raw-socket.ts'
import { startTarn } from '../helpers/server.ts'

const basic = (text: string): string => `Authorization: Basic ${Buffer.from(text).toString('base64')}`
const RIGHT = basic(`${USERNAME}:${PASSWORD}`)

const LOGINS: Readonly<Record<string, readonly string[]>> = {
  'no login': [],
  'a wrong password': [basic(`${USERNAME}:wrong`)],
  'an unknown user': [basic(`nobody:${PASSWORD}`)],
}

const MALFORMED: Readonly<Record<string, readonly string[]>> = {
  'an empty Authorization': ['Authorization: '],
  'the scheme alone': ['Authorization: Basic'],
  'the scheme and a space': ['Authorization: Basic '],
  'no scheme': [RIGHT.replace('Basic ', '')],
  'Bearer with the right login': [RIGHT.replace('Basic', 'Bearer')],
  Digest: [`Authorization: Digest username="${USERNAME}"`],
  'no base64': ['Authorization: Basic ***'],
  'base64 of nothing': [basic('')],
  'base64 without a colon': [basic(USERNAME)],
  'a colon alone': [basic(':')],
  'no user': [basic(`:${PASSWORD}`)],
  'no password': [basic(`${USERNAME}:`)],
  'a NUL behind the user': [basic(`${USERNAME}\0:${PASSWORD}`)],
  'a NUL behind the password': [basic(`${USERNAME}:${PASSWORD}\0`)],
  'a line feed behind the user': [basic(`${USERNAME}\n:${PASSWORD}`)],
  'a space before the user': [basic(` ${USERNAME}:${PASSWORD}`)],
  'an upper-case user': [basic(`${USERNAME.toUpperCase()}:${PASSWORD}`)],
  'a password of 73 bytes': [basic(`${USERNAME}:${'x'.repeat(73)}`)],
  'a password of 8 kB': [basic(`${USERNAME}:${'x'.repeat(6000)}`)],
  'a user of JavaScript': [basic(`__proto__:${PASSWORD}`)],
  'a user with a colon in front': [basic(`x:${USERNAME}:${PASSWORD}`)],
  'bytes that are no UTF-8': [`Authorization: Basic ${Buffer.from([0xff, 0xfe, 0x3a, 0xff]).toString('base64')}`],
  'the right login twice in one': [`${RIGHT}, Basic x`],
  'a wrong one before the right one': [basic(`${USERNAME}:wrong`), RIGHT],
  'the login in Proxy-Authorization': [RIGHT.replace('Authorization', 'Proxy-Authorization')],
  'the login in a cookie': [`Cookie: ${RIGHT}`],
  'base64 with garbage inside': [RIGHT.replace(/(.{4})$/, '\u00ff$1')],
}

const HEX = 'e'.repeat(64)
const ROUTES = [
  '/v2/',
  '/v2',
  '/v2/_catalog',
  '/v2/a/tags/list',
  '/v2/a/manifests/v1',
  `/v2/a/manifests/sha256:${HEX}`,
  `/v2/a/blobs/sha256:${HEX}`,
  '/v2/a/blobs/uploads/',
  `/v2/a/blobs/uploads/?mount=sha256:${HEX}&from=b`,
  `/v2/a/blobs/uploads/?digest=${hashOf('')}`,
  '/v2/a/blobs/uploads/12345678-1234-4234-8234-123456789abc',
  `/v2/a/referrers/sha256:${HEX}`,
  '/v2/no/such/repository/tags/list',
  '/v2/a/nothing',
  '/v2/a/tags/list/',
]
const METHODS = ['GET', 'HEAD', 'POST', 'PATCH', 'PUT', 'DELETE']
const BEHIND_METHODS = ['PROPFIND', 'QUERY', 'OPTIONS', 'TRACE']

// A body of a gigabyte is announced and never sent: only an answer that waits for none of it comes in time.
const announce = (method: string): string[] =>
  ['POST', 'PATCH', 'PUT', 'DELETE'].includes(method) ? ['Content-Length: 1000000000'] : []

t.test('a registry with htpasswd', async (t) => {
  t.jobs = 8
  const secrets = t.testdir()
  const tarn = await startTarn(t, { storage: { delete: { enabled: true } }, auth: makeLogin(secrets) })
  const client = openClient({ url: tarn.url, username: USERNAME, password: PASSWORD })
  await pushImage(client, 'a', 'guarded', { reference: 'v1' })
  client.close()
  const before = listTree(tarn.directory)

  const ask = async (method: string, path: string, login: readonly string[]): Promise<string | undefined> => {
    const bytes = writeRequest(method, path, [...login, ...announce(method)])
    const { answers } = await exchange(tarn.port, bytes, { methods: [method], answers: 1 })
    const [answer] = answers
    if (answer === undefined) return 'no answer'
    if (answer.status === 400 && valuesOf(answer, 'connection')[0] === 'close') return findFault(answer, '', [400])
    const challenges = valuesOf(answer, 'www-authenticate')
    if (challenges.length !== 1 || !/^Basic realm="[^",]+"$/.test(challenges[0] ?? '')) {
      return `${answer.status} with challenges ${JSON.stringify(challenges)}`
    }
    return findFault(answer, method, [401])
  }

  for (const [name, login] of Object.entries({ ...LOGINS, ...MALFORMED })) {
    t.test(`${name} opens nothing`, { buffered: true }, async (t) => {
      // All at once: whoever fails often is answered more slowly, and that is as it should be.
      const cells = ROUTES.flatMap((path) => METHODS.map((method) => ({ method, path })))
      const faults = await Promise.all(
        cells.map(({ method, path }) => ask(method, path, login).catch((error: unknown) => (error as Error).message)),
      )
      for (const [at, { method, path }] of cells.entries()) t.equal(faults[at], undefined, `${method} ${path}`)
    })
  }
  t.test('no other method gets past the login', async (t) => {
    for (const method of BEHIND_METHODS) {
      for (const path of ROUTES) {
        const bytes = writeRequest(method, path)
        const [answer] = (await exchange(tarn.port, bytes, { methods: [method] })).answers
        t.ok([400, 401, 405].includes(answer?.status ?? 0), `${method} ${path}: ${answer?.status}`)
      }
    }
  })
  t.test('a path that is no path tells no more than a login is wanted', async (t) => {
    for (const path of [
      '/v2/%2e%2e/x',
      '/v2/A/tags/list',
      '/v2/../v2/_catalog',
      '//v2/_catalog',
      '/v2//_catalog',
      '/v2/;/_catalog',
      '/V2/_catalog',
      '/v2/_catalog%00',
      '/./v2/_catalog',
      '/x/../v2/_catalog',
    ]) {
      for (const method of ['GET', 'PUT', 'DELETE']) {
        const [answer] = (await exchange(tarn.port, writeRequest(method, path, [], 'x'))).answers
        t.ok([400, 401, 404].includes(answer?.status ?? 0), `${method} ${path}: ${answer?.status}`)
        t.notMatch(answer?.body.toString() ?? '', 'repositories', `${method} ${path} lists nothing`)
      }
    }
  })
  t.test('nothing was made, changed or deleted, and the right login still works', async (t) => {
    t.same(listTree(tarn.directory), before)
    const [answer] = (await exchange(tarn.port, writeRequest('GET', '/v2/a/manifests/v1', [RIGHT]))).answers
    t.equal(answer?.status, 200)
  })
  t.test('a user who is removed is out with the next request', async (t) => {
    const askRight = async (): Promise<number | undefined> =>
      (await exchange(tarn.port, writeRequest('GET', '/v2/', [RIGHT]))).answers[0]?.status
    t.equal(await askRight(), 200)
    writeFileSync(join(secrets, 'htpasswd'), '# nobody\n')
    t.equal(await askRight(), 401)
  })
})

t.test('a request with the wrong login and Expect: 100-continue is not asked for its body', async (t) => {
  const tarn = await startTarn(t, { auth: makeLogin(t.testdir()) })
  const bytes = writeRequest('PUT', '/v2/a/manifests/v1', ['Expect: 100-continue', 'Content-Length: 100'])
  const { answers } = await exchange(tarn.port, bytes, { answers: 1 })
  t.equal(answers[0]?.status, 401)
})
