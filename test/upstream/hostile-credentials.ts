// R4, R27, R33: no credential leaves for an origin that the configuration does not give it to, and none shows up in
// an error. The traps keep every request and count connections; the secrets are canaries to look for.
import { randomBytes } from 'node:crypto'
import { inspect } from 'node:util'
import t from 'tap'
import type { Test } from 'tap'
import { parseRepositoryName } from '../../src/oci/name.ts'
import { parseReference } from '../../src/oci/reference.ts'
import { Credential } from '../../src/upstream/credential.ts'
import type { UpstreamError } from '../../src/upstream/upstream-error.ts'
import { catchUpstream, openUpstream, resolveFrom, send, sendJson, startFake } from '../helpers/upstream.ts'
import type { ClientOptions, FakeUpstream } from '../helpers/upstream.ts'

const NAME = parseRepositoryName('team/app')
const TAG = parseReference('latest')
const PASSWORD = 'canary-password'
const TOKEN = 'canary-token'
const BASIC = Buffer.from(`canary-user:${PASSWORD}`).toString('base64')
const here = [['127.0.0.1']]
const resolve = resolveFrom({
  'corp.test': here,
  'auth.corp.test': here,
  'a.b.corp.test': here,
  'evil.test': here,
  localhost: here,
})

/** An upstream that sends for a token to `realmOf(server)`, and the server there, which gives tokens to all. */
async function setScene(t: Test, challengeOf: (server: FakeUpstream) => string | string[], tls = true) {
  const server = await startFake(t, (_, response) => sendJson(response, { token: TOKEN }), { tls })
  const upstream = await startFake(
    t,
    ({ headers }, response) => {
      if (headers.authorization === `Bearer ${TOKEN}`) {
        send(response, 200, {}, '{}')
        return
      }
      response.setHeader('www-authenticate', challengeOf(server))
      response.writeHead(401).end()
    },
    { tls: true },
  )
  return { server, upstream }
}

function open(t: Test, upstream: FakeUpstream, options: ClientOptions = {}) {
  return openUpstream(t, [upstream.named('corp.test')], { resolve, username: 'canary-user', ...options })
}

function checkSilence(t: Test, error: UpstreamError): void {
  for (const text of [
    error.message,
    error.hint ?? '',
    JSON.stringify(error),
    inspect(error, { depth: 20, showHidden: true }),
  ])
    for (const secret of [PASSWORD, BASIC, TOKEN]) t.notOk(text.includes(secret), 'no secret in the error')
}

const bearer = (realm: string): string => `Bearer realm="${realm}",service="registry"`

const REFUSED: Readonly<Record<string, (server: FakeUpstream) => string | string[]>> = {
  'another host': (server) => bearer(server.named('evil.test')),
  'another host without TLS': (server) => bearer(`http://evil.test:${server.port}/`),
  'its own host without TLS': (server) => bearer(`http://corp.test:${server.port}/`),
  'a host that only begins like it': (server) => bearer(`https://corp.test.evil.test:${server.port}/`),
  'a host that only ends like it': (server) => bearer(`https://evilcorp.test:${server.port}/`),
  'its name as a login of another host': (server) => bearer(`https://corp.test@evil.test:${server.port}/`),
  'its name as a path of another host': (server) => bearer(`https://evil.test:${server.port}/corp.test`),
  'its name as a fragment of another host': (server) => bearer(`https://evil.test:${server.port}#.corp.test`),
  'another host behind back slashes': (server) => bearer(`https:\\\\\\\\evil.test:${server.port}\\\\.corp.test`),
  'an address': (server) => bearer(`https://127.0.0.1:${server.port}/`),
  'an address as one number': (server) => bearer(`https://2130706433:${server.port}/`),
  'an IPv6 address': (server) => bearer(`https://[::1]:${server.port}/`),
  localhost: (server) => bearer(`https://localhost:${server.port}/`),
  'a relative address': () => bearer('/token'),
  'a scheme-relative address': (server) => bearer(`//evil.test:${server.port}/`),
  'a file': () => bearer('file:///etc/passwd'),
  'a script': () => bearer('javascript:alert(1)'),
  'words with spaces': () => bearer('Registry Realm'),
  'another host in the first of two challenges': (server) => [
    bearer(server.named('evil.test')),
    bearer(server.named('auth.corp.test')),
  ],
  'another host after Basic': (server) => `Basic realm="x", ${bearer(server.named('evil.test'))}`,
  'another host in a realm that comes twice': (server) =>
    `Bearer realm="${server.named('evil.test')}",realm="${server.named('auth.corp.test')}"`,
  'another host with capitals in the scheme': (server) => `BEARER REALM="${server.named('EVIL.test')}"`,
}

