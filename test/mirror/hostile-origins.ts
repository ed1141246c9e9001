// R4, R15, R25, R27, R28, R30 to R33 at the level of a whole Tarn: whatever the upstream names (a realm, a redirect, a next page,
// urls of a layer), no login is shown and no connection is made where the configuration does not lead. The traps keep
// requests and count connections, also for what is fetched behind answers; the secrets are looked for in everything that
// is answered, logged and stored.
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import type { Test } from 'tap'
import type { Twist, Victim } from '../helpers/liar.ts'
import { ask, checkMine, NAME, startVictim, tagsHere } from '../helpers/liar.ts'
import type { FakeUpstream } from '../helpers/upstream.ts'
import { giveLogin, resolveFrom, send, sendJson, startFake } from '../helpers/upstream.ts'

const PASSWORD = 'canary-password'
const TOKEN = 'canary-token'
const BASIC = Buffer.from(`canary-user:${PASSWORD}`).toString('base64')
const SECRETS = [PASSWORD, TOKEN, BASIC]
const here = [['127.0.0.1']]
const NAMES = {
  'corp.test': here,
  'auth.corp.test': here,
  'cdn.corp.test': here,
  'evil.test': here,
  'metadata.test': [['169.254.169.254']],
  'any.test': [['0.0.0.0']],
  'mapped.test': [['::ffff:169.254.169.254']],
  'private.test': [['10.0.0.1']],
}

interface Scene extends Victim {
  readonly trap: FakeUpstream
}

/** An upstream `https://corp.test` with a login in the configuration, and a trap at another port. */
async function setScene(t: Test, twistOf: (trap: FakeUpstream) => Twist, trapTls = true): Promise<Scene> {
  // The trap gives tokens and bytes to all, so that whoever is led there comes back for more.
  const trap = await startFake(t, (_, response) => sendJson(response, { token: TOKEN, tags: ['trapped'] }), {
    tls: trapTls,
  })
  const victim = await startVictim(t, {
    tls: true,
    named: 'corp.test',
    client: { resolve: resolveFrom(NAMES), credentials: giveLogin('canary-user', PASSWORD) },
  })
  victim.stock.twist = twistOf(trap)
  return { ...victim, trap }
}

const PATHS = [
  'manifests/latest',
  `manifests/sha256:${'b'.repeat(64)}`,
  `blobs/sha256:${'a'.repeat(64)}`,
  'tags/list',
  `referrers/sha256:${'a'.repeat(64)}`,
]

/** Asks for everything there is to ask for; gives all that was answered. */
async function askAll({ mirror }: Victim): Promise<string> {
  const answers: string[] = []
  for (const path of PATHS)
    for (const method of ['GET', 'HEAD']) answers.push((await ask(mirror.client, path, method)).text)
  return answers.join('\n')
}

function checkSecrets(t: Test, { log, mirror }: Victim, answers: string): void {
  const stored = filesBelow(mirror.data).map((path) => readFileSync(path, 'latin1'))
  for (const secret of SECRETS) {
    t.notOk(answers.includes(secret), 'no answer holds a secret')
    t.notOk(log().includes(secret), 'no line of the log does')
    t.notOk(
      stored.some((text) => text.includes(secret)),
      'and no file of the data directory',
    )
  }
}

function filesBelow(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true, recursive: true }).flatMap((each) =>
    each.isFile() && !each.name.startsWith('lock') ? [join(each.parentPath, each.name)] : [],
  )
}

const refuse =
  (challenge: string): Twist =>
  ({ headers }, response) => {
    if (headers.authorization?.includes(TOKEN) === true) return false
    send(response, 401, { 'www-authenticate': challenge })
    return true
  }
const bearer = (realm: string): Twist =>
  refuse(`Bearer realm="${realm}",service="registry",scope="repository:${NAME}:pull"`)

const REALMS: Readonly<Record<string, (trap: FakeUpstream) => string>> = {
  'at a stranger': (trap) => `${trap.named('evil.test')}/token`,
  'at a stranger without TLS': (trap) => `http://evil.test:${trap.port}/token`,
  'at its own host without TLS': (trap) => `http://corp.test:${trap.port}/token`,
  'at this machine by its number': (trap) => `https://127.0.0.1:${trap.port}/token`,
  'at this machine by its name': (trap) => `https://localhost:${trap.port}/token`,
  'at this machine by a long number': (trap) => `https://2130706433:${trap.port}/token`,
  'at a stranger behind its own name': (trap) => `https://corp.test@evil.test:${trap.port}/token`,
  'at a stranger with back slashes': (trap) => `https:\\\\evil.test:${trap.port}\\token`,
  'at a host that only begins with its name': (trap) => `https://corp.test.evil.test:${trap.port}/token`,
  'at a stranger that resolves to the metadata service': () => 'https://metadata.test/latest/meta-data/',
}

