// Tells a target that does not know by itself what refers to what, as a registry without the referrers API does not.
import { describeReferrer } from '../oci/manifest.ts'
import type { RepositoryName } from '../oci/name.ts'
import type { ImageTarget } from './image-target.ts'
import type { ClosureManifest } from './read-closure.ts'
import { tryAgain } from './try-again.ts'

export interface ReferParts {
  readonly target: ImageTarget
  readonly signal?: AbortSignal
  readonly dryRun?: boolean
}

/** True when that changed something there; with `dryRun` when it would. Those that refer to nothing are left out. */
export async function refer(
  { target, signal, dryRun = false }: ReferParts,
  repository: RepositoryName,
  manifests: readonly ClosureManifest[],
): Promise<boolean> {
  let changed = false
  for (const [subject, referrers] of Map.groupBy(manifests, ({ manifest }) => manifest.subject?.digest)) {
    if (subject === undefined) continue
    const listed = referrers.map(({ manifest, digest, size }) => describeReferrer(manifest, digest, size))
    const act = async (): Promise<boolean> =>
      (await target.refer?.(repository, subject, listed, { signal, dryRun })) === true
    changed = (await tryAgain(act, signal)) || changed
  }
  return changed
}
