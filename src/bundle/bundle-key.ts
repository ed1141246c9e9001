// The private key that signs bundles: a file in PEM (PKCS #8) or in OpenSSH's own form that only its owner may read, with
// OpenSSH's line of its public key beside it. It lies with the other secrets of a home, never in the data directory.
import type { KeyObject } from 'node:crypto'
import { createPrivateKey, createPublicKey, generateKeyPairSync } from 'node:crypto'
import { readFileSync, statSync, writeFileSync } from 'node:fs'
import { Problem, describeUnreadable } from '../config/problem.ts'
import { ProtectedKey, isOpensshKey, readOpensshKey } from './openssh-key.ts'
import { NAMESPACE } from './signature.ts'
import { describePublicKey, fingerprint, formatPublicKey } from './ssh-key.ts'

/** Beside the htpasswd file. */
export const KEY_FILE = 'bundle.key'

export const KEY_KINDS = ['ed25519', 'ecdsa', 'rsa'] as const

export type KeyKind = (typeof KEY_KINDS)[number]

const RSA_BITS = 3072
const OTHERS = 0o077

/** Reads the key of a file. Throws a Problem when it cannot be read, others may read it, or it is no such key. */
export function readBundleKey(path: string): KeyObject {
  let pem: Buffer
  try {
    const { mode } = statSync(path)
    if ((mode & OTHERS) !== 0) {
      throw new Problem(`others than its owner may use the key ${path}`, { hint: `run: chmod 600 ${path}` })
    }
    pem = readFileSync(path)
  } catch (error) {
    throw error instanceof Problem ? error : describeUnreadable('key', path, error)
  }
  const key = parseKey(pem, path)
  describePublicKey(createPublicKey(key))
  return key
}

function parseKey(pem: Buffer, path: string): KeyObject {
  const hint = 'make one: tarn bundle keygen, or ssh-keygen -t ed25519'
  const text = pem.toString('latin1')
  if (isOpensshKey(text)) {
    try {
      return readOpensshKey(text)
    } catch (cause) {
      if (!(cause instanceof Problem)) throw cause
      // The hint of a flaw is about bundles.
      const why = cause instanceof ProtectedKey ? { hint: cause.hint } : { hint }
      throw new Problem(`the key ${path} cannot be used: ${cause.message}`, { ...why, cause })
    }
  }
  try {
    return createPrivateKey(pem)
  } catch (cause) {
    // What the system says of it could quote the file.
    throw new Problem(`${path} holds no private key that can be used without a passphrase`, { hint, cause })
  }
}

export interface MadeKey {
  readonly path: string
  readonly fingerprint: string
  /** What the far side adds to its auth/allowed_signers. */
  readonly allowedSigner: string
}

/**
 * Makes a key and writes it with its public part; `principal` is the name under which the far side knows it. Throws a
 * Problem when there is a key already: a second one would make the first useless.
 */
export function makeBundleKey(path: string, kind: KeyKind, principal: string): MadeKey {
  const key = generate(kind)
  try {
    writeFileSync(path, key.export({ type: 'pkcs8', format: 'pem' }), { flag: 'wx', mode: 0o600 })
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
    throw new Problem(`there is a key already: ${path}`, {
      hint: `its allowed_signers line is made of ${path}.pub; a second key: --out FILE`,
    })
  }
  const shown = describeKey(key, principal)
  writeFileSync(`${path}.pub`, `${formatPublicKey(describePublicKey(createPublicKey(key)))} ${principal}\n`)
  return { path, ...shown }
}

/** What the far side must know of a key. */
export function describeKey(key: KeyObject, principal: string): Omit<MadeKey, 'path'> {
  const own = describePublicKey(createPublicKey(key))
  const allowedSigner = `${principal} namespaces="${NAMESPACE}" ${formatPublicKey(own)}`
  return { fingerprint: fingerprint(own), allowedSigner }
}

function generate(kind: KeyKind): KeyObject {
  if (kind === 'ed25519') return generateKeyPairSync('ed25519').privateKey
  if (kind === 'ecdsa') return generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey
  return generateKeyPairSync('rsa', { modulusLength: RSA_BITS }).privateKey
}