for (const [what, challengeOf] of Object.entries(REFUSED)) {
  t.test(`R4: a token realm at ${what} is refused and sees nothing`, async (t) => {
    const { server, upstream } = await setScene(t, challengeOf)
    const error = await catchUpstream(open(t, upstream).getManifest(NAME, TAG))
    t.equal(error.kind, 'refused')
    t.equal(server.connections, 0)
    t.equal(upstream.seen.length, 1)
    checkSilence(t, error)
  })
}

t.test('R4: the message names the host of a refused realm only, and how to allow it', async (t) => {
  const { upstream } = await setScene(t, () => bearer('https://evil.test/path?query=secret'))
  const error = await catchUpstream(open(t, upstream).getManifest(NAME, TAG))
  t.match(error.message, /to evil\.test, which may not see/)
  t.notMatch(error.message, /query|path/)
  t.match(error.hint, 'https://evil.test to "origins"')
})

t.test('R4: a realm at the same origin sees the login', async (t) => {
  const upstream: FakeUpstream = await startFake(
    t,
    ({ url, headers }, response) => {
      if (url.startsWith('/token')) sendJson(response, { access_token: TOKEN })
      else if (headers.authorization === `Bearer ${TOKEN}`) send(response, 200, {}, '{}')
      else send(response, 401, { 'www-authenticate': bearer(`${upstream.named('corp.test')}/token`) })
    },
    { tls: true },
  )
  await open(t, upstream).getManifest(NAME, TAG)
  t.equal(upstream.seen[1]?.headers.authorization, `Basic ${BASIC}`)
})

for (const host of ['auth.corp.test', 'a.b.corp.test']) {
  t.test(`R4: a realm at ${host} of the same owner sees the login over https`, async (t) => {
    const { server, upstream } = await setScene(t, (server) => bearer(server.named(host)))
    await open(t, upstream).getManifest(NAME, TAG)
    t.equal(server.seen[0]?.headers.authorization, `Basic ${BASIC}`)
    t.equal(server.seen[0]?.url, '/?service=registry&scope=repository%3Ateam%2Fapp%3Apull')
    t.notMatch(upstream.text(), BASIC)
  })
}

t.test('R4: a listed origin sees the login', async (t) => {
  const { server, upstream } = await setScene(t, (server) => bearer(server.named('evil.test')))
  await open(t, upstream, { origins: [server.named('evil.test')] }).getManifest(NAME, TAG)
  t.equal(server.seen[0]?.headers.authorization, `Basic ${BASIC}`)
})

t.test('R4: a listed origin is its port too', async (t) => {
  const { server, upstream } = await setScene(t, (server) => bearer(server.named('evil.test')))
  const error = await catchUpstream(open(t, upstream, { origins: ['https://evil.test:1'] }).getManifest(NAME, TAG))
  t.equal(error.kind, 'refused')
  t.equal(server.connections, 0)
})

t.test('R4: without verified certificates the same owner counts for nothing', async (t) => {
  const { server, upstream } = await setScene(t, (server) => bearer(server.named('auth.corp.test')))
  const url = `https://localhost:${upstream.port}`
  const client = openUpstream(t, [url], { resolve, insecure: true, username: 'canary-user' })
  t.equal((await catchUpstream(client.getManifest(NAME, TAG))).kind, 'refused')
  t.equal(server.connections, 0)
})

t.test('R4: an address matches only itself, not its other ports', async (t) => {
  const { server, upstream } = await setScene(t, (server) => bearer(server.origin))
  const client = openUpstream(t, [upstream.origin], { username: 'canary-user' })
  t.equal((await catchUpstream(client.getManifest(NAME, TAG))).kind, 'refused')
  t.equal(server.connections, 0)
})

t.test('R4: an http upstream gives its login to no https realm', async (t) => {
  const server = await startFake(t, (_, response) => sendJson(response, { token: TOKEN }), { tls: true })
  const upstream = await startFake(t, (_, response) =>
    send(response, 401, { 'www-authenticate': bearer(server.origin) }),
  )
  const client = openUpstream(t, [upstream.origin], { username: 'canary-user' })
  t.equal((await catchUpstream(client.getManifest(NAME, TAG))).kind, 'refused')
  t.equal(server.connections, 0)
})

