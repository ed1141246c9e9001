// Digests (image-spec "Descriptors", section "Digests"). Only parseDigest and digestOf make a Digest,
// so a string that reached a path or an upstream URL was checked.
import { createHash } from 'node:crypto'
import { registryError } from './errors.ts'

export type Algorithm = 'sha256' | 'sha512'
export type Digest = string & { readonly __brand: 'Digest' }

const GRAMMAR = /^(?:sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128})$/

export const ALGORITHMS: readonly Algorithm[] = ['sha256', 'sha512']

export function isDigest(text: string): text is Digest {
  return GRAMMAR.test(text)
}

/** Takes text from outside; throws DIGEST_INVALID unless it is a whole sha256 or sha512 digest in lower case. */
export function parseDigest(text: string): Digest {
  if (isDigest(text)) return text
  throw registryError('DIGEST_INVALID', {
    message: 'invalid digest: expected sha256: and 64, or sha512: and 128 lower-case hexadecimal digits',
  })
}

export function algorithmOf(digest: Digest): Algorithm {
  return digest.startsWith('sha256:') ? 'sha256' : 'sha512'
}

export function hexOf(digest: Digest): string {
  return digest.slice(7)
}

/** Joins what a path or a finished hash gives; undefined unless the two make a digest. */
export function joinDigest(algorithm: string, hex: string): Digest | undefined {
  const text = `${algorithm}:${hex}`
  return isDigest(text) ? text : undefined
}

export function digestOf(bytes: Uint8Array, algorithm: Algorithm = 'sha256'): Digest {
  return `${algorithm}:${createHash(algorithm).update(bytes).digest('hex')}` as Digest
}
