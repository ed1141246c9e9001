// What a policy says of one image, with the signatures that can be found of it. Every requirement must be met; for a
// signature it is enough when one of them is good. What cannot be asked is never taken for "not signed".
import { Problem } from '../../config/problem.ts'
import type { Digest } from '../../oci/digest.ts'
import { UpstreamError } from '../../upstream/upstream-error.ts'
import type { AttachedSignature, JudgedImage } from './check-signature.ts'
import { whyNotAttached, whyNotSigned } from './check-signature.ts'
import type { Keys } from './keys.ts'
import { OpenPgpError } from './openpgp.ts'
import type { Policy } from './policy.ts'
import { requirementsFor } from './policy.ts'
import { PolicyError } from './policy-error.ts'
import type { Requirement } from './requirement.ts'

/** Where signatures of an image are looked for. Both throw when that cannot be said. */
export interface SignaturePlaces {
  /** Those of containers/image, from the place that registries.d names. */
  readonly simple: (digest: Digest) => Promise<readonly Buffer[]>
  /** Those of cosign, from the repository of the image. */
  readonly attached: (digest: Digest) => Promise<readonly AttachedSignature[]>
}

export type Verdict =
  /** `isSigned`: a signature was asked for and was good. */
  { readonly isAllowed: true; readonly isSigned: boolean } | { readonly isAllowed: false; readonly why: string }

export interface JudgeParts {
  readonly policy: Policy
  readonly keys: Keys
  /** Milliseconds since 1970. */
  readonly clock: () => number
}

/** Throws an UpstreamError when a place of signatures does not answer. */
export async function judge(image: JudgedImage, places: SignaturePlaces, parts: JudgeParts): Promise<Verdict> {
  let isSigned = false
  for (const requirement of requirementsFor(parts.policy, image.reference)) {
    const why = await whyUnmet(requirement, image, places, parts)
    if (why !== undefined) return { isAllowed: false, why }
    isSigned ||= requirement.type === 'signedBy' || requirement.type === 'sigstoreSigned'
  }
  return { isAllowed: true, isSigned }
}

async function whyUnmet(
  requirement: Requirement,
  image: JudgedImage,
  places: SignaturePlaces,
  { keys, clock }: JudgeParts,
): Promise<string | undefined> {
  if (requirement.type === 'insecureAcceptAnything') return undefined
  if (requirement.type === 'reject') return 'the policy rejects it'
  const { identity } = requirement
  try {
    const reasons: string[] = []
    if (requirement.type === 'signedBy') {
      const ring = await keys.ring(requirement.keys)
      for (const message of await places.simple(image.digest)) {
        const why = await whyNotSigned(message, image, { keys: ring, identity, now: new Date(clock()) })
        if (why === undefined) return undefined
        reasons.push(why)
      }
    } else {
      const objects = keys.publicKeys(requirement.keys)
      for (const signature of await places.attached(image.digest)) {
        const why = whyNotAttached(signature, image, { keys: objects, identity })
        if (why === undefined) return undefined
        reasons.push(why)
      }
    }
    return reasons.length === 0 ? 'it is not signed' : [...new Set(reasons)].slice(0, 3).join('; ')
  } catch (error) {
    // A key or a place that is wrong here keeps this image, not the others.
    const isOurs = error instanceof Problem || error instanceof PolicyError || error instanceof OpenPgpError
    if (isOurs && !(error instanceof UpstreamError)) return error.message
    throw error
  }
}
