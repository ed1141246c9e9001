// What install-config.yaml gets so that the installer and its cluster take images from here. Pure.
import type { Handout } from './handout.ts'
import type { MirrorPair } from './mirror-pairs.ts'
import { groupPairs } from './mirror-set.ts'
import { toYaml } from './objects.ts'
import type { OpenShiftVersion } from './version.ts'
import { formatVersion, hasTrustBundlePolicy, sourcesKey } from './version.ts'

export interface InstallConfigOptions {
  readonly version: OpenShiftVersion
  readonly pairs: readonly MirrorPair[]
  /** Certificates in PEM; absent where the registry speaks plain HTTP or is trusted anyway. */
  readonly trust?: string | undefined
  /** One line of JSON; a login for this registry is in it. */
  readonly pullSecret?: string | undefined
  /** A release image here, `HOST/REPOSITORY:TAG`, from which the installer is to be taken. */
  readonly releaseImage?: string | undefined
}

/** The keys, in the order in which people read them. */
export function makeInstallConfig({
  version,
  pairs,
  trust,
  pullSecret,
}: InstallConfigOptions): Record<string, unknown> {
  return {
    ...(pullSecret !== undefined && { pullSecret }),
    ...(trust !== undefined && { additionalTrustBundle: trust }),
    // Without it the bundle counts only where a proxy is configured.
    ...(trust !== undefined && hasTrustBundlePolicy(version) && { additionalTrustBundlePolicy: 'Always' }),
    ...(pairs.length > 0 && { [sourcesKey(version)]: groupPairs(pairs) }),
  }
}

export function handOutInstallConfig(options: InstallConfigOptions): Handout {
  const { version, pullSecret, releaseImage } = options
  const key = sourcesKey(version)
  return {
    files: [
      {
        path: 'install-config.part.yaml',
        text: toYaml(makeInstallConfig(options)),
        secret: pullSecret !== undefined,
      },
    ],
    commands: [
      `oc adm release extract --command=openshift-install ${releaseImage ?? 'HOST:PORT/REPOSITORY:TAG'}`,
      'cat install-config.part.yaml >> install-config.yaml',
    ],
    notes: [
      `install-config.yaml has these keys once: remove ${pullSecret === undefined ? '' : 'pullSecret and '}others of the same name first`,
      `OpenShift ${formatVersion(version)} reads ${key}, and refuses ${
        key === 'imageDigestSources' ? 'imageContentSources beside it' : 'imageDigestSources'
      }`,
      'the installer must come from the release that lies here: one from elsewhere asks for its own release by a name that has no mirror',
    ],
  }
}
