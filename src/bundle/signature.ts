// Signatures of bundles: SSHSIG (OpenSSH's PROTOCOL.sshsig) over the bytes of the index, in the namespace `tarn-bundle`,
// made and checked here and by `ssh-keygen -Y sign|verify` alike.
import type { KeyObject } from 'node:crypto'
import { constants, createHash, createPublicKey, sign, verify } from 'node:crypto'
import { makeFlaw } from './flaw.ts'
import type { SshKeyType, SshPublicKey } from './ssh-key.ts'
import { describePublicKey, readWire } from './ssh-key.ts'
import { WireReader, writeMpint, writeString } from './ssh-wire.ts'

export const NAMESPACE = 'tarn-bundle'

/** The armoured signature of an RSA key of 16,384 bits has some 6 KB. */
export const LARGEST_SIGNATURE = 16 * 1024

const MAGIC = 'SSHSIG'
const VERSION = 1
const BEGIN = '-----BEGIN SSH SIGNATURE-----'
const END = '-----END SSH SIGNATURE-----'
const LINE = 70
const HASHES = ['sha512', 'sha256'] as const

type Hash = (typeof HASHES)[number]

interface Scheme {
  /** Which hash the signature itself is over; none for Ed25519. */
  readonly digest: string | null
  /** Of which keys it is. */
  readonly type: SshKeyType
}

// RSA with SHA-1 (`ssh-rsa`) is not taken, as ssh-keygen does not take it.
const SCHEMES: Readonly<Record<string, Scheme>> = {
  'ssh-ed25519': { digest: null, type: 'ssh-ed25519' },
  'ecdsa-sha2-nistp256': { digest: 'sha256', type: 'ecdsa-sha2-nistp256' },
  'rsa-sha2-512': { digest: 'sha512', type: 'ssh-rsa' },
  'rsa-sha2-256': { digest: 'sha256', type: 'ssh-rsa' },
}

/** Signs the bytes of an index; gives the armoured signature. Throws a Problem for a key of another kind. */
export function signIndex(index: Uint8Array, key: KeyObject): string {
  const publicKey = describePublicKey(createPublicKey(key))
  const name = publicKey.type === 'ssh-rsa' ? 'rsa-sha2-512' : publicKey.type
  const bytes = makeBytes(publicKey.type, SCHEMES[name]?.digest ?? null, writeSigned(index, 'sha512'), key)
  const version = Buffer.alloc(4)
  version.writeUInt32BE(VERSION)
  return armour(
    Buffer.concat([
      Buffer.from(MAGIC),
      version,
      writeString(publicKey.wire),
      writeString(NAMESPACE),
      writeString(''),
      writeString('sha512'),
      writeString(Buffer.concat([writeString(name), writeString(bytes)])),
    ]),
  )
}

/**
 * Checks that `signature` is one of the bytes of `index` by the key that it names, and gives that key: whether somebody
 * trusts it is for allowed-signers.ts to say. Throws a flaw when it is not.
 */
export function verifySignature(index: Uint8Array, signature: Uint8Array): SshPublicKey {
  const reader = new WireReader(disarm(signature))
  if (reader.bytes(MAGIC.length).toString('latin1') !== MAGIC || reader.number() !== VERSION) {
    throw makeFlaw('the signature of the bundle is no SSH signature of version 1')
  }
  const key = readWire(reader.string())
  const namespace = reader.text()
  if (namespace !== NAMESPACE) {
    throw makeFlaw(`the signature is for ${JSON.stringify(namespace.slice(0, 64))}, not for ${NAMESPACE}`)
  }
  // Reserved: PROTOCOL.sshsig says to pass over what it holds, but it is part of what was signed.
  const reserved = reader.string()
  const hashName = reader.text()
  const hash = HASHES.find((known) => known === hashName)
  if (hash === undefined) throw makeFlaw('the signature of the bundle uses a hash other than sha512 and sha256')
  const inner = new WireReader(reader.string())
  reader.end()
  const scheme = SCHEMES[inner.text()]
  const bytes = inner.string()
  inner.end()
  if (scheme?.type !== key.type || !isRight(scheme, bytes, writeSigned(index, hash, reserved), key)) {
    throw makeFlaw('the signature is not that of the index of this bundle')
  }
  return key
}

function writeSigned(message: Uint8Array, hash: Hash, reserved: Uint8Array = new Uint8Array(0)): Buffer {
  return Buffer.concat([
    Buffer.from(MAGIC),
    writeString(NAMESPACE),
    writeString(reserved),
    writeString(hash),
    writeString(createHash(hash).update(message).digest()),
  ])
}

function makeBytes(type: SshKeyType, digest: string | null, data: Uint8Array, key: KeyObject): Buffer {
  if (type !== 'ecdsa-sha2-nistp256') return sign(digest, data, withPadding(key))
  const bytes = sign(digest, data, { key, dsaEncoding: 'ieee-p1363' })
  const half = bytes.byteLength / 2
  return Buffer.concat([writeMpint(bytes.subarray(0, half)), writeMpint(bytes.subarray(half))])
}

function isRight({ digest, type }: Scheme, bytes: Buffer, data: Uint8Array, { key }: SshPublicKey): boolean {
  if (type !== 'ecdsa-sha2-nistp256') return verify(digest, data, withPadding(key), bytes)
  const reader = new WireReader(bytes)
  const halves = [reader.mpint(), reader.mpint()]
  reader.end()
  const size = 32
  if (halves.some((half) => half.byteLength > size)) return false
  const pair = Buffer.concat(halves.map((half) => Buffer.concat([Buffer.alloc(size - half.byteLength), half])))
  return verify(digest, data, { key, dsaEncoding: 'ieee-p1363' }, pair)
}

function withPadding(key: KeyObject): { readonly key: KeyObject; readonly padding?: number } {
  return key.asymmetricKeyType === 'rsa' ? { key, padding: constants.RSA_PKCS1_PADDING } : { key }
}

function armour(bytes: Uint8Array): string {
  const text = Buffer.from(bytes).toString('base64')
  const lines = text.match(new RegExp(`.{1,${LINE}}`, 'g')) ?? []
  return [BEGIN, ...lines, END, ''].join('\n')
}

function disarm(signature: Uint8Array): Buffer {
  const text = signature.byteLength > LARGEST_SIGNATURE ? '' : Buffer.from(signature).toString('latin1').trim()
  const inner = text.startsWith(BEGIN) && text.endsWith(END) ? text.slice(BEGIN.length, -END.length) : ''
  const base64 = inner.replace(/[\r\n]/g, '')
  if (!/^(?:[A-Za-z0-9+/]{4})+(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/.test(base64)) {
    throw makeFlaw('the signature of the bundle is no SSH signature')
  }
  return Buffer.from(base64, 'base64')
}