t.test('R4: without a login a token of a stranger is fetched anonymously, where its address allows', async (t) => {
  const { server, upstream } = await setScene(t, (server) => bearer(server.origin))
  await openUpstream(t, [upstream.origin]).getManifest(NAME, TAG)
  t.equal(server.seen[0]?.headers.authorization, undefined)
  t.equal(upstream.seen.at(-1)?.headers.authorization, `Bearer ${TOKEN}`)
})

t.test('R28: without a login a stranger on this machine is not asked for a token', async (t) => {
  const { server, upstream } = await setScene(t, (server) => bearer(server.named('evil.test')))
  const client = openUpstream(t, [upstream.named('corp.test')], { resolve })
  t.equal((await catchUpstream(client.getManifest(NAME, TAG))).kind, 'refused')
  t.equal(server.connections, 0)
})

t.test('R4: a token server that redirects is not followed', async (t) => {
  const trap = await startFake(t, (_, response) => sendJson(response, { token: TOKEN }), { tls: true })
  const server = await startFake(t, (_, response) => send(response, 307, { location: `${trap.named('corp.test')}/` }), {
    tls: true,
  })
  const upstream = await startFake(
    t,
    (_, response) => send(response, 401, { 'www-authenticate': bearer(server.named('auth.corp.test')) }),
    { tls: true },
  )
  const error = await catchUpstream(open(t, upstream).getManifest(NAME, TAG))
  t.equal(error.kind, 'failed')
  t.equal(trap.connections, 0)
  checkSilence(t, error)
})

t.test('R27: the scope of a challenge is not believed', async (t) => {
  const { server, upstream } = await setScene(
    t,
    (server) => `${bearer(server.named('auth.corp.test'))},scope="repository:other/secret:pull,push,delete"`,
  )
  await open(t, upstream).getManifest(NAME, TAG)
  t.match(server.seen[0]?.url, /scope=repository%3Ateam%2Fapp%3Apull$/)
  t.notMatch(server.text(), 'secret')
})

t.test('R27: a scope in the query of the realm is replaced by ours', async (t) => {
  const { server, upstream } = await setScene(t, (server) =>
    bearer(`${server.named('auth.corp.test')}/t?scope=repository:x:push&scope=y&keep=1`),
  )
  await open(t, upstream).getManifest(NAME, TAG)
  t.equal(server.seen[0]?.url, '/t?scope=repository%3Ateam%2Fapp%3Apull&keep=1&service=registry')
})

t.test('R33: a token is not shown at the end of a redirect', async (t) => {
  const store = await startFake(t, (_, response) => send(response, 200, {}, '{}'), { tls: true })
  const server = await startFake(t, (_, response) => sendJson(response, { token: TOKEN }), { tls: true })
  const upstream = await startFake(
    t,
    ({ headers }, response) =>
      headers.authorization === undefined
        ? send(response, 401, { 'www-authenticate': bearer(server.named('auth.corp.test')) })
        : send(response, 307, { location: `${store.named('auth.corp.test')}/blob` }),
    { tls: true },
  )
  const client = open(t, upstream, { origins: [store.named('auth.corp.test')] })
  await client.getManifest(NAME, TAG)
  t.equal(store.seen.length, 1)
  t.equal(store.seen[0]?.headers.authorization, undefined)
})

t.test('R4: one address of an upstream cannot have the login of another shown to its realm', async (t) => {
  const real = await startFake(t, (_, response) => send(response, 500), { tls: true })
  const server = await startFake(t, (_, response) => sendJson(response, { token: TOKEN }), { tls: true })
  const mirror = await startFake(
    t,
    (_, response) => send(response, 401, { 'www-authenticate': bearer(server.named('auth.corp.test')) }),
    { tls: true },
  )
  const names = resolveFrom({ 'corp.test': here, 'auth.corp.test': here, 'evil.test': here })
  const urls = [mirror.named('evil.test'), real.named('corp.test')]
  const client = openUpstream(t, urls, { resolve: names, username: 'canary-user' })
  await catchUpstream(client.getManifest(NAME, TAG))
  t.equal(server.connections, 0)
  t.equal(real.seen[0]?.headers.authorization, undefined)
})

t.test('a login is shown only after it was asked for', async (t) => {
  const upstream = await startFake(t, (_, response) => send(response, 200, {}, '{}'), { tls: true })
  await open(t, upstream).getManifest(NAME, TAG)
  t.equal(upstream.seen[0]?.headers.authorization, undefined)
})

