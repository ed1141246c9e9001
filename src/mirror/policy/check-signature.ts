// Whether one signature is good for one image: by a key of the policy, of this very digest, and under a name that the policy
// takes for it. Nothing of a payload is looked at before its signature is verified.
import type { KeyObject } from 'node:crypto'
import { verify } from 'node:crypto'
import type { Key } from 'openpgp'
import type { Digest } from '../../oci/digest.ts'
import { algorithmOf, digestOf } from '../../oci/digest.ts'
import { quoteText } from '../../oci/json.ts'
import type { DockerReference } from './docker-reference.ts'
import { formatDockerReference } from './docker-reference.ts'
import type { SignedIdentity } from './identity.ts'
import { matchesIdentity } from './identity.ts'
import { OpenPgpError, openSigned } from './openpgp.ts'
import { ATOMIC, COSIGN, readPayload } from './payload.ts'

/** The image that a signature must be about. */
export interface JudgedImage {
  /** As somebody asked for it at its upstream. */
  readonly reference: DockerReference
  readonly digest: Digest
  /** Of the manifest, as they are. */
  readonly bytes: Uint8Array
}

/** A signature of cosign, as it lies beside an image. */
export interface AttachedSignature {
  readonly payload: Buffer
  /** In base64, as the annotation has it. */
  readonly signature: string
}

/** Why the signature of containers/image ("simple signing") does not count; undefined when it does. */
export async function whyNotSigned(
  message: Uint8Array,
  image: JudgedImage,
  { keys, identity, now }: { readonly keys: readonly Key[]; readonly identity: SignedIdentity; readonly now: Date },
): Promise<string | undefined> {
  try {
    const { content } = await openSigned(message, keys, now)
    return whyNotMeant(content, ATOMIC, image, identity)
  } catch (error) {
    if (error instanceof OpenPgpError) return error.message
    throw error
  }
}

/** Why a signature of cosign does not count; undefined when it does. */
export function whyNotAttached(
  { payload, signature }: AttachedSignature,
  image: JudgedImage,
  { keys, identity }: { readonly keys: readonly KeyObject[]; readonly identity: SignedIdentity },
): string | undefined {
  if (!/^[A-Za-z0-9+/]+=*$/.test(signature)) return 'a signature is not in base64'
  const bytes = Buffer.from(signature, 'base64')
  if (!keys.some((key) => isSignedBy(payload, bytes, key))) return 'no key of the policy made the signature'
  return whyNotMeant(payload, COSIGN, image, identity)
}

function isSignedBy(payload: Buffer, signature: Buffer, key: KeyObject): boolean {
  try {
    // As sigstore signs: SHA-256 whatever the curve, PKCS #1 v1.5 for RSA, and Ed25519 without a hash before it.
    return verify(key.asymmetricKeyType === 'ed25519' ? null : 'sha256', payload, key, signature)
  } catch {
    return false
  }
}

function whyNotMeant(
  content: Uint8Array,
  type: string,
  { reference, digest, bytes }: JudgedImage,
  identity: SignedIdentity,
): string | undefined {
  const claim = readPayload(content, type)
  if (claim === undefined) return 'what was signed is no statement about an image'
  if (!matchesIdentity(identity, reference, claim.reference))
    return `the signature is for ${quoteText(claim.reference)}, not for ${formatDockerReference(reference)}`
  const isMeant = claim.digest === digest || digestOf(bytes, algorithmOf(claim.digest)) === claim.digest
  return isMeant ? undefined : `the signature is for the digest ${claim.digest}`
}
