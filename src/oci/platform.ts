// The choice of one platform out of a list, for clients from before lists. Never used for pulls by digest.
import type { Descriptor } from './descriptor.ts'
import type { Manifest } from './manifest.ts'

/**
 * The child that docker/distribution serves by tag to a client whose Accept names no list: the first for
 * linux/amd64. Undefined when the manifest is no index or has no such child.
 */
export function chooseLinuxAmd64(manifest: Manifest): Descriptor | undefined {
  if (manifest.kind !== 'index') return undefined
  return manifest.manifests.find(({ platform }) => platform?.os === 'linux' && platform.architecture === 'amd64')
}
