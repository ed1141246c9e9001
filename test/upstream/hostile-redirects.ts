// R15, R30, R31, R33: redirects of a hostile upstream. The upstream has a name, lies on loopback over TLS, and leads
// to traps that count connections.
import t from 'tap'
import type { Test } from 'tap'
import { parseRepositoryName } from '../../src/oci/name.ts'
import { parseReference } from '../../src/oci/reference.ts'
import type { UpstreamError } from '../../src/upstream/upstream-error.ts'
import { catchUpstream, openUpstream, resolveFrom, send, startFake } from '../helpers/upstream.ts'
import type { ClientOptions, FakeUpstream } from '../helpers/upstream.ts'

const NAME = parseRepositoryName('team/app')
const TAG = parseReference('latest')
const here = [['127.0.0.1']]
const resolve = resolveFrom({ 'corp.test': here, 'cdn.corp.test': here, 'evil.test': here })

interface Scene {
  readonly trap: FakeUpstream
  readonly upstream: FakeUpstream
}

async function setScene(
  t: Test,
  locationOf: (trap: FakeUpstream) => string | string[],
  { trapTls = true, status = 302 } = {},
): Promise<Scene> {
  const trap = await startFake(t, (_, response) => send(response, 200, {}, '{}'), { tls: trapTls })
  const upstream = await startFake(
    t,
    (_, response) => {
      response.setHeader('location', locationOf(trap))
      response.writeHead(status).end()
    },
    { tls: true },
  )
  return { trap, upstream }
}

async function pullFrom(t: Test, { upstream }: Scene, options: ClientOptions = {}): Promise<UpstreamError> {
  const client = openUpstream(t, [upstream.named('corp.test')], { resolve, username: 'canary-user', ...options })
  return catchUpstream(client.getManifest(NAME, TAG))
}

const REFUSED: Readonly<Record<string, (trap: FakeUpstream) => string | string[]>> = {
  'to http': (trap) => `http://evil.test:${trap.port}/`,
  'to http on its own host': (trap) => `http://corp.test:${trap.port}/`,
  'to a stranger on this machine': (trap) => `https://evil.test:${trap.port}/`,
  'to a stranger by a scheme-relative address': (trap) => `//evil.test:${trap.port}/`,
  'to a stranger with back slashes': (trap) => `https:\\\\evil.test:${trap.port}\\`,
  'to an address with a login in it': (trap) => `https://corp.test@evil.test:${trap.port}/`,
  'to an address with a password in it': (trap) => `https://u:p@evil.test:${trap.port}/`,
  'to its own address with a login in it': (trap) => `https://u:p@corp.test:${trap.port}/`,
  'to a file': () => 'file:///etc/passwd',
  'to ftp': (trap) => `ftp://evil.test:${trap.port}/`,
  'to gopher': (trap) => `gopher://evil.test:${trap.port}/_x`,
  'to a script': () => 'javascript:alert(1)',
  'to data': () => 'data:application/json,{}',
  'to a unix socket': () => 'unix:///var/run/docker.sock',
  'to a websocket': (trap) => `wss://evil.test:${trap.port}/`,
  'to no port that exists': () => 'https://evil.test:99999/',
  'to a host that is none': () => 'https://evil test/',
  'to the metadata service': () => 'http://169.254.169.254/latest/meta-data/',
  'to the metadata service over TLS': () => 'https://169.254.169.254/latest/meta-data/',
}

for (const [what, locationOf] of Object.entries(REFUSED)) {
  t.test(`R30: a redirect ${what} is refused without a connection`, async (t) => {
    const scene = await setScene(t, locationOf)
    const error = await pullFrom(t, scene)
    t.equal(error.kind, 'refused')
    t.equal(scene.trap.connections, 0)
    t.equal(scene.upstream.seen.length, 1)
  })
}

for (const status of [301, 302, 303, 307, 308]) {
  t.test(`R30: status ${status} is judged as a redirect`, async (t) => {
    const scene = await setScene(t, (trap) => `https://evil.test:${trap.port}/`, { status })
    t.equal((await pullFrom(t, scene)).kind, 'refused')
    t.equal(scene.trap.connections, 0)
  })
}

