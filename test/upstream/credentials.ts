import { randomBytes } from 'node:crypto'
import { chmodSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import type { Test } from 'tap'
import { Problem } from '../../src/config/problem.ts'
import { findLogin, parseAuthFile } from '../../src/upstream/auth-file.ts'
import { openCredentials } from '../../src/upstream/credentials.ts'

const encode = (username: string, password = 'canary'): string =>
  Buffer.from(`${username}:${password}`).toString('base64')
const salt = randomBytes(32)

function parse(document: unknown) {
  return parseAuthFile(Buffer.from(JSON.stringify(document)), '/x/auth.json', salt)
}

function nameOf(header: string | undefined): string | undefined {
  return header && Buffer.from(header.slice(6), 'base64').toString().split(':')[0]
}

function catchProblem(act: () => unknown): Problem {
  try {
    act()
  } catch (error) {
    if (error instanceof Problem) return error
  }
  throw new Error('no problem was thrown')
}

function startFile(t: Test, content: string, name = 'secret') {
  const path = join(t.testdir({ [name]: content }), name)
  chmodSync(path, 0o600)
  const warnings: string[] = []
  const options = { clock: Date.now, random: randomBytes, warn: (message: string) => void warnings.push(message) }
  return { path, warnings, options }
}

t.test('a password may come with the configuration instead of a file, and shows up nowhere', async (t) => {
  const { options } = startFile(t, '')
  const found = openCredentials({ username: 'joe', password: 'canary' }, options).find(['quay.io'], 'team/app')
  t.equal(found?.basic(), `Basic ${encode('joe')}`)
  t.notMatch(JSON.stringify(found), 'canary')
  const broken = catchProblem(() => openCredentials({ username: 'joe', password: 'canary\n' }, options))
  t.equal(broken.message, 'the password of the configuration holds a control character')
})

t.test('the longest key of whole path components wins', async (t) => {
  const table = parse({
    auths: {
      'quay.io': { auth: encode('host') },
      'quay.io/team': { auth: encode('team') },
      'quay.io/team/app': { auth: encode('app') },
    },
  })
  const find = (repository: string) => nameOf(findLogin(table, 'quay.io', repository)?.basic())
  t.equal(find('team/app'), 'app')
  t.equal(find('team/app/sub'), 'app')
  t.equal(find('team/application'), 'team')
  t.equal(find('teams/app'), 'host')
  t.equal(findLogin(table, 'quay.io:8443', 'team/app'), undefined)
})

t.test("docker's old keys count for their host, and Docker Hub has three names", async (t) => {
  const table = parse({
    auths: {
      'https://index.docker.io/v1/': { auth: encode('hub') },
      'https://Registry.test/v2/': { auth: encode('old') },
    },
  })
  for (const host of ['docker.io', 'index.docker.io', 'registry-1.docker.io'])
    t.equal(nameOf(findLogin(table, host, 'library/alpine')?.basic()), 'hub')
  t.equal(nameOf(findLogin(table, 'registry.test', 'x')?.basic()), 'old')
})

t.test('all forms of an entry are read', async (t) => {
  const table = parse({
    auths: {
      'a.test': { username: 'plain', password: 'canary', email: 'x@y' },
      'b.test': { identitytoken: 'canary' },
      'c.test': {},
      'd.test': { auth: encode('colon', 'a:b:c') },
      'e.test:443': { auth: encode('port') },
    },
  })
  t.equal(nameOf(findLogin(table, 'a.test', 'x')?.basic()), 'plain')
  t.equal(findLogin(table, 'b.test', 'x')?.refreshToken(), 'canary')
  t.equal(findLogin(table, 'b.test', 'x')?.basic(), undefined)
  t.equal(findLogin(table, 'c.test', 'x'), undefined)
  t.equal(findLogin(table, 'd.test', 'x')?.basic(), `Basic ${encode('colon', 'a:b:c')}`)
  t.equal(nameOf(findLogin(table, 'e.test', 'x')?.basic()), 'port')
})

t.test('a name of the prototype is no login', async (t) => {
  const table = parse({ auths: {} })
  for (const host of ['__proto__', 'constructor', 'toString']) t.equal(findLogin(table, host, 'x'), undefined)
})

for (const [what, document] of Object.entries({
  credsStore: { credsStore: 'secretservice', auths: {} },
  credHelpers: { credHelpers: { 'gcr.io': 'gcloud' }, auths: {} },
})) {
  t.test(`a credential helper (${what}) is refused with its name and a way out`, async (t) => {
    const problem = catchProblem(() => parse(document))
    t.match(problem.message, what)
    t.match(problem.hint, 'podman login --authfile /x/auth.json')
  })
}

for (const [what, document] of Object.entries({
  'a list': ['canary'],
  'auths that are a list': { auths: ['canary'] },
  'an entry that is a word': { auths: { 'a.test': 'canary' } },
  'auth that is a number': { auths: { 'a.test': { auth: 7, password: 'canary' } } },
  'auth without a colon': { auths: { 'a.test': { auth: Buffer.from('canary').toString('base64') } } },
  'auth that is no base64': { auths: { 'a.test': { auth: 'canary:canary' } } },
  'a line break in a password': { auths: { 'a.test': { auth: encode('x', 'canary\r\nX: y') } } },
  'a password without a username': { auths: { 'a.test': { password: 'canary' } } },
  'a registrytoken': { auths: { 'a.test': { registrytoken: 'canary' } } },
})) {
  t.test(`a file with ${what} is refused without showing it`, async (t) => {
    const problem = catchProblem(() => parse(document))
    t.notMatch(`${problem.message} ${problem.hint} ${String(problem.cause)}`, /canary/)
  })
}

t.test('a file that is not JSON is refused without showing it', async (t) => {
  const problem = catchProblem(() => parseAuthFile(Buffer.from('{"auths": canary'), '/x', salt))
  t.equal(problem.cause, undefined)
  t.notMatch(problem.message, /canary/)
})

t.test('username and passwordFile make one login, without the line break of editors', async (t) => {
  const { path, options } = startFile(t, 'canary\n')
  const credentials = openCredentials({ username: 'joe', passwordFile: path }, options)
  t.equal(credentials.find(['quay.io'], 'x')?.basic(), `Basic ${encode('joe')}`)
})

t.test('a login that changes on disk is read again, and one that breaks leaves the old one', async (t) => {
  const { path, options, warnings } = startFile(t, JSON.stringify({ auths: { 'a.test': { auth: encode('one') } } }))
  const credentials = openCredentials({ authFile: path }, options)
  const find = () => nameOf(credentials.find(['b.test', 'a.test'], 'x')?.basic())
  t.equal(find(), 'one')
  writeFileSync(path, JSON.stringify({ auths: { 'a.test': { auth: encode('two') } } }))
  t.equal(find(), 'two')
  writeFileSync(path, '{"auths": canary')
  t.equal(find(), 'two')
  t.match(warnings.at(-1), /not JSON; the login read before stays in use/)
  t.notMatch(warnings.join(), /canary/)
})

t.test('the same login has the same identity, another one another, and none shows the secret', async (t) => {
  const table = parse({ auths: { a: { auth: encode('x') }, b: { auth: encode('x') }, c: { auth: encode('y') } } })
  const [a, b, c] = ['a', 'b', 'c'].map((host) => findLogin(table, host, 'x')?.id)
  t.equal(a, b)
  t.not(a, c)
})

t.test('a secret that everybody may read is warned about', async (t) => {
  const { path, options, warnings } = startFile(t, 'canary')
  chmodSync(path, 0o644)
  openCredentials({ username: 'joe', passwordFile: path }, options)
  t.match(warnings, [/everybody/])
})

for (const [what, config] of Object.entries({
  'both kinds': { authFile: '/x', username: 'y' },
  'a username without a password': { username: 'y' },
  'a password without a username': { passwordFile: '/x' },
  'a file that is not there': { authFile: '/nowhere/auth.json' },
})) {
  t.test(`credentials of ${what} are a problem at once`, async (t) => {
    t.ok(catchProblem(() => openCredentials(config, startFile(t, '').options)))
  })
}

t.test('no credentials are no login', async (t) => {
  t.equal(openCredentials({}, startFile(t, '').options).find(['quay.io'], 'x'), undefined)
})
