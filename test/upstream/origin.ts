import t from 'tap'
import { hostOf, isSameSite, originOf, registrableOf } from '../../src/upstream/origin.ts'

t.test('an origin is scheme, host and port in one spelling', async (t) => {
  t.equal(originOf(new URL('https://Quay.IO:443/x?y')), 'https://quay.io')
  t.equal(originOf(new URL('http://[0:0::1]:5000')), 'http://[::1]:5000')
  t.equal(originOf(new URL('https://0x7f.1/')), 'https://127.0.0.1')
})

t.test('a host comes without brackets and without a full stop behind', async (t) => {
  t.equal(hostOf(new URL('https://[::1]:5000')), '::1')
  t.equal(hostOf(new URL('https://quay.io./')), 'quay.io')
})

for (const [a, b] of [
  ['registry-1.docker.io', 'auth.docker.io'],
  ['quay.io', 'cdn01.quay.io'],
  ['registry.gitlab.com', 'gitlab.com'],
  ['registry.access.redhat.com', 'sso.redhat.com'],
  ['registry.example.co.uk', 'auth.example.co.uk'],
  ['a.b.corp.example', 'auth.corp.example'],
  ['QUAY.io', 'quay.IO'],
] as const) {
  t.test(`${a} and ${b} have one owner`, async (t) => {
    t.ok(isSameSite(a, b))
  })
}

for (const [a, b] of [
  ['quay.io', 'docker.io'],
  ['quay.io', 'evil-quay.io'],
  ['quay.io', 'quay.io.evil.com'],
  ['a.co.uk', 'b.co.uk'],
  ['a.com.cn', 'b.com.cn'],
  ['mine.azurecr.io', 'evil.azurecr.io'],
  ['1.dkr.ecr.eu-west-1.amazonaws.com', '2.dkr.ecr.eu-west-1.amazonaws.com'],
  ['mine.jfrog.io', 'evil.jfrog.io'],
  ['x.mine.azurecr.io', 'y.mine.azurecr.io'],
  ['azurecr.io', 'evil.azurecr.io'],
  ['registry.corp', 'auth.corp'],
  ['registry', 'auth'],
  ['127.0.0.1', '127.0.0.2'],
  ['10.0.0.1', '10.0.0.1.nip.io'],
  ['a.localhost', 'b.localhost'],
  ['1.2.3.4', '9.2.3.4'],
  ['::1', '::2'],
] as const) {
  t.test(`${a} and ${b} have different owners`, async (t) => {
    t.notOk(isSameSite(a, b))
    t.notOk(isSameSite(b, a))
  })
}

t.test('a host is always its own', async (t) => {
  for (const host of ['localhost', '::1', '127.0.0.1', 'registry', 'mine.azurecr.io']) t.ok(isSameSite(host, host))
})

t.test('nobody owns a top level, an address or an empty label', async (t) => {
  for (const host of ['io', 'co.uk', 'azurecr.io', '127.0.0.1', 'a..io', 'localhost'])
    t.equal(registrableOf(host), undefined)
})
