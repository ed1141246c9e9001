import { randomBytes } from 'node:crypto'
import { execFileSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { makeAuthority, makeServerCertificate } from '../../src/tls/certificate.ts'
import { describeCertificate } from '../../src/tls/describe.ts'

const parts = { clock: Date.now, random: randomBytes }

t.test('describes every certificate of a chain, with the fingerprint that OpenSSL prints', (t) => {
  const path = join(t.testdir(), 'chain.crt')
  const ca = makeAuthority({ name: 'Tarn CA test', ...parts })
  const server = makeServerCertificate({ ca, hosts: ['registry.example.com', '127.0.0.1', '::1'], ...parts })
  writeFileSync(path, server.certificate + ca.certificate)
  const [leaf, authority, ...more] = describeCertificate(path, Date.now())
  t.match(leaf, {
    subject: 'CN=registry.example.com',
    issuer: 'CN=Tarn CA test',
    hosts: ['registry.example.com', '127.0.0.1', '::1'],
    authority: false,
    daysLeft: 824,
  })
  t.match(authority, { subject: 'CN=Tarn CA test', hosts: [], authority: true })
  t.same(more, [])
  const printed = execFileSync('openssl', ['x509', '-in', path, '-noout', '-fingerprint', '-sha256'], {
    encoding: 'utf8',
  })
  t.equal(printed.trim().split('=')[1], leaf?.fingerprint)
  t.equal(describeCertificate(path, Date.now() + 900 * 86_400_000)[0]?.daysLeft, -76)
  t.end()
})

t.test('says what is wrong with a file that holds no certificate or is not there', (t) => {
  const directory = t.testdir({
    empty: 'nothing',
    broken: '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n',
  })
  t.throws(() => describeCertificate(join(directory, 'empty'), 0), /holds no certificate/)
  t.throws(() => describeCertificate(join(directory, 'broken'), 0), /cannot be read/)
  t.throws(() => describeCertificate(join(directory, 'none'), 0), /ENOENT/)
  t.end()
})
