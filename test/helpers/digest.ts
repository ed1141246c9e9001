// Digests as a client computes them, without the registry's own code: a test must not believe what it tests.
import { createHash } from 'node:crypto'

export function hashOf(bytes: Buffer | string, algorithm: 'sha256' | 'sha512' = 'sha256'): string {
  return `${algorithm}:${createHash(algorithm).update(bytes).digest('hex')}`
}
