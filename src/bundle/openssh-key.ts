// Private keys as `ssh-keygen -t …` writes them (OpenSSH's PROTOCOL.key), which node:crypto does not read: the three kinds that
// sign bundles, without a passphrase.
import type { JsonWebKey, KeyObject } from 'node:crypto'
import { createPrivateKey, createPublicKey } from 'node:crypto'
import { Problem } from '../config/problem.ts'
import { makeFlaw } from './flaw.ts'
import type { SshPublicKey } from './ssh-key.ts'
import { describePublicKey, readWire } from './ssh-key.ts'
import { WireReader } from './ssh-wire.ts'

const BEGIN = '-----BEGIN OPENSSH PRIVATE KEY-----'
const END = '-----END OPENSSH PRIVATE KEY-----'
const MAGIC = 'openssh-key-v1\0'
const PADDED_TO = 8
const ED25519_SEED = 32
const P256_NUMBER = 32

export class ProtectedKey extends Problem {
  declare readonly hint: string
}

/** Whether the text of a file is a key in this form. */
export function isOpensshKey(text: string): boolean {
  return text.trimStart().startsWith(BEGIN)
}

/** Throws a ProtectedKey for one with a passphrase, and a flaw for all else that cannot be used. */
export function readOpensshKey(text: string): KeyObject {
  const reader = new WireReader(disarm(text))
  if (reader.bytes(MAGIC.length).toString('latin1') !== MAGIC)
    throw makeFlaw('it is no key of OpenSSH in its version 1')
  const [cipher, kdf] = [reader.text(), reader.text()]
  reader.string()
  if (cipher !== 'none' || kdf !== 'none') {
    throw new ProtectedKey('it has a passphrase', {
      hint: "take the passphrase from a copy that only you can read: ssh-keygen -p -N '' -f COPY",
    })
  }
  if (reader.number() !== 1) throw makeFlaw('it holds several keys')
  const shown = readWire(reader.string())
  const inner = new WireReader(reader.string())
  reader.end()
  if (inner.number() !== inner.number()) throw makeFlaw('its bytes are damaged')
  const type = inner.text()
  if (type !== shown.type) throw makeFlaw('its public and its private part are of two kinds')
  const key = makeKey(readParts(shown, inner))
  inner.string()
  requirePadding(inner)
  if (!describePublicKey(createPublicKey(key)).wire.equals(shown.wire))
    throw makeFlaw('its public part is that of another key')
  return key
}

function disarm(text: string): Buffer {
  const trimmed = text.trim()
  if (!trimmed.startsWith(BEGIN) || !trimmed.endsWith(END)) throw makeFlaw('it is cut short')
  return Buffer.from(trimmed.slice(BEGIN.length, -END.length), 'base64')
}

function makeKey(jwk: JsonWebKey): KeyObject {
  try {
    return createPrivateKey({ key: jwk, format: 'jwk' })
  } catch {
    // What the system says of it could quote the file.
    throw makeFlaw('its numbers make no key')
  }
}

/** The members of a JSON Web Key (RFC 7518 section 6, RFC 8037) of the private part, up to the comment. */
function readParts({ type, key }: SshPublicKey, inner: WireReader): JsonWebKey {
  if (type === 'ssh-ed25519') {
    inner.string()
    const secret = inner.string()
    return { ...key.export({ format: 'jwk' }), d: encode(secret.subarray(0, ED25519_SEED)) }
  }
  if (type === 'ecdsa-sha2-nistp256') {
    inner.string()
    inner.string()
    const secret = inner.mpint()
    if (secret.byteLength > P256_NUMBER) throw makeFlaw('its number is too long for P-256')
    const padded = Buffer.concat([Buffer.alloc(P256_NUMBER - secret.byteLength), secret])
    return { ...key.export({ format: 'jwk' }), d: encode(padded) }
  }
  const [n, e, d, qi, p, q] = [1, 2, 3, 4, 5, 6].map(() => inner.mpint()) as [
    Buffer,
    Buffer,
    Buffer,
    Buffer,
    Buffer,
    Buffer,
  ]
  // OpenSSH leaves out what follows from the others.
  const rest = (prime: Buffer): Buffer => {
    const modulus = toNumber(prime) - 1n
    if (modulus < 1n) throw makeFlaw('its numbers make no key')
    return toBytes(toNumber(d) % modulus)
  }
  const numbers = { n, e, d, p, q, dp: rest(p), dq: rest(q), qi }
  return { kty: 'RSA', ...Object.fromEntries(Object.entries(numbers).map(([name, bytes]) => [name, encode(bytes)])) }
}

/** 1, 2, 3 … up to a whole block of the cipher that is none. */
function requirePadding(inner: WireReader): void {
  const padding = inner.rest()
  if (padding.byteLength >= PADDED_TO || padding.some((byte, at) => byte !== at + 1))
    throw makeFlaw('its end is damaged')
}

function encode(bytes: Buffer): string {
  return bytes.toString('base64url')
}

function toNumber(bytes: Buffer): bigint {
  return BigInt(`0x0${bytes.toString('hex')}`)
}

function toBytes(number: bigint): Buffer {
  const hex = number.toString(16)
  return Buffer.from(hex.length % 2 === 0 ? hex : `0${hex}`, 'hex')
}
