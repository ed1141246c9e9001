// Makes a certificate authority and server certificates (RFC 5280) with ECDSA P-256 over node:crypto. It never parses a
// certificate by itself: what it needs to know of one, node:crypto tells it.
import type { KeyObject } from 'node:crypto'
import { createHash, createPrivateKey, createPublicKey, generateKeyPairSync, sign, X509Certificate } from 'node:crypto'
import { Problem } from '../config/problem.ts'
import {
  bitString,
  boolean,
  explicit,
  implicit,
  octetString,
  oid,
  sequence,
  set,
  time,
  unsignedInteger,
  utf8String,
} from './der.ts'
import { addressBytes, parseHost } from './host-name.ts'

/** Both in PEM; the key as unencrypted PKCS #8. */
export interface KeyAndCertificate {
  readonly certificate: string
  readonly key: string
}

interface MakingOptions {
  /** Milliseconds since 1970. */
  readonly clock: () => number
  readonly random: (size: number) => Uint8Array
  /** An existing EC P-256 key in PEM to be used; without it a new one is made. */
  readonly key?: string
}

export interface AuthorityOptions extends MakingOptions {
  /** Common name, at most 64 characters. */
  readonly name: string
  /** 3650 unless given. */
  readonly days?: number
}

export interface ServerCertificateOptions extends MakingOptions {
  readonly ca: KeyAndCertificate
  /** DNS names and IP addresses, at least one. */
  readonly hosts: readonly string[]
  /** At most 825, which it is unless given. */
  readonly days?: number
}

const DAY_MS = 86_400_000
// A client whose clock is a little behind must not refuse a certificate that was made a minute ago.
const BACKDATED_MS = 3_600_000
// Apple's systems refuse a server certificate that is valid for longer (support.apple.com/103769).
const LONGEST_SERVER_DAYS = 825
const AUTHORITY_DAYS = 3_650
// RFC 5280 appendix A: ub-common-name.
const LONGEST_COMMON_NAME = 64

const OID = {
  ecdsaWithSha256: '1.2.840.10045.4.3.2',
  commonName: '2.5.4.3',
  subjectKeyIdentifier: '2.5.29.14',
  keyUsage: '2.5.29.15',
  subjectAltName: '2.5.29.17',
  basicConstraints: '2.5.29.19',
  authorityKeyIdentifier: '2.5.29.35',
  extendedKeyUsage: '2.5.29.37',
  serverAuth: '1.3.6.1.5.5.7.3.1',
} as const

// keyUsage is a BIT STRING with named bits, written from the left without trailing zeros.
const USAGE_DIGITAL_SIGNATURE = bitString(Buffer.from([0b1000_0000]), 7)
const USAGE_SIGN_CERTIFICATES_AND_LISTS = bitString(Buffer.from([0b0000_0110]), 1)

/** Makes a self-signed authority that may sign server certificates only, not further authorities. */
export function makeAuthority(options: AuthorityOptions): KeyAndCertificate {
  const { name, days = AUTHORITY_DAYS, clock, random } = options
  const key = takeKey(options.key)
  const publicKey = createPublicKey(key)
  const subject = encodeName(name)
  const notBefore = clock() - BACKDATED_MS
  const certificate = signCertificate({
    serial: random(16),
    issuer: subject,
    subject,
    notBefore,
    notAfter: notBefore + days * DAY_MS - 1000,
    publicKey,
    signingKey: key,
    extensions: [
      extension(OID.basicConstraints, true, sequence(boolean(true), unsignedInteger(Buffer.from([0])))),
      extension(OID.keyUsage, true, USAGE_SIGN_CERTIFICATES_AND_LISTS),
      extension(OID.subjectKeyIdentifier, false, octetString(keyIdentifier(publicKey))),
    ],
  })
  return { certificate, key: exportKey(key) }
}

/**
 * Makes a server certificate for `hosts`, signed by an authority that `makeAuthority` made. It never outlives
 * the authority. Throws a Problem when the authority is another's, does not fit its key or has run out.
 */
export function makeServerCertificate(options: ServerCertificateOptions): KeyAndCertificate {
  const { ca, clock, random, days = LONGEST_SERVER_DAYS } = options
  const hosts = options.hosts.map(parseHost)
  const [first] = hosts
  if (first === undefined) throw new Problem('a server certificate needs at least one host', { exitCode: 2 })
  const authority = readAuthority(ca, clock())
  const key = takeKey(options.key)
  const publicKey = createPublicKey(key)
  const text = first.kind === 'dns' ? first.name : first.address
  const notBefore = clock() - BACKDATED_MS
  const certificate = signCertificate({
    serial: random(16),
    issuer: authority.subject,
    subject: encodeName(text.length <= LONGEST_COMMON_NAME ? text : 'Tarn registry'),
    notBefore,
    notAfter: Math.min(notBefore + Math.min(days, LONGEST_SERVER_DAYS) * DAY_MS - 1000, authority.notAfter),
    publicKey,
    signingKey: authority.key,
    extensions: [
      extension(OID.basicConstraints, true, sequence()),
      extension(OID.keyUsage, true, USAGE_DIGITAL_SIGNATURE),
      extension(OID.extendedKeyUsage, false, sequence(oid(OID.serverAuth))),
      extension(OID.subjectKeyIdentifier, false, octetString(keyIdentifier(publicKey))),
      extension(
        OID.authorityKeyIdentifier,
        false,
        sequence(implicit(0, keyIdentifier(createPublicKey(authority.key)))),
      ),
      extension(
        OID.subjectAltName,
        false,
        // RFC 5280 §4.2.1.6: dNSName is [2], iPAddress is [7].
        sequence(
          ...hosts.map((host) =>
            host.kind === 'dns' ? implicit(2, Buffer.from(host.name)) : implicit(7, addressBytes(host.address)),
          ),
        ),
      ),
    ],
  })
  return { certificate, key: exportKey(key) }
}

