import t from 'tap'
import type { Test } from 'tap'
import type { Authenticator } from '../../src/auth/authenticator.ts'
import type { PolicyOptions } from '../../src/auth/policy.ts'
import { createPolicy } from '../../src/auth/policy.ts'
import { registryError } from '../../src/oci/errors.ts'
import { parseRepositoryName } from '../../src/oci/name.ts'
import type { Gate, Wish } from '../../src/http/gate.ts'
import { createGate } from '../../src/http/gate.ts'
import { addCommon, createServer } from '../../src/http/server.ts'
import { PASSWORD, USERNAME } from '../helpers/login.ts'
import pino from 'pino'

const RIGHT = `Basic ${Buffer.from(`${USERNAME}:${PASSWORD}`).toString('base64')}`
const WRONG = `Basic ${Buffer.from(`${USERNAME}:wrong`).toString('base64')}`
const A = parseRepositoryName('team/a')

interface Setup {
  readonly verify?: Authenticator['verify'] | undefined
  readonly policy?: Partial<PolicyOptions>
  readonly wish?: Wish
}

/** One route behind the gate; it answers with the user's name. Without `verify` there is no login. */
async function makeDoor(t: Test, { verify, policy, wish = { action: 'pull', repository: A } }: Setup) {
  const logger = pino({ level: 'silent' })
  const app = createServer({ logger, tls: undefined, idleTimeout: 5000, maxConnections: 10 })
  t.teardown(() => app.close())
  addCommon(app, {}, { started: () => undefined, ended: () => undefined })
  const authenticator = verify && { realm: 'Registry', recall: () => false, verify, close: async () => undefined }
  const options = { loginRequired: verify !== undefined, anonymous: 'none', admins: [], ...policy } as const
  const gate: Gate = await createGate(app, authenticator, createPolicy(options))
  let inside = 0
  const users = new WeakMap<object, string | undefined>()
  app.get(
    '/',
    { onRequest: async (request, reply) => void users.set(request, await gate(request, reply, wish)) },
    (request, reply) => {
      inside += 1
      reply.send(`user ${String(users.get(request))}`)
    },
  )
  const knock = async (authorization?: string) => {
    const answer = await app.inject({ url: '/', headers: authorization === undefined ? {} : { authorization } })
    return {
      status: answer.statusCode,
      text: answer.body,
      challenge: answer.headers['www-authenticate'],
      headers: answer.headers,
    }
  }
  return { knock, inside: () => inside }
}

const checks: Authenticator['verify'] = async (user, password) => user === USERNAME && password === PASSWORD

t.test('without a login everybody is anonymous, whatever they send', async (t) => {
  const { knock } = await makeDoor(t, {})
  for (const header of [undefined, RIGHT, 'garbage']) {
    t.match(await knock(header), { status: 200, text: 'user undefined' })
  }
})

t.test('the right login comes in under its name', async (t) => {
  const { knock } = await makeDoor(t, { verify: checks })
  t.match(await knock(RIGHT), { status: 200, text: `user ${USERNAME}` })
})

t.test('no login, a wrong one and a broken one get 401, one challenge, and what was asked for', async (t) => {
  const { knock, inside } = await makeDoor(t, { verify: checks })
  for (const header of [undefined, WRONG, 'Basic', 'Basic ***', 'Bearer x', 'Basic Og==', '']) {
    const { status, text, challenge } = await knock(header)
    t.equal(status, 401, String(header))
    t.equal(challenge, 'Basic realm="Registry"')
    t.match(JSON.parse(text), {
      errors: [{ code: 'UNAUTHORIZED', detail: [{ Type: 'repository', Name: 'team/a', Action: 'pull' }] }],
    })
  }
  t.equal(inside(), 0)
})

for (const [what, thrown] of [
  ['undefined', undefined],
  ['null', null],
  ['false', false],
  ['a text', 'let me in'],
  ['an Error', new Error('secret /var/lib')],
] as const) {
  t.test(`a check that rejects with ${what} lets nobody in`, async (t) => {
    const { knock, inside } = await makeDoor(t, { verify: () => Promise.reject(thrown) })
    const { status, text } = await knock(RIGHT)
    t.equal(status, 503)
    t.match(JSON.parse(text), { errors: [{ code: 'UNAVAILABLE' }] })
    t.notMatch(text, /secret|var/)
    t.equal(inside(), 0)
  })
}

for (const value of [undefined, null, 0, '']) {
  t.test(`a check that gives ${JSON.stringify(value)} instead of true lets nobody in`, async (t) => {
    const { knock, inside } = await makeDoor(t, { verify: async () => value as unknown as boolean })
    t.equal((await knock(RIGHT)).status, 401)
    t.equal(inside(), 0)
  })
}

t.test('429 and 503 of the authenticator reach the client as they are, with their headers', async (t) => {
  for (const [code, status] of [
    ['TOOMANYREQUESTS', 429],
    ['UNAVAILABLE', 503],
  ] as const) {
    const thrown = registryError(code, { message: 'not now', headers: { 'Retry-After': '2' } })
    const { knock, inside } = await makeDoor(t, { verify: () => Promise.reject(thrown) })
    const answer = await knock(RIGHT)
    t.equal(answer.status, status)
    t.equal(answer.headers['retry-after'], '2')
    t.equal(answer.challenge, undefined, 'another login would not help')
    t.equal(inside(), 0)
  }
})

t.test('access.anonymous: pull lets strangers read and no more, and a wrong login is still wrong', async (t) => {
  const policy = { anonymous: 'pull' } as const
  for (const [action, status] of [
    ['ping', 200],
    ['pull', 200],
    ['list', 200],
    ['push', 401],
    ['delete', 401],
    ['admin', 401],
  ] as const) {
    const { knock } = await makeDoor(t, { verify: checks, policy, wish: { action } })
    t.equal((await knock()).status, status, action)
    t.equal((await knock(WRONG)).status, 401, action)
  }
})

t.test('what is denied to a user is 403 DENIED, without a challenge', async (t) => {
  const { knock } = await makeDoor(t, { verify: checks, wish: { action: 'admin' } })
  const { status, text, challenge } = await knock(RIGHT)
  t.equal(status, 403)
  t.equal(challenge, undefined)
  t.match(JSON.parse(text), { errors: [{ code: 'DENIED' }] })
})

t.test('what is public asks nobody, not even for a login that is wrong', async (t) => {
  const { knock } = await makeDoor(t, { verify: () => Promise.reject(new Error('asked')), wish: { action: 'public' } })
  t.equal((await knock(WRONG)).status, 200)
})
