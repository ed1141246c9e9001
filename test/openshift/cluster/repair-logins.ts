import t from 'tap'
import { hashPassword } from '../../../src/auth/password.ts'
import { readPullSecret } from '../../../src/openshift/cluster/pull-secret.ts'
import { parseRegistryName } from '../../../src/openshift/cluster/registry-name.ts'
import { planLogins } from '../../../src/openshift/cluster/repair-logins.ts'

const REG = parseRegistryName('reg.example.com:5000')
const entry = (login: string): { auth: string } => ({ auth: Buffer.from(login).toString('base64') })
const secretOf = (auths: Record<string, object>) => readPullSecret(JSON.stringify({ auths }), 'the secret')

t.test('each user of the pull secret is added, renewed or left as it is', async (t) => {
  const secret = secretOf({
    'quay.io': entry('redhat:token'),
    'reg.example.com:5000': entry('david:one'),
    'reg.example.com:5000/ocp4': entry('eve:two'),
    'reg.example.com:5000/other': entry('adam:three'),
  })
  const htpasswd = `david:${await hashPassword('one')}\neve:${await hashPassword('old')}\nadmin:${await hashPassword('x')}\n`
  const { users, others, notes } = await planLogins(secret, REG, htpasswd)
  t.same(
    users.map(({ login, change }) => [login.user, change]),
    [
      ['david', 'as it is'],
      ['eve', 'new password'],
      ['adam', 'added'],
    ],
  )
  t.same(others, ['admin'])
  t.same(notes, [])
})

t.test('of two passwords of one user that for the whole registry counts', async (t) => {
  const secret = secretOf({
    'reg.example.com:5000/ocp4': entry('david:two'),
    'reg.example.com:5000': entry('david:one'),
  })
  const { users, notes } = await planLogins(secret, REG, '')
  t.match(users, [{ login: { user: 'david', password: 'one' }, change: 'added' }])
  t.match(notes, [/^reg.example.com:5000\/ocp4 has another password of david/])
  t.notMatch(notes.join(''), 'two')
})

t.test('a secret without a login for the registry says so, and what it has for the host', async (t) => {
  await t.rejects(planLogins(secretOf({ 'reg.example.com:8443': entry('a:b') }), REG, ''), {
    name: 'Problem',
    hint: /it has one for reg.example.com:8443/,
  })
  await t.rejects(planLogins(secretOf({ 'reg.example.com:5000': { identitytoken: 'x' } }), REG, ''), {
    name: 'Problem',
  })
  await t.rejects(planLogins(secretOf({ 'reg.example.com:5000': entry('#bad:x') }), REG, ''), { name: 'Problem' })
})
