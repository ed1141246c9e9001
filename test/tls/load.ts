import { execFileSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { chmodSync, readFileSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import type { ConnectionOptions } from 'node:tls'
import { connect } from 'node:tls'
import t from 'tap'
import type { Test } from 'tap'
import { makeAuthority, makeServerCertificate } from '../../src/tls/certificate.ts'
import type { TlsConfig } from '../../src/tls/load.ts'
import { loadTls } from '../../src/tls/load.ts'

const parts = { clock: Date.now, random: randomBytes }
const ca = makeAuthority({ name: 'Tarn CA test', ...parts })
const pair = makeServerCertificate({ ca, hosts: ['localhost', '127.0.0.1'], ...parts })

function write(t: Test) {
  const directory = t.testdir()
  const config = { certificate: join(directory, 'server.crt'), key: join(directory, 'server.key') }
  writeFileSync(config.certificate, pair.certificate)
  writeFileSync(config.key, pair.key, { mode: 0o600 })
  return { ...config, directory }
}

function load(config: TlsConfig) {
  const warnings: string[] = []
  return { loaded: loadTls(config, { clock: Date.now, warn: (message) => warnings.push(message) }), warnings }
}

/** What a client gets: the protocol of the connection, or the error that ended it before one byte of an answer. */
async function greet(t: Test, config: TlsConfig, options: ConnectionOptions): Promise<string> {
  const server = createServer(load(config).loaded.server, (_request, response) => response.end('hello'))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => server.closeAllConnections())
  const { port } = server.address() as AddressInfo
  try {
    return await new Promise((resolve) => {
      const socket = connect({ host: '127.0.0.1', port, ca: ca.certificate, ...options })
      socket.once('secureConnect', () => socket.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n'))
      socket.once('data', () => {
        resolve(`${socket.getProtocol()} ${socket.getCipher().name} ${String(socket.alpnProtocol)}`)
        socket.destroy()
      })
      socket.once('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message))
      socket.once('close', () => resolve('closed'))
    })
  } finally {
    server.close()
  }
}

t.test('speaks TLS 1.3 and 1.2 with forward secrecy, nothing older', async (t) => {
  const config = write(t)
  t.match(await greet(t, config, {}), /^TLSv1\.3 /)
  t.match(await greet(t, config, { maxVersion: 'TLSv1.2' }), /^TLSv1\.2 ECDHE-/)
  t.match(
    await greet(t, config, { minVersion: 'TLSv1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT:@SECLEVEL=0' }),
    /ERR_SSL|ALERT/,
  )
  t.match(await greet(t, config, { maxVersion: 'TLSv1.2', ciphers: 'AES128-SHA:@SECLEVEL=0' }), /ERR_SSL/)
  t.match(await greet(t, { ...config, minimumtls: 'tls1.3' }, { maxVersion: 'TLSv1.2' }), /ERR_SSL/)
})

t.test('offers HTTP/1.1 and never HTTP/2', async (t) => {
  t.match(await greet(t, write(t), { ALPNProtocols: ['h2', 'http/1.1'] }), / http\/1\.1$/)
})

t.test('with clientcas a client must show a certificate of theirs', async (t) => {
  const { directory, ...files } = write(t)
  const clientCa = makeAuthority({ name: 'clients', ...parts })
  const stranger = makeServerCertificate({ ca, hosts: ['node1'], ...parts })
  const path = join(directory, 'clients.crt')
  writeFileSync(path, clientCa.certificate)
  const config = { ...files, clientcas: [path] }
  const [caKey, key, certificate] = ['ca.key', 'client.key', 'client.crt'].map((name) => join(directory, name)) as [
    string,
    string,
    string,
  ]
  writeFileSync(caKey, clientCa.key, { mode: 0o600 })
  const curve = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes']
  execFileSync(
    'openssl',
    ['req', '-x509', ...curve, '-keyout', key, '-out', certificate, '-subj', '/CN=node1', '-CA', path, '-CAkey', caKey],
    { stdio: 'ignore' },
  )
  const client = { cert: readFileSync(certificate), key: readFileSync(key) }
  t.match(await greet(t, config, client), /^TLSv1\.3 /)
  t.match(await greet(t, config, {}), /ERR_SSL|ECONNRESET|closed/)
  t.match(await greet(t, config, { cert: stranger.certificate, key: stranger.key }), /ERR_SSL|ECONNRESET|closed/)
})

t.test('refuses what does not work and says which file', async (t) => {
  const { directory, ...config } = write(t)
  const other = makeServerCertificate({ ca, hosts: ['localhost'], ...parts })
  const garbage = join(directory, 'garbage')
  const key = join(directory, 'other.key')
  writeFileSync(garbage, 'nothing')
  writeFileSync(key, other.key, { mode: 0o600 })
  t.throws(() => load({ ...config, key }), /does not belong/)
  t.throws(() => load({ ...config, key: garbage }), { message: /not an unencrypted private key/, hint: /openssl pkey/ })
  t.throws(() => load({ ...config, certificate: garbage }), new RegExp(`${garbage} holds no certificate`))
  t.throws(() => load({ ...config, certificate: join(directory, 'none') }), /cannot read the TLS certificate .*ENOENT/)
  t.throws(() => load({ ...config, certificate: directory }), /cannot read the TLS certificate .*EINVAL/)
  t.throws(() => load({ ...config, clientcas: [garbage] }), /holds no certificate/)
  t.throws(() => load({ certificate: config.certificate }), /needs both/)
})

t.test('warns of a key that everybody can read and of a certificate that has run out', (t) => {
  const { directory: _directory, ...config } = write(t)
  t.same(load(config).warnings, [])
  chmodSync(config.key, 0o644)
  t.match(load(config).warnings, [/chmod o-r/])
  chmodSync(config.key, 0o600)
  const warnings: string[] = []
  loadTls(config, { clock: () => Date.now() + 900 * 86_400_000, warn: (message) => warnings.push(message) })
  t.match(warnings, [/ran out .* tarn cert renew/])
  t.end()
})
