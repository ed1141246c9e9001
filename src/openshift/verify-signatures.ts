// Whether signatures make a release authentic, as `oc` and the cluster-version operator decide it: every keyring of the
// verification ConfigMap must be satisfied by a signature of exactly this digest. A tag or name in it decides nothing:
// a mirror has other names.
import type { Digest } from '../oci/digest.ts'
import { parseJson } from '../oci/json.ts'
import { openSigned, OpenPgpError, readKeyring } from '../mirror/policy/openpgp.ts'
import type { FoundSignature } from './signature-stores.ts'
import type { Keyring } from './verification-map.ts'

export interface GoodSignature extends FoundSignature {
  readonly keyring: string
  /** Sixteen hexadecimal digits. */
  readonly keyId: string
  /** What the signer says that the image is called. */
  readonly reference: string
}

export interface SignatureVerdict {
  /** Every keyring is satisfied. */
  readonly verified: boolean
  readonly good: readonly GoodSignature[]
  /** Names of the keyrings that no signature satisfies. */
  readonly unsatisfied: readonly string[]
  /** Why signatures did not count. */
  readonly rejected: readonly { readonly from: string; readonly reason: string }[]
}

const TYPE = 'atomic container signature'

/** Judges signatures of `digest`. Throws nothing: a keyring that cannot be read is one that nothing satisfies. */
export async function verifySignatures(
  digest: Digest,
  signatures: readonly FoundSignature[],
  keyrings: readonly Keyring[],
  now: Date,
): Promise<SignatureVerdict> {
  const good: GoodSignature[] = []
  const rejected: { from: string; reason: string }[] = []
  const unsatisfied: string[] = []
  for (const { name, text } of keyrings) {
    const before = good.length
    try {
      const keys = await readKeyring(text)
      for (const signature of signatures) {
        try {
          const { content, keyId } = await openSigned(signature.bytes, keys, now)
          good.push({ ...signature, keyring: name, keyId, reference: readAtomic(content, digest) })
        } catch (error) {
          if (!(error instanceof OpenPgpError)) throw error
          rejected.push({ from: signature.from, reason: error.message })
        }
      }
    } catch (error) {
      if (!(error instanceof OpenPgpError)) throw error
      rejected.push({ from: name, reason: error.message })
    }
    if (good.length === before) unsatisfied.push(name)
  }
  return { verified: keyrings.length > 0 && unsatisfied.length === 0, good, unsatisfied, rejected }
}

/** The reference in an atomic container signature of `digest`; throws an OpenPgpError when it is none, or of another. */
export function readAtomic(content: Uint8Array, digest: Digest): string {
  const root = onlyFields(readJson(content), 'critical', 'optional')
  const critical = onlyFields(root['critical'], 'type', 'image', 'identity')
  const image = onlyFields(critical['image'], 'docker-manifest-digest')
  const identity = onlyFields(critical['identity'], 'docker-reference')
  if (critical['type'] !== TYPE) throw new OpenPgpError(`what is signed is no ${TYPE}`)
  const [signed, reference] = [image['docker-manifest-digest'], identity['docker-reference']]
  if (signed !== digest) throw new OpenPgpError('what is signed is another image')
  if (typeof reference !== 'string' || reference === '') throw new OpenPgpError('what is signed has no name')
  return reference
}

function readJson(content: Uint8Array): unknown {
  try {
    return parseJson(content, 'strict')
  } catch (cause) {
    throw new OpenPgpError('what is signed is no JSON that all read alike', { cause })
  }
}

// As the verifiers of clusters: a field that they do not know could change what is meant.
function onlyFields(value: unknown, ...names: readonly string[]): Readonly<Record<string, unknown>> {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new OpenPgpError(`what is signed is no ${TYPE}`)
  const stranger = Object.keys(value).find((name) => !names.includes(name))
  if (stranger !== undefined) throw new OpenPgpError('what is signed has fields that nobody knows')
  return value as Record<string, unknown>
}
