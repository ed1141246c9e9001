// Which TLS versions and cipher suites are spoken: from distribution's words (`http.tls.minimumtls`,
// `http.tls.ciphersuites`, names as in Go's crypto/tls) to OpenSSL's. Never below TLS 1.2, never without
// forward secrecy and AEAD, whatever the configuration asks for.
import type { SecureVersion } from 'node:tls'
import { Problem } from '../config/problem.ts'

const TLS13 = ['TLS_AES_128_GCM_SHA256', 'TLS_AES_256_GCM_SHA384', 'TLS_CHACHA20_POLY1305_SHA256'] as const

const TLS12: ReadonlyMap<string, string> = new Map([
  ['TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256', 'ECDHE-ECDSA-AES128-GCM-SHA256'],
  ['TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256', 'ECDHE-RSA-AES128-GCM-SHA256'],
  ['TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384', 'ECDHE-ECDSA-AES256-GCM-SHA384'],
  ['TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384', 'ECDHE-RSA-AES256-GCM-SHA384'],
  ['TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256', 'ECDHE-ECDSA-CHACHA20-POLY1305'],
  ['TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256', 'ECDHE-RSA-CHACHA20-POLY1305'],
])

// Suites that distribution takes and Tarn leaves out: CBC, RC4, or RSA key exchange.
const WEAK =
  /^TLS_(?:ECDHE_(?:ECDSA|RSA)|RSA)_WITH_(?:RC4_128_SHA|3DES_EDE_CBC_SHA|AES_(?:128|256)_CBC_SHA(?:256)?|AES_(?:128_GCM_SHA256|256_GCM_SHA384))$/

/** The lowest version for a `minimumtls` value (TLS 1.2 unless given); `warn` hears of what is not obeyed. Throws a Problem. */
export function minimumVersion(value: string | undefined, warn: (message: string) => void): SecureVersion {
  switch (value ?? '') {
    case '':
    case 'tls1.2':
      return 'TLSv1.2'
    case 'tls1.3':
      return 'TLSv1.3'
    case 'tls1.0':
    case 'tls1.1':
      warn(`http.tls.minimumtls: ${value} is not offered any more; TLS 1.2 is the lowest`)
      return 'TLSv1.2'
    default:
      throw new Problem(`http.tls.minimumtls: unknown version ${value}`, { hint: 'use tls1.2 or tls1.3' })
  }
}

/** OpenSSL's cipher list for Go's names (all good ones unless given). Throws a Problem when none is left. */
export function cipherList(names: readonly string[] | undefined, warn: (message: string) => void): string {
  if (names === undefined || names.length === 0) return [...TLS13, ...TLS12.values()].join(':')
  const chosen: string[] = []
  for (const name of names) {
    const cipher = TLS12.get(name.replace(/(CHACHA20_POLY1305)$/, '$1_SHA256'))
    if (cipher !== undefined) chosen.push(cipher)
    else if (WEAK.test(name)) warn(`http.tls.ciphersuites: ${name} is weak and is left out`)
    else if (!TLS13.some((suite) => suite === name)) {
      throw new Problem(`http.tls.ciphersuites: unknown cipher suite ${name}`, {
        hint: `use names such as ${[...TLS12.keys()][0]}`,
      })
    }
  }
  if (chosen.length === 0 && !names.some((name) => TLS13.some((suite) => suite === name))) {
    throw new Problem('http.tls.ciphersuites leaves no cipher suite', { hint: 'remove the key to get the good ones' })
  }
  // As in Go, the suites of TLS 1.3 are not a matter of configuration.
  return [...TLS13, ...chosen].join(':')
}
