// Signatures of releases as a cluster takes them: ConfigMaps in openshift-config-managed, which the cluster version
// operator finds by their label. The form is the one that oc writes. Pure.
import type { Digest } from '../../oci/digest.ts'
import { algorithmOf, hexOf } from '../../oci/digest.ts'
import type { StoredSignature } from '../../storage/signatures.ts'
import type { Handout } from './handout.ts'
import type { KubeObject } from './objects.ts'

export interface SignedRelease {
  readonly digest: Digest
  readonly signatures: readonly StoredSignature[]
}

/** The ConfigMap of one release, key for key as `oc adm release mirror` writes it. */
export function makeSignatureConfigMap({ digest, signatures }: SignedRelease): KubeObject {
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

/** One file a release, one line of JSON each. */
export function handOutSignatures(releases: readonly SignedRelease[]): Handout {
  const files = releases.map((release) => ({
    path: signatureFileName(release.digest),
    text: `${JSON.stringify(makeSignatureConfigMap(release))}\n`,
  }))
  return {
    files,
    commands: files.map(({ path }) => `oc apply -f ${path}`),
    notes: ['the cluster verifies them itself: apply them before `oc adm upgrade`, and leave out --force'],
  }
}
