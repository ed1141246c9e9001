import t from 'tap'
import { createSecureContext } from 'node:tls'
import { cipherList, minimumVersion } from '../../src/tls/protocol.ts'

function collect() {
  const warnings: string[] = []
  return { warnings, warn: (message: string) => void warnings.push(message) }
}

t.test('TLS 1.2 is the lowest, whatever is asked for', (t) => {
  const { warnings, warn } = collect()
  t.equal(minimumVersion(undefined, warn), 'TLSv1.2')
  t.equal(minimumVersion('tls1.2', warn), 'TLSv1.2')
  t.equal(minimumVersion('tls1.3', warn), 'TLSv1.3')
  t.same(warnings, [])
  t.equal(minimumVersion('tls1.0', warn), 'TLSv1.2')
  t.equal(minimumVersion('tls1.1', warn), 'TLSv1.2')
  t.equal(warnings.length, 2)
  t.throws(() => minimumVersion('ssl3', warn), /unknown version ssl3/)
  t.end()
})

t.test('offers only suites with forward secrecy and AEAD', (t) => {
  const { warn } = collect()
  for (const cipher of cipherList(undefined, warn).split(':')) t.match(cipher, /^(TLS_|ECDHE-).*(GCM|POLY1305)/)
  t.doesNotThrow(() => createSecureContext({ ciphers: cipherList([], warn) }))
  t.end()
})

t.test('takes the names of Go, leaves weak ones out with a warning, and keeps TLS 1.3', (t) => {
  const { warnings, warn } = collect()
  const list = cipherList(
    ['TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384', 'TLS_RSA_WITH_AES_128_CBC_SHA', 'TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305'],
    warn,
  )
  t.equal(
    list,
    'TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256:ECDHE-RSA-AES256-GCM-SHA384:ECDHE-RSA-CHACHA20-POLY1305',
  )
  t.match(warnings, [/TLS_RSA_WITH_AES_128_CBC_SHA is weak/])
  t.doesNotThrow(() => createSecureContext({ ciphers: list }))
  t.end()
})

t.test('refuses unknown suites and a list that leaves none', (t) => {
  const { warn } = collect()
  t.throws(() => cipherList(['TLS_NONSENSE'], warn), /unknown cipher suite/)
  t.throws(() => cipherList(['TLS_RSA_WITH_RC4_128_SHA'], warn), /no cipher suite/)
  t.doesNotThrow(() => cipherList(['TLS_AES_128_GCM_SHA256'], warn))
  t.end()
})
