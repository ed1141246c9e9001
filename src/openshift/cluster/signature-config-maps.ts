// Signatures of releases as a cluster takes them: ConfigMaps in openshift-config-managed, which the cluster version
// operator finds by their label. The form is the one that oc writes. Pure.
import type { SignedRelease } from '../../exchange/signature-config-map.ts'
import { makeSignatureConfigMap, signatureFileName } from '../../exchange/signature-config-map.ts'
import type { Handout } from './handout.ts'

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