interface Authority {
  readonly subject: Buffer
  readonly key: KeyObject
  readonly notAfter: number
}

function readAuthority(ca: KeyAndCertificate, now: number): Authority {
  const certificate = new X509Certificate(ca.certificate)
  const key = createPrivateKey(ca.key)
  if (!certificate.checkPrivateKey(key)) {
    throw new Problem('the key of the certificate authority does not belong to its certificate', {
      hint: 'restore ca.crt and ca.key from one backup',
    })
  }
  // Go compares names byte by byte: the issuer must be spelled as the authority spells itself.
  const name = /^CN=(.*)$/.exec(certificate.subject)?.[1]
  const subject = name === undefined ? undefined : encodeName(name)
  if (subject === undefined || key.asymmetricKeyType !== 'ec' || !certificate.raw.includes(subject)) {
    throw new Problem('the certificate authority was not made by Tarn', {
      hint: 'have the server certificate made where that authority is kept, and put it in the place of server.crt and server.key',
    })
  }
  const notAfter = certificate.validToDate.getTime()
  if (notAfter <= now) {
    throw new Problem('the certificate authority has run out', {
      hint: 'move ca.crt and ca.key away, run tarn init --host NAME --user NAME in the home again, and give the new ca.crt to all clients',
    })
  }
  return { subject, key, notAfter }
}

interface CertificateParts {
  readonly serial: Uint8Array
  readonly issuer: Buffer
  readonly subject: Buffer
  readonly notBefore: number
  readonly notAfter: number
  readonly publicKey: KeyObject
  readonly signingKey: KeyObject
  readonly extensions: readonly Buffer[]
}

function signCertificate(parts: CertificateParts): string {
  const algorithm = sequence(oid(OID.ecdsaWithSha256))
  const serial = Buffer.from(parts.serial)
  // 127 random bits: positive, in at most 20 bytes (RFC 5280 §4.1.2.2).
  serial[0] = (serial[0] ?? 0) & 0x7f
  const body = sequence(
    explicit(0, unsignedInteger(Buffer.from([2]))),
    unsignedInteger(serial),
    algorithm,
    parts.issuer,
    sequence(time(parts.notBefore), time(parts.notAfter)),
    parts.subject,
    parts.publicKey.export({ type: 'spki', format: 'der' }),
    explicit(3, sequence(...parts.extensions)),
  )
  const whole = sequence(body, algorithm, bitString(sign('sha256', body, parts.signingKey)))
  const lines = whole.toString('base64').match(/.{1,64}/g) ?? []
  return `-----BEGIN CERTIFICATE-----\n${lines.join('\n')}\n-----END CERTIFICATE-----\n`
}

function extension(id: string, critical: boolean, value: Buffer): Buffer {
  // DER leaves out a value that is the default, and FALSE is.
  return sequence(oid(id), ...(critical ? [boolean(true)] : []), octetString(value))
}

function encodeName(commonName: string): Buffer {
  return sequence(set(sequence(oid(OID.commonName), utf8String(commonName))))
}

/** RFC 7093 §2 method 1: the leftmost 160 bits of the SHA-256 of the public key's bits. */
function keyIdentifier(publicKey: KeyObject): Buffer {
  // The uncompressed P-256 point is the last 65 bytes of the SubjectPublicKeyInfo.
  const point = publicKey.export({ type: 'spki', format: 'der' }).subarray(-65)
  return createHash('sha256').update(point).digest().subarray(0, 20)
}

function takeKey(pem: string | undefined): KeyObject {
  if (pem === undefined) return generateKeyPairSync('ec', { namedCurve: 'prime256v1' }).privateKey
  const key = createPrivateKey(pem)
  if (key.asymmetricKeyType === 'ec' && key.asymmetricKeyDetails?.namedCurve === 'prime256v1') return key
  throw new Problem('the existing key is not an EC P-256 key, so no certificate can be made for it', {
    hint: 'move it away and a new one is made',
  })
}

function exportKey(key: KeyObject): string {
  return key.export({ type: 'pkcs8', format: 'pem' }).toString()
}
