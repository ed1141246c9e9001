// Reads certificate, key and client authorities from disk and makes them what node:tls wants. Nothing is handed out that
// does not work: the key fits, the certificate parses, OpenSSL takes both. A key must never get into a message.
import { constants, createPrivateKey, X509Certificate } from 'node:crypto'
import type { SecureContextOptions, TlsOptions } from 'node:tls'
import { createSecureContext } from 'node:tls'
import { describeUnreadable, Problem } from '../config/problem.ts'
import type { FileReading } from '../config/watched-file.ts'
import { isWorldReadable, readWatchedFile } from '../config/watched-file.ts'
import { splitPem } from './describe.ts'
import { cipherList, minimumVersion } from './protocol.ts'

/** `http.tls` of the configuration, with distribution's keys. */
export interface TlsConfig {
  readonly certificate?: string | undefined
  readonly key?: string | undefined
  readonly clientcas?: readonly string[] | undefined
  readonly clientauth?: string | undefined
  readonly minimumtls?: string | undefined
  readonly ciphersuites?: readonly string[] | undefined
}

export interface LoadedTls {
  /** For `https.createServer`; Fastify takes it as `https`. */
  readonly server: TlsOptions
  /** For `server.setSecureContext`. */
  readonly context: SecureContextOptions
  /** One text for the state of all files; undefined while one of them is too young to be sure. */
  readonly stamp: string | undefined
}

export interface LoadOptions {
  /** Milliseconds since 1970. */
  readonly clock: () => number
  readonly warn: (message: string) => void
}

/** The paths whose change matters. */
export function tlsFiles(config: TlsConfig): string[] {
  return [config.certificate, config.key, ...(config.clientcas ?? [])].filter((path) => path !== undefined)
}

/** Loads `http.tls`. Throws a Problem that names the file, and for one that may not be read the uid and the cure. */
export function loadTls(config: TlsConfig, { clock, warn }: LoadOptions): LoadedTls {
  const { certificate: certificatePath, key: keyPath } = config
  if (certificatePath === undefined || keyPath === undefined) {
    throw new Problem('http.tls needs both certificate and key', { hint: 'set http.tls.certificate and http.tls.key' })
  }
  const certificate = readPart('TLS certificate', certificatePath, clock())
  const key = readPart('TLS key', keyPath, clock())
  const clientAuthorities = (config.clientcas ?? []).map((path) => readPart('client authority', path, clock()))
  if (isWorldReadable(key.mode)) warn(`everybody on this machine can read the TLS key; run: chmod o-r ${keyPath}`)

  checkPair({ certificatePath, keyPath, certificate: certificate.bytes, key: key.bytes, now: clock(), warn })
  for (const [index, reading] of clientAuthorities.entries()) {
    checkAuthority(config.clientcas?.[index] ?? '', reading.bytes)
  }
  const context: SecureContextOptions = {
    cert: certificate.bytes,
    key: key.bytes,
    minVersion: minimumVersion(config.minimumtls, warn),
    ciphers: cipherList(config.ciphersuites, warn),
    honorCipherOrder: true,
    secureOptions: constants.SSL_OP_NO_RENEGOTIATION,
    ...(clientAuthorities.length === 0 ? {} : { ca: clientAuthorities.map(({ bytes }) => bytes) }),
  }
  try {
    createSecureContext(context)
  } catch (cause) {
    throw new Problem(`OpenSSL does not take the certificate ${certificatePath} with the key ${keyPath}`, { cause })
  }
  if (clientAuthorities.length > 0 && !/^(?:|require-and-verify-client-cert)$/.test(config.clientauth ?? '')) {
    warn(`http.tls.clientauth: ${config.clientauth} is not supported; clients must show a certificate of clientcas`)
  }
  const readings = [certificate, key, ...clientAuthorities]
  return {
    context,
    server: {
      ...context,
      // HTTP/2 of Node is slower than HTTP/1.1 for blobs, and clients written in Go would choose it.
      ALPNProtocols: ['http/1.1'],
      ...(clientAuthorities.length === 0 ? {} : { requestCert: true, rejectUnauthorized: true }),
    },
    stamp: readings.every(({ settled }) => settled) ? joinStamps(readings.map(({ stamp }) => stamp)) : undefined,
  }
}

/** The stamps of all files as one text, to be compared with `LoadedTls.stamp`. */
export function joinStamps(stamps: readonly (string | undefined)[]): string {
  return stamps.map((stamp) => stamp ?? 'missing').join(' ')
}

function readPart(what: string, path: string, now: number): FileReading {
  try {
    return readWatchedFile(path, now)
  } catch (error) {
    throw describeUnreadable(what, path, error)
  }
}

interface Pair {
  readonly certificatePath: string
  readonly keyPath: string
  readonly certificate: Buffer
  readonly key: Buffer
  readonly now: number
  readonly warn: (message: string) => void
}

function checkPair({ certificatePath, keyPath, certificate, key, now, warn }: Pair): void {
  const leaf = readCertificate(certificatePath, certificate)
  let fits: boolean
  try {
    fits = leaf.checkPrivateKey(createPrivateKey(key))
  } catch (cause) {
    throw new Problem(`the TLS key ${keyPath} is not an unencrypted private key in PEM`, {
      hint: 'an encrypted key is opened with: openssl pkey -in KEY -out NEWKEY',
      cause,
    })
  }
  if (!fits) {
    throw new Problem(`the TLS key ${keyPath} does not belong to the certificate ${certificatePath}`, {
      hint: 'the first certificate of the file must be the server’s own, the intermediates come after it',
    })
  }
  if (leaf.validToDate.getTime() <= now) {
    warn(`the certificate ${certificatePath} ran out on ${leaf.validTo}; make a new one: tarn cert renew`)
  }
}

function checkAuthority(path: string, bytes: Buffer): void {
  for (const block of splitPem(bytes.toString('latin1'))) readCertificate(path, Buffer.from(block))
  if (splitPem(bytes.toString('latin1')).length === 0) readCertificate(path, bytes)
}

function readCertificate(path: string, bytes: Buffer): X509Certificate {
  try {
    return new X509Certificate(bytes)
  } catch (cause) {
    throw new Problem(`${path} holds no certificate in PEM`, {
      hint: 'it begins with -----BEGIN CERTIFICATE-----',
      cause,
    })
  }
}
