// Platforms of a list's children: the choice for clients from before lists, and whether one is the one that is wanted.
import type { Descriptor, Platform } from './descriptor.ts'
import type { Manifest } from './manifest.ts'

// arm64 means v8, which lists write or leave out as they please.
const USUAL_ARM64 = 'v8'

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
  const usual = architecture === 'arm64' ? USUAL_ARM64 : undefined
  return (
    platform.os === os &&
    platform.architecture === architecture &&
    (variant === undefined || ((platform.variant ?? '') || usual) === variant)
  )
}

/**
 * The child that is for the same platform as one of another list: exactly, else whatever the version of its system (each
 * Windows has another), else whatever its variant. Undefined when there is none of that system and architecture.
 */
export function chooseLike(children: readonly Descriptor[], platform: Platform | undefined): Descriptor | undefined {
  if (platform === undefined) return children.find((child) => child.platform === undefined)
  for (const parts of [3, 2, 1]) {
    const same = namesOf(platform).slice(0, parts).join()
    const found = children.find((child) => child.platform && namesOf(child.platform).slice(0, parts).join() === same)
    if (found !== undefined) return found
  }
  return undefined
}

// What tells platforms apart, the most important first.
function namesOf({ os, architecture, variant, ...rest }: Platform): string[] {
  const version = rest['os.version']
  return [
    JSON.stringify([os, architecture]),
    (variant ?? '') || (architecture === 'arm64' ? USUAL_ARM64 : ''),
    typeof version === 'string' ? version : '',
  ]
}
