import t from 'tap'
import { loginOf, mergePullSecrets, partOf, readPullSecret } from '../../../src/openshift/cluster/pull-secret.ts'
import { parseRegistryName } from '../../../src/openshift/cluster/registry-name.ts'

const REG = parseRegistryName('reg.example.com:5000')
const encode = (text: string): string => Buffer.from(text).toString('base64')
const SECRET = 'hunter2-very-secret'
const LOGIN = { user: 'david', password: SECRET }
const OURS = { registry: REG, login: LOGIN }
const REDHAT = { auth: encode('redhat:token'), email: 'me@example.com' }

const read = (value: unknown, source = 'file') => ({ source, secret: readPullSecret(JSON.stringify(value), source) })

t.test('ours is put among the logins of others, on one line, and unknown keys stay', async (t) => {
  const before = read({ auths: { 'cloud.openshift.com': REDHAT, 'quay.io': REDHAT }, HttpHeaders: { a: 'b' } })
  const { text, notes } = mergePullSecrets([before], { ...OURS, email: 'x@example.com' })
  t.notMatch(text, '\n')
  t.same(JSON.parse(text), {
    auths: {
      'cloud.openshift.com': REDHAT,
      'quay.io': REDHAT,
      'reg.example.com:5000': { auth: encode(`david:${SECRET}`), email: 'x@example.com' },
    },
    HttpHeaders: { a: 'b' },
  })
  t.same(notes, [])
})

t.test('the later file wins, and ours wins over all', async (t) => {
  const entry = (who: string) => ({ auth: encode(`${who}:pw`) })
  const files = ['first', 'second'].map((who) =>
    read({ auths: { 'quay.io': entry(who), 'reg.example.com:5000': entry(who) } }, who),
  )
  const { auths } = JSON.parse(mergePullSecrets(files, OURS).text) as { auths: Record<string, { auth: string }> }
  t.equal(auths['quay.io']?.auth, encode('second:pw'))
  t.equal(auths['reg.example.com:5000']?.auth, encode(`david:${SECRET}`))
})

t.test('a longer path of this registry, which podman would take first, gets our login too', async (t) => {
  const before = read({
    auths: {
      'reg.example.com:5000/ocp4': { auth: encode('old:old'), email: 'a@b' },
      'https://reg.example.com:5000/v1/': REDHAT,
    },
  })
  const { text, notes } = mergePullSecrets([before], OURS)
  t.same(JSON.parse(text), {
    auths: {
      'reg.example.com:5000/ocp4': { auth: encode(`david:${SECRET}`), email: 'a@b' },
      'reg.example.com:5000': { auth: encode(`david:${SECRET}`) },
    },
  })
  t.equal(notes.length, 1)
  t.notMatch(notes.join('\n'), SECRET)
})

t.test('credential helpers are left out, with a word about it', async (t) => {
  const { text, notes } = mergePullSecrets(
    [read({ auths: {}, credsStore: 'desktop', credHelpers: { 'quay.io': 'x' } })],
    OURS,
  )
  t.same(Object.keys(JSON.parse(text) as object), ['auths'])
  t.match(notes, ['credsStore and credHelpers of file left out: nodes have no such programs'])
})

t.test('a Secret is opened, as JSON, as YAML, and as the bare base64 of its value', async (t) => {
  const inner = JSON.stringify({ auths: { 'quay.io': REDHAT } })
  const value = encode(inner)
  const texts = [
    JSON.stringify({ kind: 'Secret', data: { '.dockerconfigjson': value } }),
    `apiVersion: v1\nkind: Secret\ndata:\n  .dockerconfigjson: ${value}\n`,
    `kind: Secret\nstringData:\n  .dockerconfigjson: '${inner}'\n`,
    JSON.stringify({ kind: 'List', items: [{ kind: 'Secret', data: { '.dockerconfigjson': value } }] }),
    `${value}\n`,
    JSON.stringify({ kind: 'Secret', data: { '.dockercfg': encode(JSON.stringify({ 'quay.io': REDHAT })) } }),
  ]
  for (const text of texts) t.same(readPullSecret(text, 'file').auths, { 'quay.io': REDHAT }, text.slice(0, 40))
})

t.test('what is no pull secret is refused without a word of what it holds', async (t) => {
  const texts = [
    '',
    `{"auths": "${SECRET}"}`,
    `{"auths": {"quay.io": "${SECRET}"}}`,
    `${SECRET}: [`,
    `"${SECRET}"`,
    '[]',
    `{"kind":"Secret","data":{"x":"${SECRET}"}}`,
    '{}',
  ]
  for (const text of texts) {
    try {
      readPullSecret(text, 'the file')
      t.fail(`taken: ${text}`)
    } catch (error) {
      const { name, message, hint = '' } = error as { name: string; message: string; hint?: string }
      t.equal(name, 'Problem', text)
      t.match(message, 'the file')
      t.notMatch(`${message}${hint}`, SECRET)
    }
  }
})

t.test('the login of an entry is found in each of its spellings', async (t) => {
  t.same(loginOf({ auth: encode('david:a:b') }), { user: 'david', password: 'a:b' })
  t.same(loginOf({ auth: encode('david:pw\0\0') }), { user: 'david', password: 'pw' })
  t.same(loginOf({ username: 'david', password: 'pw' }), { user: 'david', password: 'pw' })
  t.equal(loginOf({ auth: encode('nobody') }), undefined)
  t.equal(loginOf({ auth: encode('david:') }), undefined)
  t.equal(loginOf({ identitytoken: 'x' }), undefined)
})

t.test('a key speaks of the whole registry, of a part of it, or of another', async (t) => {
  t.equal(partOf('reg.example.com:5000', REG), '')
  t.equal(partOf('https://REG.example.com:5000/v2/', REG), '')
  t.equal(partOf('reg.example.com:5000/ocp4/x', REG), 'ocp4/x')
  t.equal(partOf('reg.example.com:50000', REG), undefined)
  t.equal(partOf('reg.example.com', REG), undefined)
  t.equal(partOf('reg.example.com:443/x', parseRegistryName('reg.example.com')), 'x')
})
