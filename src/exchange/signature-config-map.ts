// The signatures of one release as a cluster takes them: a ConfigMap in openshift-config-managed, which the cluster version
// operator finds by its label. The form, key for key, is the one that `oc adm release mirror` writes. Pure.
import type { Digest } from '../oci/digest.ts'
import { algorithmOf, hexOf } from '../oci/digest.ts'
import type { StoredSignature } from '../storage/signatures.ts'

export interface SignedRelease {
  readonly digest: Digest
  readonly signatures: readonly StoredSignature[]
}

/** The ConfigMap of one release. */
export function makeSignatureConfigMap({ digest, signatures }: SignedRelease) {
  const name = `${algorithmOf(digest)}-${hexOf(digest)}`
  return {
    kind: 'ConfigMap',
    apiVersion: 'v1',
    metadata: {
      name,
      namespace: 'openshift-config-managed',
      creationTimestamp: null,
      labels: { 'release.openshift.io/verification-signatures': '' },
    },
    binaryData: Object.fromEntries(
      signatures.map(({ number, bytes }) => [`${name}-${number}`, bytes.toString('base64')]),
    ),
  }
}

/** `signature-sha256-<first 16 hex>.json`, oc's name for the file. */
export function signatureFileName(digest: Digest): string {
  return `signature-${algorithmOf(digest)}-${hexOf(digest).slice(0, 16)}.json`
}