t.test('an unknown scheme is answered with nothing', async (t) => {
  const upstream = await startFake(t, (_, response) => send(response, 401, { 'www-authenticate': 'Negotiate' }), {
    tls: true,
  })
  t.equal((await catchUpstream(open(t, upstream).getManifest(NAME, TAG))).kind, 'unauthorized')
  t.equal(upstream.seen.length, 1)
})

t.test('a wrong login is shown once, not again and again', async (t) => {
  const upstream = await startFake(t, (_, response) => send(response, 401, { 'www-authenticate': 'Basic realm="x"' }), {
    tls: true,
  })
  const error = await catchUpstream(open(t, upstream).getManifest(NAME, TAG))
  t.equal(error.kind, 'unauthorized')
  t.equal(upstream.seen.length, 2)
  checkSilence(t, error)
})

t.test('an identity token goes to the allowed realm in the body of a POST, and nowhere else', async (t) => {
  const { server, upstream } = await setScene(t, (server) => bearer(server.named('auth.corp.test')))
  const credential = new Credential({ identityToken: 'canary-identity' }, 'the test', randomBytes(32))
  await open(t, upstream, { credentials: { find: () => credential } }).getManifest(NAME, TAG)
  const [request] = server.seen
  t.equal(request?.method, 'POST')
  t.equal(new URLSearchParams(request?.body).get('refresh_token'), 'canary-identity')
  t.notMatch(request?.url, 'canary')
  t.notMatch(upstream.text(), 'canary-identity')
})

t.test('an identity token goes to no stranger', async (t) => {
  const { server, upstream } = await setScene(t, (server) => bearer(server.named('evil.test')))
  const credential = new Credential({ identityToken: 'canary-identity' }, 'the test', randomBytes(32))
  const client = open(t, upstream, { credentials: { find: () => credential } })
  t.equal((await catchUpstream(client.getManifest(NAME, TAG))).kind, 'refused')
  t.equal(server.connections, 0)
})

t.test('a credential shows nothing of itself', async (t) => {
  const credential = new Credential({ username: 'canary-user', password: PASSWORD }, 'x', randomBytes(32))
  const shown = `${inspect(credential, { showHidden: true, depth: 9 })}${JSON.stringify(credential)}`
  t.notMatch(shown, /canary/)
})

const BAD_TOKENS: Readonly<Record<string, unknown>> = {
  'a line break': { token: `${TOKEN}\r\nX-Evil: 1` },
  'a NUL': { token: `${TOKEN}\u0000` },
  'a space': { token: `${TOKEN} x` },
  'letters beyond ASCII': { token: `${TOKEN}ü` },
  '20,000 characters': { token: TOKEN + 'x'.repeat(20_000) },
  nothing: { token: '' },
  'a number': { token: 7 },
  'an object': { token: { toString: TOKEN } },
  'no member at all': {},
  null: null,
  'a list': [TOKEN],
}

for (const [what, answer] of Object.entries(BAD_TOKENS)) {
  t.test(`a token of ${what} is not used`, async (t) => {
    const server = await startFake(t, (_, response) => sendJson(response, answer), { tls: true })
    const upstream = await startFake(
      t,
      (_, response) => send(response, 401, { 'www-authenticate': bearer(server.named('auth.corp.test')) }),
      { tls: true },
    )
    const error = await catchUpstream(open(t, upstream).getManifest(NAME, TAG))
    t.equal(error.kind, 'invalid')
    t.equal(upstream.seen.length, 1)
    checkSilence(t, error)
  })
}

for (const [status, kind] of [
  [400, 'unauthorized'],
  [401, 'unauthorized'],
  [403, 'unauthorized'],
  [429, 'limited'],
  [500, 'failed'],
] as const) {
  t.test(`status ${status} of the token server is ${kind}, and says nothing of the login`, async (t) => {
    const echo = (text: string) => `{"details":"${text}"}`
    const server = await startFake(
      t,
      ({ headers }, response) => send(response, status, {}, echo(headers.authorization ?? '')),
      { tls: true },
    )
    const upstream = await startFake(
      t,
      (_, response) => send(response, 401, { 'www-authenticate': bearer(server.named('auth.corp.test')) }),
      { tls: true },
    )
    const error = await catchUpstream(open(t, upstream).getManifest(NAME, TAG))
    t.equal(error.kind, kind)
    checkSilence(t, error)
  })
}
