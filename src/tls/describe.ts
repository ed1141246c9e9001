// What a certificate file says, for people and for checks that a certificate has not run out. It only reads.
import { readFileSync } from 'node:fs'
import { X509Certificate } from 'node:crypto'
import { isIPv6 } from 'node:net'
import { describeUnreadable, Problem } from '../config/problem.ts'

export interface CertificateDescription {
  readonly subject: string
  readonly issuer: string
  /** DNS names and IP addresses that it stands for. */
  readonly hosts: readonly string[]
  readonly authority: boolean
  /** RFC 3339. */
  readonly validFrom: string
  readonly validTo: string
  /** Whole days; below zero when it has run out. */
  readonly daysLeft: number
  /** SHA-256 of the certificate, in upper-case hexadecimal with colons, as OpenSSL prints it. */
  readonly fingerprint: string
}

const DAY_MS = 86_400_000

/** The certificates of a text, each as its own PEM text. */
export function splitPem(text: string): string[] {
  return text.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? []
}

/** All certificates of the file at `path`, the server's own first. `now` in milliseconds since 1970. Throws a Problem. */
export function describeCertificate(path: string, now: number): CertificateDescription[] {
  let text: string
  try {
    text = readFileSync(path, 'latin1')
  } catch (error) {
    throw describeUnreadable('certificate', path, error)
  }
  const blocks = splitPem(text)
  if (blocks.length === 0) {
    throw new Problem(`${path} holds no certificate in PEM`, { hint: 'it begins with -----BEGIN CERTIFICATE-----' })
  }
  return blocks.map((block) => describe(readBlock(path, block), now))
}

/** The DNS names and IP addresses in the subjectAltName of a certificate, IPv6 in its short form (RFC 5952). */
export function hostsOf(certificate: X509Certificate): string[] {
  return (certificate.subjectAltName ?? '')
    .split(', ')
    .map((entry) => /^(?:DNS|IP Address):(.+)$/.exec(entry)?.[1])
    .filter((host) => host !== undefined)
    .map((host) => (isIPv6(host) ? new URL(`http://[${host}]`).hostname.slice(1, -1) : host))
}

function readBlock(path: string, block: string): X509Certificate {
  try {
    return new X509Certificate(block)
  } catch (cause) {
    throw new Problem(`${path} holds a certificate that cannot be read`, { cause })
  }
}

function describe(certificate: X509Certificate, now: number): CertificateDescription {
  return {
    subject: certificate.subject.replaceAll('\n', ', '),
    issuer: certificate.issuer.replaceAll('\n', ', '),
    hosts: hostsOf(certificate),
    authority: certificate.ca,
    validFrom: certificate.validFromDate.toISOString(),
    validTo: certificate.validToDate.toISOString(),
    daysLeft: Math.floor((certificate.validToDate.getTime() - now) / DAY_MS),
    fingerprint: certificate.fingerprint256,
  }
}
