// Whether the name that a signature speaks of is the image that was asked for (containers-policy.json(5), "signedIdentity").
import type { DockerReference } from './docker-reference.ts'
import { formatDockerReference, isNameOnly, parseDockerReference } from './docker-reference.ts'

export type SignedIdentity =
  | { readonly type: 'matchExact' }
  | { readonly type: 'matchRepoDigestOrExact' }
  | { readonly type: 'matchRepository' }
  | { readonly type: 'exactReference'; readonly dockerReference: string }
  | { readonly type: 'exactRepository'; readonly dockerRepository: string }
  | { readonly type: 'remapIdentity'; readonly prefix: string; readonly signedPrefix: string }

/** `signed` is what the signature says, as it stands there. */
export function matchesIdentity(rule: SignedIdentity, asked: DockerReference, signed: string): boolean {
  const signature = parseDockerReference(signed)
  if (signature === undefined) return false
  switch (rule.type) {
    case 'matchExact':
      return isSame(signature, asked)
    case 'matchRepoDigestOrExact':
      return isSameOrOfDigest(signature, asked)
    case 'matchRepository':
      return signature.name === asked.name
    case 'exactReference':
      return isSame(signature, parseDockerReference(rule.dockerReference))
    case 'exactRepository':
      return signature.name === parseDockerReference(rule.dockerRepository)?.name
    case 'remapIdentity':
  }
  const mapped = remap(asked, rule)
  return mapped !== undefined && isSameOrOfDigest(signature, mapped)
}

function isSame(a: DockerReference, b: DockerReference | undefined): boolean {
  if (b === undefined || isNameOnly(a) || isNameOnly(b)) return false
  return formatDockerReference(a) === formatDockerReference(b)
}

// Who asks by digest has no tag to compare; the digest itself was compared before.
function isSameOrOfDigest(signature: DockerReference, asked: DockerReference): boolean {
  if (isNameOnly(signature) || isNameOnly(asked)) return false
  return asked.tag === undefined ? signature.name === asked.name : isSame(signature, asked)
}

/** An image outside the prefix keeps its name. */
function remap(
  asked: DockerReference,
  { prefix, signedPrefix }: { readonly prefix: string; readonly signedPrefix: string },
): DockerReference | undefined {
  if (asked.name !== prefix && !asked.name.startsWith(`${prefix}/`)) return asked
  return parseDockerReference(`${signedPrefix}${formatDockerReference(asked).slice(prefix.length)}`)
}
