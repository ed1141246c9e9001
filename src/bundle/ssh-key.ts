// Public keys as OpenSSH writes them (RFC 4253 section 6.6, RFC 5656, RFC 8709), for the three kinds of keys that sign
// bundles: Ed25519, ECDSA over P-256, RSA. FIPS 140 sites have no Ed25519.
import type { JsonWebKey, KeyObject } from 'node:crypto'
import { createHash, createPublicKey } from 'node:crypto'
import { Problem } from '../config/problem.ts'
import { makeFlaw } from './flaw.ts'
import { WireReader, writeMpint, writeString } from './ssh-wire.ts'

export const KEY_TYPES = ['ssh-ed25519', 'ecdsa-sha2-nistp256', 'ssh-rsa'] as const

export type SshKeyType = (typeof KEY_TYPES)[number]

/** ssh-keygen makes none below; 16,384 bits are the largest that OpenSSH takes. */
const LEAST_RSA_BITS = 2048
const MOST_RSA_BITS = 16_384

const CURVE = 'nistp256'
const COORDINATE = 32

export interface SshPublicKey {
  readonly type: SshKeyType
  readonly key: KeyObject
  /** The key as the protocol writes it: what a line of allowed_signers holds in base64. */
  readonly wire: Buffer
}

/** Throws a Problem for a key of another kind, or one that is too short. */
export function describePublicKey(key: KeyObject): SshPublicKey {
  const jwk = key.export({ format: 'jwk' })
  const wire = writeWire(jwk)
  if (wire === undefined) {
    throw new Problem('the key is neither Ed25519, ECDSA P-256 nor RSA', {
      hint: 'make one: tarn bundle keygen',
      exitCode: 2,
    })
  }
  return readWire(wire)
}

function writeWire({ kty, crv, x = '', y = '', n = '', e = '' }: JsonWebKey): Buffer | undefined {
  const decode = (text: string): Buffer => Buffer.from(text, 'base64url')
  if (kty === 'OKP' && crv === 'Ed25519') return Buffer.concat([writeString('ssh-ed25519'), writeString(decode(x))])
  if (kty === 'RSA') return Buffer.concat([writeString('ssh-rsa'), writeMpint(decode(e)), writeMpint(decode(n))])
  if (kty !== 'EC' || crv !== 'P-256') return undefined
  const point = Buffer.concat([Buffer.from([4]), decode(x), decode(y)])
  return Buffer.concat([writeString('ecdsa-sha2-nistp256'), writeString(CURVE), writeString(point)])
}

/** Reads a key as the protocol writes it. Throws a flaw when it is none that signs bundles. */
export function readWire(wire: Uint8Array): SshPublicKey {
  const reader = new WireReader(wire)
  const text = reader.text()
  const type = KEY_TYPES.find((known) => known === text)
  if (type === undefined) throw makeFlaw(`a key of the type ${JSON.stringify(text.slice(0, 64))} signs no bundle`)
  const jwk = readParts(type, reader)
  reader.end()
  let key: KeyObject
  try {
    key = createPublicKey({ key: jwk, format: 'jwk' })
  } catch (cause) {
    throw makeFlaw(`an SSH key of the type ${type} is not valid`, { cause })
  }
  return { type, key, wire: Buffer.from(wire) }
}

function readParts(type: SshKeyType, reader: WireReader): JsonWebKey {
  const encode = (bytes: Buffer): string => bytes.toString('base64url')
  if (type === 'ssh-ed25519') return { kty: 'OKP', crv: 'Ed25519', x: encode(reader.string()) }
  if (type === 'ssh-rsa') {
    const [e, n] = [reader.mpint(), reader.mpint()]
    const bits = n.byteLength * 8 - Math.clz32((n[0] ?? 0) << 24)
    if (bits < LEAST_RSA_BITS || bits > MOST_RSA_BITS || e.byteLength > 4) {
      throw makeFlaw(`an RSA key of ${bits} bits is not taken: ${LEAST_RSA_BITS} to ${MOST_RSA_BITS} are`)
    }
    return { kty: 'RSA', n: encode(n), e: encode(e) }
  }
  const [curve, point] = [reader.text(), reader.string()]
  if (curve !== CURVE || point.byteLength !== 1 + 2 * COORDINATE || point[0] !== 4) {
    throw makeFlaw('an ECDSA key is no point of P-256')
  }
  return {
    kty: 'EC',
    crv: 'P-256',
    x: encode(point.subarray(1, 1 + COORDINATE)),
    y: encode(point.subarray(1 + COORDINATE)),
  }
}

/** `ssh-ed25519 AAAA…`: the form of a .pub file and of allowed_signers. */
export function formatPublicKey({ type, wire }: SshPublicKey): string {
  return `${type} ${wire.toString('base64')}`
}

/** `SHA256:…`, as `ssh-keygen -l` shows a key. */
export function fingerprint({ wire }: Pick<SshPublicKey, 'wire'>): string {
  return `SHA256:${createHash('sha256').update(wire).digest('base64').replace(/=+$/, '')}`
}
