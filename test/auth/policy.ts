import t from 'tap'
import type { Action, Decision, Who } from '../../src/auth/policy.ts'
import { createPolicy } from '../../src/auth/policy.ts'

const ACTIONS: readonly Action[] = ['ping', 'pull', 'push', 'delete', 'list', 'admin']
const NONE = { loginRequired: true, anonymous: 'none', admins: ['root'] } as const

function row(options: Parameters<typeof createPolicy>[0], who: Who): Decision[] {
  const policy = createPolicy(options)
  return ACTIONS.map((action) => policy.decide(who, action))
}

t.test('without an auth section everybody may do all but admin', (t) => {
  const options = { loginRequired: false, anonymous: 'none', admins: ['root'] } as const
  t.same(row(options, 'anonymous'), ['allow', 'allow', 'allow', 'allow', 'allow', 'deny'])
  t.end()
})

t.test('with logins a stranger is asked for one everywhere', (t) => {
  t.same(row(NONE, 'anonymous'), ['login', 'login', 'login', 'login', 'login', 'login'])
  t.end()
})

t.test('access.anonymous: pull opens ping, pull and list, nothing else', (t) => {
  t.same(row({ ...NONE, anonymous: 'pull' }, 'anonymous'), ['allow', 'allow', 'login', 'login', 'allow', 'login'])
  t.end()
})

t.test('a user may do all but admin, which is for those that access.admins names', (t) => {
  t.same(row(NONE, { user: 'eve' }), ['allow', 'allow', 'allow', 'allow', 'allow', 'deny'])
  t.same(row(NONE, { user: 'root' }), ['allow', 'allow', 'allow', 'allow', 'allow', 'allow'])
  t.same(row({ ...NONE, admins: [] }, { user: 'constructor' }).at(-1), 'deny')
  t.end()
})

t.test('a user called anonymous is a user', (t) => {
  t.equal(createPolicy(NONE).decide({ user: 'anonymous' }, 'push'), 'allow')
  t.end()
})