for (const status of [300, 304, 305, 306]) {
  t.test(`R30: status ${status} is followed nowhere`, async (t) => {
    const scene = await setScene(t, (trap) => `https://cdn.corp.test:${trap.port}/`, { status })
    t.equal((await pullFrom(t, scene)).kind, 'failed')
    t.equal(scene.trap.connections, 0)
  })
}

t.test('R30: an address longer than 8 KiB is not even read', async (t) => {
  const scene = await setScene(t, (trap) => `https://evil.test:${trap.port}/${'x'.repeat(9000)}`)
  t.equal((await pullFrom(t, scene)).kind, 'invalid')
  t.equal(scene.trap.connections, 0)
})

t.test('R30: two Location headers are one too many', async (t) => {
  const scene = await setScene(t, (trap) => ['/v2/', `https://evil.test:${trap.port}/`])
  t.equal((await pullFrom(t, scene)).kind, 'invalid')
  t.equal(scene.trap.connections, 0)
})

t.test('R30: a redirect that names no place is invalid', async (t) => {
  const upstream = await startFake(t, (_, response) => send(response, 302), { tls: true })
  t.equal((await pullFrom(t, { upstream, trap: upstream })).kind, 'invalid')
})

t.test('R30: a redirect to itself ends after five', async (t) => {
  const upstream = await startFake(t, ({ url }, response) => send(response, 302, { location: url }), { tls: true })
  const error = await pullFrom(t, { upstream, trap: upstream })
  t.equal(error.kind, 'refused')
  t.equal(upstream.seen.length, 6)
})

t.test('R30: five redirects are followed', async (t) => {
  const upstream = await startFake(
    t,
    ({ url }, response) => {
      const hop = Number(new URL(url, 'https://x').searchParams.get('hop'))
      if (hop < 5) send(response, 302, { location: `?hop=${hop + 1}` })
      else send(response, 200, {}, '{}')
    },
    { tls: true },
  )
  const client = openUpstream(t, [upstream.named('corp.test')], { resolve })
  t.equal((await client.getManifest(NAME, TAG)).bytes.toString(), '{}')
})

t.test('R30: an https upstream is not followed down to http at the second hop either', async (t) => {
  const trap = await startFake(t, (_, response) => send(response, 200, {}, '{}'))
  const upstream = await startFake(
    t,
    ({ url }, response) =>
      send(response, 302, { location: url === '/second' ? `http://corp.test:${trap.port}/` : '/second' }),
    { tls: true },
  )
  t.equal((await pullFrom(t, { upstream, trap })).kind, 'refused')
  t.equal(upstream.seen.length, 2)
  t.equal(trap.connections, 0)
})

t.test('R31: an http upstream leads to no other host without TLS', async (t) => {
  const trap = await startFake(t, (_, response) => send(response, 200, {}, '{}'))
  const upstream = await startFake(t, (_, response) => send(response, 302, { location: `${trap.origin}/` }))
  const error = await catchUpstream(openUpstream(t, [upstream.origin]).getManifest(NAME, TAG))
  t.equal(error.kind, 'refused')
  t.equal(trap.connections, 0)
})

t.test('R31: an http upstream may lead to a listed origin without TLS, and nothing is shown there', async (t) => {
  const trap = await startFake(t, (_, response) => send(response, 200, {}, '{}'))
  const upstream = await startFake(t, (request, response) =>
    request.headers.authorization === undefined
      ? send(response, 401, { 'www-authenticate': 'Basic realm="x"' })
      : send(response, 302, { location: `${trap.origin}/` }),
  )
  const options = { origins: [trap.origin], username: 'canary-user' }
  await openUpstream(t, [upstream.origin], options).getManifest(NAME, TAG)
  t.ok(upstream.seen[1]?.headers.authorization)
  t.equal(trap.seen[0]?.headers.authorization, undefined)
})