for (const [what, realmOf] of Object.entries(REALMS)) {
  t.test(`R4: a realm ${what} sees no login`, async (t) => {
    const scene = await setScene(t, (trap) => bearer(realmOf(trap)))
    const answers = await askAll(scene)
    t.equal(scene.trap.connections, 0, 'nobody connected to the trap')
    checkSecrets(t, scene, answers)
    await checkMine(t, scene)
  })
}

t.test('R4: a realm at another host of the same owner may see the login, and the image comes', async (t) => {
  const scene = await setScene(t, (trap) => bearer(`${trap.named('auth.corp.test')}/token`))
  const { digest } = scene.stock.image(['latest'], [])
  const { status } = await ask(scene.mirror.client, `manifests/${digest}`)
  t.equal(status, 200)
  t.ok(scene.trap.text().includes(BASIC))
  checkSecrets(t, scene, '')
})

const REDIRECTS: Readonly<Record<string, (trap: FakeUpstream) => string>> = {
  'R30: without TLS': (trap) => `http://evil.test:${trap.port}/x`,
  'R30: without TLS to its own host': (trap) => `http://corp.test:${trap.port}/x`,
  'R31: to a stranger on this machine': (trap) => `${trap.named('evil.test')}/x`,
  'R31: to a stranger without a scheme': (trap) => `//evil.test:${trap.port}/x`,
  'R32: to this machine by its number': (trap) => `https://127.0.0.1:${trap.port}/x`,
  'R32: to this machine mapped into IPv6': (trap) => `https://[::ffff:7f00:1]:${trap.port}/x`,
  'R32: to the unspecified address': (trap) => `https://0.0.0.0:${trap.port}/x`,
  'R28: to a name of the metadata service': () => 'https://metadata.test/latest/meta-data/',
  'R28: to a name of the unspecified address': (trap) => `https://any.test:${trap.port}/x`,
  'R28: to a name of a mapped address': () => 'https://mapped.test/x',
  'R28: to a name in a private network': () => 'https://private.test/x',
  'R30: to a file': () => 'file:///etc/passwd',
  'R30: to data': () => 'data:application/json,{"tags":["trapped"]}',
  'R33: to an address with a login in it': (trap) => `https://u:p@evil.test:${trap.port}/x`,
}

for (const [what, locationOf] of Object.entries(REDIRECTS)) {
  t.test(`${what}, a redirect of anything is not followed`, async (t) => {
    const scene = await setScene(t, (trap) => (_, response) => {
      send(response, 307, { location: locationOf(trap) })
      return true
    })
    const answers = await askAll(scene)
    t.equal(scene.trap.connections, 0, 'nobody connected to the trap')
    t.notMatch(answers, /trapped|root:/)
    t.same(tagsHere(scene), ['mine'])
    checkSecrets(t, scene, answers)
    await checkMine(t, scene)
  })
}

t.test('R33: a login is left behind at a blob store of the same owner, also behind the answer', async (t) => {
  const scene = await setScene(t, (trap) => ({ url, headers }, response) => {
    if (headers.authorization === undefined) send(response, 401, { 'www-authenticate': 'Basic realm="x"' })
    else if (url.includes('/blobs/')) send(response, 307, { location: `${trap.named('cdn.corp.test')}/blob` })
    else return false
    return true
  })
  scene.stock.image(['latest'], [scene.stock.blob(Buffer.from('layer'))])
  const { status } = await ask(scene.mirror.client, 'manifests/latest')
  t.equal(status, 200)
  await ask(scene.mirror.client, `blobs/sha256:${'a'.repeat(64)}`)
  t.ok(scene.trap.seen.length > 0, 'the store was asked')
  t.notMatch(scene.trap.text(), /authorization/i)
  // What the trap sent was the token of all traps, so only the password is looked for.
  for (const secret of [PASSWORD, BASIC]) t.notOk(scene.log().includes(secret))
})

