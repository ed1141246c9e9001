// What came with a release when it was mirrored and is not there any more: signatures of sigstore, attestations, SBOMs.
import { UnreadableTree } from '../exchange/file-tree.ts'
import type { ImageSource } from '../exchange/image-source.ts'
import type { Digest } from '../oci/digest.ts'
import { makeTurns } from '../upstream/turns.ts'
import type { RecordedReferrer } from './release-record.ts'
import type { ReleaseFault } from './release-report.ts'

const AT_A_TIME = 8

/**
 * Looks for what is `wanted` in its repositories. `owners` has the images that are there by digest, with the component that
 * they are of: of an image that is missing itself nothing more is told. Throws as the source does.
 */
export async function findLostReferrers(
  source: ImageSource,
  wanted: readonly RecordedReferrer[],
  owners: ReadonlyMap<Digest, string | undefined>,
  signal: AbortSignal | undefined,
): Promise<ReleaseFault[]> {
  const turns = makeTurns(AT_A_TIME)
  const lost = await Promise.all(
    wanted.map(async ({ repository, subject, tag, digest }): Promise<ReleaseFault[]> => {
      if (!owners.has(subject)) return []
      const release = await turns.take(signal)
      try {
        // A tag may have moved since: then somebody signed once more.
        const reference = tag === undefined ? ({ kind: 'digest', digest } as const) : ({ kind: 'tag', tag } as const)
        if ((await source.readManifest(repository, reference, { signal })) !== undefined) return []
      } catch (error) {
        // What lies there and cannot be read is as good as lost.
        if (!(error instanceof UnreadableTree)) throw error
      } finally {
        release()
      }
      const component = owners.get(subject)
      const where = { digest: subject, ...(component !== undefined && { component }) }
      const what = `${tag ?? digest}, which is about it, came with it and is not here`
      return [{ ...where, kind: tag?.endsWith('.sig') === true ? 'missing signature' : 'missing referrer', what }]
    }),
  )
  return lost.flat()
}
