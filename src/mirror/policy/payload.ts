// The JSON that is signed: which digest has which name (containers-signature(5), and cosign's form of it). Nothing else may
// stand in it, since who signed it may have meant that.
import type { Digest } from '../../oci/digest.ts'
import { isDigest } from '../../oci/digest.ts'
import { parseJson } from '../../oci/json.ts'

export interface SignedClaim {
  readonly digest: Digest
  /** As it stands there. */
  readonly reference: string
}

export const ATOMIC = 'atomic container signature'
export const COSIGN = 'cosign container image signature'

/** Reads a payload of this type, strictly; undefined for everything else. */
export function readPayload(bytes: Uint8Array, type: string): SignedClaim | undefined {
  let document: unknown
  try {
    document = parseJson(bytes)
  } catch {
    return undefined
  }
  const top = exactly(document, ['critical'], ['optional'])
  const critical = exactly(top?.['critical'], ['type', 'image', 'identity'])
  const image = exactly(critical?.['image'], ['docker-manifest-digest'])
  const identity = exactly(critical?.['identity'], ['docker-reference'])
  const digest = image?.['docker-manifest-digest']
  const reference = identity?.['docker-reference']
  if (critical?.['type'] !== type || typeof digest !== 'string' || typeof reference !== 'string') return undefined
  return isDigest(digest) ? { digest, reference } : undefined
}

/** The object when it has all of these members and no others. */
function exactly(value: unknown, needed: readonly string[], allowed: readonly string[] = []) {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined
  const known = [...needed, ...allowed]
  const keys = Object.keys(value)
  if (!needed.every((name) => keys.includes(name)) || !keys.every((key) => known.includes(key))) return undefined
  return value as Readonly<Record<string, unknown>>
}
