// What differs from one version of OpenShift to the next in what a cluster is given. Pure.
import { Problem } from '../../config/problem.ts'

export interface OpenShiftVersion {
  readonly major: number
  readonly minor: number
}

/** Reads `4.14`, `v4.14` or `4.14.3` (also with what follows a hyphen). Throws a Problem for anything else, and below 4.2. */
export function parseOpenShiftVersion(text: string): OpenShiftVersion {
  const [, major = '', minor = ''] = /^v?(\d{1,2})\.(\d{1,3})(?:\.\d+)?(?:[-+].*)?$/.exec(text) ?? []
  const version = { major: Number(major), minor: Number(minor) }
  if (major === '') {
    throw new Problem(`not a version of OpenShift: ${text}`, { hint: 'as in --for 4.14', exitCode: 2 })
  }
  if (!isSince(version, 4, 2)) {
    throw new Problem(`OpenShift ${text} cannot be installed from a mirror`, {
      hint: 'the first that can is 4.2',
      exitCode: 2,
    })
  }
  return version
}

export function formatVersion({ major, minor }: OpenShiftVersion): string {
  return `${major}.${minor}`
}

function isSince(version: OpenShiftVersion, major: number, minor: number): boolean {
  return version.major > major || (version.major === major && version.minor >= minor)
}

/** ImageDigestMirrorSet and ImageTagMirrorSet; before 4.13 there is ImageContentSourcePolicy alone. */
export function hasMirrorSets(version: OpenShiftVersion): boolean {
  return isSince(version, 4, 13)
}

/** The key of install-config.yaml: the installer knows only one of the two at a time. */
export function sourcesKey(version: OpenShiftVersion): 'imageContentSources' | 'imageDigestSources' {
  return isSince(version, 4, 14) ? 'imageDigestSources' : 'imageContentSources'
}

/** `additionalTrustBundlePolicy` of install-config.yaml; an older installer refuses a key that it does not know. */
export function hasTrustBundlePolicy(version: OpenShiftVersion): boolean {
  return isSince(version, 4, 12)
}

/** OLM's second generation beside CatalogSource. */
export function hasClusterCatalog(version: OpenShiftVersion): boolean {
  return isSince(version, 4, 18)
}