/** An upstream that wants Basic and then redirects. */
async function startGuarded(t: Test, locationOf: (url: string) => string | undefined): Promise<FakeUpstream> {
  return startFake(
    t,
    ({ url, headers }, response) => {
      const location = locationOf(url)
      if (headers.authorization === undefined && !url.startsWith('/open'))
        send(response, 401, { 'www-authenticate': 'Basic realm="x"' })
      else if (location === undefined) send(response, 200, {}, '{}')
      else send(response, 307, { location })
    },
    { tls: true },
  )
}

t.test('R33: a login is left behind at another host of the same owner', async (t) => {
  const store = await startFake(t, (_, response) => send(response, 200, {}, '{}'), { tls: true })
  const upstream = await startGuarded(t, () => store.named('cdn.corp.test'))
  const client = openUpstream(t, [upstream.named('corp.test')], {
    resolve,
    username: 'canary-user',
    origins: [store.named('cdn.corp.test')],
  })
  await client.getManifest(NAME, TAG)
  t.equal(store.seen.length, 1)
  t.equal(store.seen[0]?.headers.authorization, undefined)
})

t.test('R33: a login is left behind at another port of the same host', async (t) => {
  const store = await startFake(t, (_, response) => send(response, 200, {}, '{}'), { tls: true })
  const upstream = await startGuarded(t, () => `${store.origin}/`)
  await openUpstream(t, [upstream.origin], { username: 'canary-user' }).getManifest(NAME, TAG)
  t.equal(store.seen.length, 1)
  t.equal(store.seen[0]?.headers.authorization, undefined)
})

t.test('R33: a login does not come back on the way back from a stranger, nor behind it', async (t) => {
  let back = ''
  const stranger = await startFake(t, (_, response) => send(response, 307, { location: back }), { tls: true })
  const upstream = await startGuarded(t, (url) =>
    url === '/open' ? '/open/behind' : url === '/open/behind' ? undefined : `${stranger.origin}/`,
  )
  back = `${upstream.origin}/open`
  await openUpstream(t, [upstream.origin], { username: 'canary-user' }).getManifest(NAME, TAG)
  const ends = upstream.seen.filter(({ url }) => url.startsWith('/open'))
  t.same(
    ends.map(({ url, headers }) => [url, headers.authorization]),
    [
      ['/open', undefined],
      ['/open/behind', undefined],
    ],
  )
})

t.test('R33: what a stranger at the end of a redirect asks for is not asked for at the upstream either', async (t) => {
  const stranger = await startFake(
    t,
    (_, response) => send(response, 401, { 'www-authenticate': `Bearer realm="${upstream.origin}/token"` }),
    { tls: true },
  )
  const upstream: FakeUpstream = await startFake(
    t,
    (_, response) => send(response, 307, { location: `${stranger.origin}/` }),
    { tls: true },
  )
  const client = openUpstream(t, [upstream.origin], { username: 'canary-user' })
  t.equal((await catchUpstream(client.getManifest(NAME, TAG))).kind, 'unauthorized')
  t.equal(upstream.seen.length, 1)
})

t.test('R33: a login stays on a redirect within its origin', async (t) => {
  const upstream = await startGuarded(t, (url) => (url === '/moved' ? undefined : '/moved'))
  await openUpstream(t, [upstream.origin], { username: 'canary-user' }).getManifest(NAME, TAG)
  t.ok(upstream.seen.at(-1)?.headers.authorization)
})

t.test('R33: a stranger at the end of a redirect that asks for a login gets none', async (t) => {
  const challenge = { 'www-authenticate': 'Basic realm="give me"' }
  const stranger = await startFake(t, (_, response) => send(response, 401, challenge), { tls: true })
  const upstream = await startGuarded(t, () => `${stranger.origin}/`)
  const client = openUpstream(t, [upstream.origin], { username: 'canary-user' })
  t.equal((await catchUpstream(client.getManifest(NAME, TAG))).kind, 'unauthorized')
  t.equal(stranger.seen.length, 1)
  t.equal(stranger.seen[0]?.headers.authorization, undefined)
})