t.test('R27: a next page at a stranger is not asked for', async (t) => {
  const scene = await setScene(t, (trap) => ({ url }, response) => {
    if (!url.includes('/tags/list')) return false
    sendJson(
      response,
      { tags: ['one'] },
      { link: `<${trap.named('evil.test')}/v2/${NAME}/tags/list?last=one>; rel="next"` },
    )
    return true
  })
  const answers = await askAll(scene)
  t.equal(scene.trap.connections, 0)
  t.notMatch(answers, /trapped/)
  checkSecrets(t, scene, answers)
})

t.test('R27: a next page of referrers at a stranger is not asked for', async (t) => {
  const scene = await setScene(t, (trap) => ({ url }, response) => {
    if (!url.includes('/referrers/')) return false
    const type = 'application/vnd.oci.image.index.v1+json'
    sendJson(
      response,
      { schemaVersion: 2, mediaType: type, manifests: [] },
      { 'content-type': type, link: `<${trap.named('evil.test')}/next>; rel="next"` },
    )
    return true
  })
  scene.stock.image(['latest'], [])
  const answers = await askAll(scene)
  t.equal(scene.trap.connections, 0)
  checkSecrets(t, scene, answers)
})

t.test('R25: urls of a layer are not fetched, neither with nor without a login', async (t) => {
  const scene = await setScene(t, () => () => false)
  const { stock, trap, mirror } = scene
  const urls = [`${trap.named('evil.test')}/layer`, `http://evil.test:${trap.port}/layer`, `${trap.origin}/layer`]
  const type = 'application/vnd.oci.image.layer.nondistributable.v1.tar'
  const layer = { mediaType: type, digest: `sha256:${'a'.repeat(64)}`, size: 5, urls }
  stock.image(['latest'], [layer])
  await ask(mirror.client, 'manifests/latest')
  const answers = await askAll(scene)
  t.equal(trap.connections, 0)
  checkSecrets(t, scene, answers)
})

t.test('R25: urls of a child and of a referrer are not fetched', async (t) => {
  const scene = await setScene(t, () => () => false)
  const { stock, trap, mirror } = scene
  const urls = [`${trap.named('evil.test')}/manifest`]
  stock.index(['latest'], [{ ...stock.image([], []), urls, platform: { os: 'linux', architecture: 'amd64' } }])
  await ask(mirror.client, 'manifests/latest')
  await askAll(scene)
  t.equal(trap.connections, 0)
})

t.test('R28: a name that is rebound between two requests is judged again', async (t) => {
  const resolve = resolveFrom({ 'corp.test': [['127.0.0.1'], ['169.254.169.254']] })
  const victim = await startVictim(t, { tls: true, named: 'corp.test', client: { resolve } })
  victim.stock.twist = (_, response) => {
    response.setHeader('connection', 'close')
    return false
  }
  victim.stock.image(['latest'], [])
  t.equal((await ask(victim.mirror.client, 'manifests/latest')).status, 200)
  const { status } = await ask(victim.mirror.client, `blobs/sha256:${'a'.repeat(64)}`)
  t.ok(status === 503 || status === 404, `it was answered ${status}`)
  await checkMine(t, victim)
})

t.test('R15: what a client says of a host opens no connection anywhere', async (t) => {
  const scene = await setScene(t, () => () => false)
  const { mirror, trap } = scene
  const stranger = `evil.test:${trap.port}`
  for (const path of [
    `/v2/${NAME}/manifests/latest?ns=${stranger}`,
    `/v2/evil.test_${trap.port}/${NAME}/manifests/latest`,
  ]) {
    const answer = await mirror.client.send('GET', path, { headers: { host: stranger, 'x-forwarded-host': stranger } })
    t.equal(answer.status, 404)
  }
  t.equal(trap.connections, 0)
})

t.test('a login of a client of this registry is not handed on to the upstream', async (t) => {
  const victim = await startVictim(t)
  victim.stock.image(['latest'], [])
  const { client } = victim.mirror
  for (const path of PATHS)
    await client.send('GET', `/v2/up.test/${NAME}/${path}`, {
      headers: { authorization: `Basic ${BASIC}`, cookie: TOKEN },
    })
  t.ok(victim.fake.seen.length > 0)
  for (const secret of SECRETS) t.notOk(victim.fake.text().includes(secret))
})
