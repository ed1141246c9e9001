// Mirrors a release: finds its payload, judges its signatures, copies every component by digest under the tags that `oc`
// writes, and the release image last, so that a release with a name is whole. What is there already is not sent; the next
// run goes on where this one ended.
import { Problem } from '../config/problem.ts'
import type { Digest } from '../oci/digest.ts'
import type { RepositoryName } from '../oci/name.ts'
import type { Tag } from '../oci/reference.ts'
import type { CopiedRelease, CopyOrder } from './copy-release.ts'
import { copyRelease, rememberOne } from './copy-release.ts'
import { findPayload } from './find-payload.ts'
import { judgeRelease } from './judge-release.ts'
import type { Instructions } from './mirror-instructions.ts'
import { formatMirrored, formatWritten, mirroredSources } from './mirror-instructions.ts'
import type { ReleaseRecord } from './release-record.ts'
import type { MirrorReport } from './release-report.ts'
import type { TagStyle } from './release-tags.ts'
import { releaseTags } from './release-tags.ts'

export interface MirrorOrder extends CopyOrder {
  /** The target's registry as clients name it; undefined for a directory. */
  readonly host: string | undefined
  /** The path of the directory. */
  readonly directory?: string | undefined
  /** Where the release image goes, when not beside the components. */
  readonly releaseImage?: { readonly repository: RepositoryName; readonly tag: Tag } | undefined
  readonly style: TagStyle
  readonly instructions: Instructions
  /** Of the target's disk; undefined where nobody can say. */
  readonly room?: SpareRoom | undefined
  /** Refuses a release that is not verified, also one that says nothing of how. */
  readonly requireSignature: boolean
  /** Keeps a good signature for clusters; gives whether it is new. */
  readonly storeSignature: ((digest: Digest, bytes: Buffer) => Promise<boolean>) | undefined
  /** Writes down what came with the release, where somebody will verify it. */
  readonly record?: ((digest: Digest, record: ReleaseRecord) => Promise<void>) | undefined
  readonly clock: () => number
}

export interface SpareRoom {
  /** Bytes that may still be written. */
  spare(): number
  /** Bytes of a blob that an earlier run left. */
  begun(digest: Digest): number
}

/**
 * Throws a Problem for what is no release, for one that is signed wrongly, and where there is no room for it, before
 * anything is copied; what one image fails with is told.
 */
export async function mirrorRelease(order: MirrorOrder): Promise<MirrorReport> {
  const { from, signal, clock, to, host, style, dryRun, releaseImage } = order
  const began = clock()
  const payload = await findPayload(from.source, from, from.name, { signal })
  const judged = await judgeRelease(payload, { find: from.findSignatures, now: new Date(clock()) })
  const { report: signature } = judged
  if (signature.state === 'wrong' || (order.requireSignature && signature.state !== 'verified')) {
    throw new Problem(`${from.name} is not verified: ${signature.what}`, {
      hint: `nothing was copied${signature.problems.length > 0 ? `; ${signature.problems.join('; ')}` : ''}`,
      exitCode: 4,
    })
  }
  const [release, ...tags] = releaseTags(payload, style)
  if (release === undefined) throw new Error('a release without a tag of its own')
  const place = releaseImage ?? { repository: to, tag: release.tag }
  const componentTags = new Map(tags.map(({ component, tag }) => [component ?? '', tag]))
  const whole = { payload, tags: componentTags, place, remember: rememberOne() }
  if (order.room !== undefined && !dryRun) requireRoom(order.room, await copyRelease({ ...order, dryRun: true }, whole))
  const copied = await copyRelease(order, whole)
  const { images } = copied
  const counts = { copied: 0, here: 0, incomplete: 0, failed: 0 }
  for (const { state } of images) counts[state] += 1
  // What did not come along is to be missed as well.
  if (!dryRun && counts.failed === 0) {
    const places = [{ image: place.repository, components: to }]
    await order.record?.(payload.digest, { places, referrers: copied.referrers })
  }
  let stored = 0
  if (!dryRun && counts.failed === 0 && order.storeSignature !== undefined)
    for (const { digest, bytes } of judged.good) if (await order.storeSignature(digest, bytes)) stored += 1
  const prefix = host === undefined ? '' : `${host}/`
  const image = `${prefix}${place.repository}:${place.tag}`
  const signedAs = signature.good.map(({ reference }) => reference)
  return {
    version: payload.version,
    digest: payload.digest,
    to: `${prefix}${to}`,
    dryRun,
    images,
    counts,
    tags: images.reduce((sum, each) => sum + (each.state === 'failed' ? 0 : each.tags.length), 0),
    blobs: copied.blobs,
    // Blobs that an upstream's transfer brings do not pass through here.
    bytes: Math.max(
      copied.bytes,
      images.reduce((sum, each) => sum + each.bytes, 0),
    ),
    seconds: (clock() - began) / 1000,
    signature,
    stored,
    instructions:
      counts.failed > 0
        ? undefined
        : order.directory !== undefined
          ? formatWritten({
              path: order.directory,
              image,
              signed: [...new Set(judged.good.map((each) => each.digest))],
            })
          : formatMirrored({
              version: payload.version,
              to: `${prefix}${to}`,
              image,
              namedImage: releaseImage !== undefined,
              sources: mirroredSources(payload, { from: from.origin, signedAs }),
              instructions: order.instructions,
            }),
    image,
  }
}

/** Throws a Problem where what a dry run counted does not fit. */
function requireRoom(room: SpareRoom, { bytes, counted }: CopiedRelease): void {
  const begun = [...counted].reduce((sum, digest) => sum + room.begun(digest), 0)
  const [needs, free] = [bytes - begun, room.spare()]
  if (needs <= Math.max(0, free)) return
  throw new Problem(`there is no room: ${needs} bytes are needed, and ${Math.max(0, free)} may still be written`, {
    hint: 'nothing was copied; free some space first: --dry-run shows what each image takes',
  })
}
