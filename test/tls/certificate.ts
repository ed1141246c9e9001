import { execFile, execFileSync } from 'node:child_process'
import { createPrivateKey, randomBytes, X509Certificate } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { createServer, get } from 'node:https'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import t from 'tap'
import { makeAuthority, makeServerCertificate } from '../../src/tls/certificate.ts'

const parts = { clock: Date.now, random: randomBytes }
const HOSTS = ['registry.example.com', 'localhost', '127.0.0.1', '::1', '2001:db8::1']
const DAY = 86_400_000

function makePair(hosts: readonly string[] = HOSTS) {
  const ca = makeAuthority({ name: 'Tarn CA test', ...parts })
  return { ca, server: makeServerCertificate({ ca, hosts, ...parts }) }
}

t.test('OpenSSL verifies the chain strictly, for every name and address', (t) => {
  const directory = t.testdir()
  const { ca, server } = makePair()
  const [caFile, serverFile] = [join(directory, 'ca.crt'), join(directory, 'server.crt')]
  writeFileSync(caFile, ca.certificate)
  writeFileSync(serverFile, server.certificate)
  const verify = (...more: string[]): string =>
    execFileSync(
      'openssl',
      ['verify', '-x509_strict', '-purpose', 'sslserver', '-CAfile', caFile, ...more, serverFile],
      {
        encoding: 'utf8',
        stdio: ['ignore', 'pipe', 'pipe'],
      },
    )
  for (const host of ['registry.example.com', 'localhost']) t.match(verify('-verify_hostname', host), /: OK/)
  for (const ip of ['127.0.0.1', '::1', '2001:db8::1']) t.match(verify('-verify_ip', ip), /: OK/)
  t.throws(() => verify('-verify_hostname', 'other.example.com'))
  t.throws(() => verify('-verify_ip', '127.0.0.2'))
  t.match(execFileSync('openssl', ['verify', '-x509_strict', '-CAfile', caFile, caFile], { encoding: 'utf8' }), /: OK/)
  t.end()
})

t.test('the server certificate is for servers only, the authority for signing only', (t) => {
  const { ca, server } = makePair()
  const [authority, leaf] = [new X509Certificate(ca.certificate), new X509Certificate(server.certificate)]
  t.ok(authority.ca)
  t.notOk(leaf.ca)
  t.same(leaf.keyUsage, ['1.3.6.1.5.5.7.3.1'])
  t.ok(leaf.checkIssued(authority))
  t.ok(leaf.verify(authority.publicKey))
  t.ok(leaf.checkPrivateKey(createPrivateKey(server.key)))
  t.notOk(leaf.checkPrivateKey(createPrivateKey(ca.key)))
  t.equal(leaf.subjectAltName?.split(', ').length, HOSTS.length)
  t.not(
    leaf.serialNumber,
    new X509Certificate(makeServerCertificate({ ca, hosts: HOSTS, ...parts }).certificate).serialNumber,
  )
  t.end()
})

t.test(
  'is valid at once and for a clock that is a little behind; 825 days for the server, ten years for the CA',
  (t) => {
    const { ca, server } = makePair()
    for (const [pem, days] of [
      [ca.certificate, 3650],
      [server.certificate, 825],
    ] as const) {
      const { validFromDate, validToDate } = new X509Certificate(pem)
      t.ok(validFromDate.getTime() < Date.now() - 3_000_000)
      const length = validToDate.getTime() - validFromDate.getTime()
      t.ok(length <= days * DAY && length > (days - 1) * DAY)
    }
    t.end()
  },
)

t.test('no server certificate lives for longer than 825 days or than its authority', (t) => {
  const ca = makeAuthority({ name: 'short', days: 10, ...parts })
  const end = new X509Certificate(ca.certificate).validToDate.getTime()
  t.equal(
    new X509Certificate(makeServerCertificate({ ca, hosts: ['a'], ...parts }).certificate).validToDate.getTime(),
    end,
  )
  const long = makeAuthority({ name: 'long', ...parts })
  const { validFromDate, validToDate } = new X509Certificate(
    makeServerCertificate({ ca: long, hosts: ['a'], days: 5000, ...parts }).certificate,
  )
  t.ok(validToDate.getTime() - validFromDate.getTime() <= 825 * DAY)
  t.end()
})

t.test('keeps a key that it is given', (t) => {
  const { ca, server } = makePair()
  const again = makeServerCertificate({ ca, hosts: ['a.example'], key: server.key, ...parts })
  t.equal(again.key, server.key)
  t.ok(new X509Certificate(again.certificate).checkPrivateKey(createPrivateKey(server.key)))
  t.end()
})

t.test('refuses an authority that does not fit its key, has run out, or is another’s', (t) => {
  const { ca } = makePair()
  const other = makeAuthority({ name: 'other', ...parts })
  const make = (authority: typeof ca, clock = Date.now) =>
    makeServerCertificate({ ca: authority, hosts: ['a'], random: randomBytes, clock })
  t.throws(() => make({ certificate: ca.certificate, key: other.key }), /does not belong/)
  t.throws(() => make(ca, () => Date.now() + 3651 * DAY), /run out/)
  const directory = t.testdir()
  const [key, certificate] = [join(directory, 'k'), join(directory, 'c')]
  execFileSync(
    'openssl',
    [
      'req',
      '-x509',
      '-newkey',
      'ec',
      '-pkeyopt',
      'ec_paramgen_curve:P-256',
      '-nodes',
      '-keyout',
      key,
      '-out',
      certificate,
      '-subj',
      '/O=Corp/CN=Corp CA',
    ],
    { stdio: 'ignore' },
  )
  t.throws(() => make({ certificate: read(certificate), key: read(key) }), /not made by Tarn/)
  t.throws(() => makeServerCertificate({ ca, hosts: [], ...parts }), /at least one host/)
  t.end()
})

t.test('curl and Node reach a server with it by name, by IPv4 and by IPv6', async (t) => {
  const { ca, server } = makePair()
  const caFile = join(t.testdir(), 'ca.crt')
  writeFileSync(caFile, ca.certificate)
  const https = createServer({ cert: server.certificate, key: server.key }, (_request, response) =>
    response.end('hello'),
  )
  t.teardown(() => void https.close())
  await new Promise<void>((resolve) => https.listen(0, '127.0.0.1', resolve))
  const { port } = https.address() as AddressInfo
  for (const host of ['localhost', '127.0.0.1', 'registry.example.com']) {
    const body = await curl([
      '--cacert',
      caFile,
      '--resolve',
      `registry.example.com:${port}:127.0.0.1`,
      '--ipv4',
      `https://${host}:${port}/`,
    ])
    t.equal(body, 'hello', `curl ${host}`)
  }
  await t.rejects(
    curl([
      '--cacert',
      caFile,
      '--resolve',
      `other.example.com:${port}:127.0.0.1`,
      `https://other.example.com:${port}/`,
    ]),
  )
  for (const servername of ['localhost', 'registry.example.com']) {
    t.equal(await status({ port, ca: ca.certificate, servername }), 200, `node ${servername}`)
  }
  t.equal(await status({ port, ca: ca.certificate }), 200, 'node 127.0.0.1')
})

function read(path: string): string {
  return readFileSync(path, 'utf8')
}

function curl(args: string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    execFile('curl', ['-sS', '--noproxy', '*', ...args], (error, stdout) =>
      error === null ? resolve(stdout) : reject(error),
    )
  })
}

function status(options: { port: number; ca: string; servername?: string }): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    get({ host: '127.0.0.1', agent: false, ...options }, (response) => {
      response.resume()
      resolve(response.statusCode)
    }).on('error', reject)
  })
}
