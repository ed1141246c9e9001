import { randomBytes, X509Certificate } from 'node:crypto'
import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import type { Test } from 'tap'
import { makeHome } from '../../src/config/init.ts'
import { makeAuthority, makeServerCertificate } from '../../src/tls/certificate.ts'
import { runTarn } from '../helpers/tarn.ts'

async function make(t: Test) {
  const home = t.testdir()
  await makeHome({
    directory: home,
    configFile: join(home, 'config.yml'),
    dataDirectory: join(home, 'data'),
    authDirectory: join(home, 'auth'),
    certsDirectory: join(home, 'certs'),
    hosts: ['registry.example.com', '192.0.2.7'],
    user: 'david',
    password: 'secret',
    port: 5000,
    clock: Date.now,
    random: randomBytes,
  })
  const read = (name: string): string => readFileSync(join(home, 'certs', name), 'utf8')
  return { home, read, leaf: () => new X509Certificate(read('server.crt')) }
}

t.test('show tells names, days and fingerprint of the certificate and its CA', async (t) => {
  const { home, leaf } = await make(t)
  const { code, stdout, stderr } = await runTarn(home, ['cert', 'show'])
  t.equal(code, 0, stderr)
  t.match(stdout, 'registry.example.com, 192.0.2.7, localhost, 127.0.0.1')
  t.match(stdout, '824 days left')
  t.match(stdout, leaf().fingerprint256)
  t.match(stdout, 'ca.crt   (CA)')
  const json = JSON.parse((await runTarn(home, ['cert', 'show', '--json'])).stdout) as { certificates: object[] }
  t.match(json.certificates, [{ authority: false, daysLeft: 824 }, { authority: true }])
})

t.test('renew makes a new certificate with the old CA, key and names', async (t) => {
  const { home, read, leaf } = await make(t)
  const [old, ca, key] = [leaf(), read('ca.crt'), read('server.key')]
  const { code, stderr } = await runTarn(home, ['cert', 'renew'])
  t.equal(code, 0, stderr)
  t.not(leaf().fingerprint256, old.fingerprint256)
  t.equal(leaf().subjectAltName, old.subjectAltName)
  t.ok(leaf().verify(new X509Certificate(ca).publicKey))
  t.equal(read('ca.crt'), ca)
  t.equal(read('server.key'), key)
})

t.test('renew --host takes other names, and makes a new key when the old one is gone', async (t) => {
  const { home, read, leaf } = await make(t)
  const key = read('server.key')
  rmSync(join(home, 'certs/server.key'))
  const { code, stderr } = await runTarn(home, ['cert', 'renew', '--host', 'new.example.com', '--host', '192.0.2.8'])
  t.equal(code, 0, stderr)
  t.match(leaf().subjectAltName, 'DNS:new.example.com, IP Address:192.0.2.8, DNS:localhost')
  t.not(read('server.key'), key)
})

t.test('renew does not replace a certificate of another CA, nor work without the key of its own', async (t) => {
  const { home, read } = await make(t)
  const other = makeAuthority({ name: 'other', clock: Date.now, random: randomBytes })
  const foreign = makeServerCertificate({ ca: other, hosts: ['a'], clock: Date.now, random: randomBytes })
  writeFileSync(join(home, 'certs/server.crt'), foreign.certificate)
  const refused = await runTarn(home, ['cert', 'renew'])
  t.equal(refused.code, 1)
  t.match(refused.stderr, /^error: .* was not made by the CA beside it.*\nhint: .*\n$/)
  t.equal(read('server.crt'), foreign.certificate)
  rmSync(join(home, 'certs/ca.key'))
  const keyless = await runTarn(home, ['cert', 'renew', '--host', 'a'])
  t.equal(keyless.code, 1)
  t.match(keyless.stderr, /ca\.key/)
})
