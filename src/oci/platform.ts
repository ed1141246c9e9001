// Platforms of a list's children: the choice for clients from before lists, and whether one is the one that is wanted.
import type { Descriptor, Platform } from './descriptor.ts'
import type { Manifest } from './manifest.ts'

/**
 * The child, never for a pull by digest, that docker/distribution serves by tag to a client whose Accept names no list: the first for
 * linux/amd64. Undefined when the manifest is no index or has no such child.
 */
export function chooseLinuxAmd64(manifest: Manifest): Descriptor | undefined {
  if (manifest.kind !== 'index') return undefined
  return manifest.manifests.find(({ platform }) => platform?.os === 'linux' && platform.architecture === 'amd64')
}

/** Whether a child's platform is the one that `wanted` writes as containerd does: `linux/amd64`, `linux/arm64/v8`. */
export function matchesPlatform(platform: Platform | undefined, wanted: string): boolean {
  if (platform === undefined) return false
  const [os, architecture, variant] = wanted.split('/')
  // arm64 means v8, which lists write or leave out as they please.
  const usual = architecture === 'arm64' ? 'v8' : undefined
  return (
    platform.os === os &&
    platform.architecture === architecture &&
    (variant === undefined || ((platform.variant ?? '') || usual) === variant)
  )
}

/** Whether two children of lists are for one platform. */
export function isSamePlatform(one: Platform | undefined, other: Platform | undefined): boolean {
  if (one === undefined || other === undefined) return one === other
  const text = ({ os, architecture, variant = '', ...rest }: Platform): string =>
    JSON.stringify([os, architecture, variant, rest['os.version'] ?? ''])
  return text(one) === text(other)
}
