// Another place than this registry's directory to mirror a release into: a registry somewhere, or a directory as oc writes it.
import { dirSource } from '../exchange/dir-source.ts'
import { DIR_MODE, dirTarget } from '../exchange/dir-target.ts'
import { UnreadableTree } from '../exchange/file-tree.ts'
import type { ImageTarget } from '../exchange/image-target.ts'
import { openTree } from '../exchange/open-tree.ts'
import { registrySource } from '../exchange/registry-source.ts'
import { registryTarget } from '../exchange/registry-target.ts'
import { writeDirectory } from '../exchange/write-directory.ts'
import { Problem } from '../config/problem.ts'
import type { Upstream } from '../mirror/upstream.ts'
import type { PushClient } from '../upstream/push-client.ts'
import type { ReleaseTarget } from './release-reference.ts'

export interface OtherTargetParts {
  readonly find: (host: string) => Upstream
  /** Opens the registry to push to. Throws a Problem for what a person must mend. */
  readonly openPush: (upstream: Upstream) => PushClient
}

/** Throws a Problem for what a person must mend. */
export async function openOtherTarget(
  to: Exclude<ReleaseTarget, { kind: 'local' }>,
  { find, openPush }: OtherTargetParts,
): Promise<ImageTarget> {
  if (to.kind === 'registry') {
    const upstream = find(to.host)
    // Whoever opened the client that reads closes it.
    const reader = { ...registrySource({ client: upstream.client }), close: async () => undefined }
    return registryTarget({ client: openPush(upstream), reader })
  }
  const before = await openBefore(to.path)
  return dirTarget(writeDirectory(to.path, { mode: DIR_MODE }), before, `dir:${to.path}`)
}

/** What is in the directory already: another release, or the beginning of this one. */
async function openBefore(path: string) {
  try {
    return await dirSource(await openTree(path), path)
  } catch (error) {
    if (error instanceof UnreadableTree || error instanceof Problem) return undefined
    throw error
  }
}
