// Mirrors a release: finds its payload, judges its signatures, copies every component by digest under the tags that `oc`
// writes, and the release image last, so that a release with a name is whole. What is there already is not sent; the next
// run goes on where this one ended.
import { copyImages } from '../exchange/copy-images.ts'
import type { CopiedImage, ImageToCopy } from '../exchange/copy-images.ts'
import type { ImageTarget } from '../exchange/image-target.ts'
import { Problem } from '../config/problem.ts'
import type { Digest } from '../oci/digest.ts'
import type { RepositoryName } from '../oci/name.ts'
import type { Tag } from '../oci/reference.ts'
import type { Progress } from '../registry/collect.ts'
import type { Payload } from './find-payload.ts'
import { findPayload } from './find-payload.ts'
import { judgeRelease } from './judge-release.ts'
import type { Instructions } from './mirror-instructions.ts'
import { formatMirrored, formatWritten, mirroredSources } from './mirror-instructions.ts'
import type { Component } from './payload.ts'
import type { ImagePlace, ReleasePlace } from './release-place.ts'
import { placeComponents } from './release-place.ts'
import type { MirroredImage, MirrorReport } from './release-report.ts'
import type { TagStyle } from './release-tags.ts'
import { releaseTags } from './release-tags.ts'

export interface MirrorOrder {
  readonly from: ReleasePlace
  /** Takes images of one place; the same target may be given for all. */
  readonly target: (place: ImagePlace) => ImageTarget
  readonly to: RepositoryName
  /** The target's registry as clients name it; undefined for a directory. */
  readonly host: string | undefined
  /** The path of the directory. */
  readonly directory?: string | undefined
  /** Where the release image goes, when not beside the components. */
  readonly releaseImage?: { readonly repository: RepositoryName; readonly tag: Tag } | undefined
  readonly style: TagStyle
  readonly instructions: Instructions
  readonly dryRun: boolean
  /** Refuses a release that is not verified, also one that says nothing of how. */
  readonly requireSignature: boolean
  /** Keeps a good signature for clusters; gives whether it is new. */
  readonly storeSignature: ((digest: Digest, bytes: Buffer) => Promise<boolean>) | undefined
  readonly signal?: AbortSignal | undefined
  readonly onProgress?: (progress: Progress) => void
  readonly clock: () => number
}

const AT_A_TIME = { images: 12, blobs: 8 }

/** Throws a Problem for what is no release, and for one that is signed wrongly; what one image fails with is told. */
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
  const copied = await copyComponents(order, payload, new Map(tags.map(({ component, tag }) => [component ?? '', tag])))
  const place = releaseImage ?? { repository: to, tag: release.tag }
  const isWhole = copied.images.every(({ state }) => state !== 'failed')
  const last = isWhole
    ? await copyGroup(order, from, [wish(from, payload.digest, place.repository, [place.tag])], copied)
    : [leaveOut(from, payload, place, copied.images)]
  const images = [
    ...copied.images,
    ...last.map((each) => ({ ...each, components: [], from: `${from.source.name}/${each.from}` })),
  ]
  const counts = { copied: 0, here: 0, incomplete: 0, failed: 0 }
  for (const { state } of images) counts[state] += 1
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
          ? formatWritten({ path: order.directory, image })
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

interface Copied {
  readonly images: MirroredImage[]
  blobs: number
  bytes: number
  /** For the progress of the whole. */
  readonly total: number
  /** Of a dry run. */
  readonly counted: Set<Digest>
}

async function copyComponents(
  order: MirrorOrder,
  { components }: Payload,
  tags: ReadonlyMap<string, Tag>,
): Promise<Copied> {
  const { from, to, signal } = order
  const placeOf = await placeComponents(from, components, signal)
  // One image with several names is copied once; a registry's components mostly come from one repository.
  const groups = new Map<string, { place: ImagePlace; images: Map<Digest, Component[]> }>()
  for (const component of components) {
    const place = placeOf(component)
    const key = `${place.source.name} ${place.repository}`
    const group = groups.get(key) ?? { place, images: new Map<Digest, Component[]>() }
    group.images.set(component.digest, [...(group.images.get(component.digest) ?? []), component])
    groups.set(key, group)
  }
  const total = [...groups.values()].reduce((sum, { images }) => sum + images.size, 1)
  const copied: Copied = { images: [], blobs: 0, bytes: 0, total, counted: new Set() }
  for (const { place, images } of groups.values()) {
    const wishes = [...images].map(([digest, same]) =>
      wish(
        place,
        digest,
        to,
        same.map(({ name }) => tags.get(name)).filter((tag) => tag !== undefined),
      ),
    )
    const results = await copyGroup(order, place, wishes, copied)
    const names = new Map<string, string[]>([...images].map(([digest, same]) => [digest, same.map(({ name }) => name)]))
    copied.images.push(
      ...results.map((result) => ({
        ...result,
        components: names.get(result.from.slice(result.from.indexOf('@') + 1)) ?? [],
        from: `${place.source.name}/${result.from}`,
      })),
    )
  }
  return copied
}

function wish({ repository }: ImagePlace, digest: Digest, to: RepositoryName, tags: readonly Tag[]): ImageToCopy {
  return { from: { repository, reference: { kind: 'digest', digest } }, to: { repository: to, tags } }
}

async function copyGroup(
  { target, dryRun, signal, onProgress }: MirrorOrder,
  place: ImagePlace,
  images: readonly ImageToCopy[],
  copied: Copied,
): Promise<readonly CopiedImage[]> {
  const [before, bytesBefore] = [copied.images.length, copied.bytes]
  const report = await copyImages({
    source: place.source,
    target: target(place),
    images,
    dryRun,
    counted: copied.counted,
    atATime: AT_A_TIME,
    ...(signal && { signal }),
    onProgress: ({ done, bytes = 0 }) =>
      onProgress?.({ phase: 'images', done: before + done, total: copied.total, bytes: bytesBefore + bytes }),
  })
  copied.blobs += report.blobs
  copied.bytes += report.bytes
  return report.images
}

/** A release image whose components are not all there must not look as if they were. */
function leaveOut(
  { repository }: ReleasePlace,
  { digest }: Payload,
  place: { readonly repository: RepositoryName; readonly tag: Tag },
  images: readonly MirroredImage[],
): CopiedImage {
  const failed = images.filter(({ state }) => state === 'failed').length
  return {
    from: `${repository}@${digest}`,
    to: place.repository,
    tags: [place.tag],
    state: 'failed',
    digest,
    bytes: 0,
    absent: 0,
    missingPlatforms: [],
    why: `left out: ${failed} of its components could not be copied`,
  }
}
