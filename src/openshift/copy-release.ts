// Copies the images of a release: its components, each once however many names it has, and the release image last, only
// when they are all there.
import { copyImages } from '../exchange/copy-images.ts'
import type { CopiedImage, ImageToCopy } from '../exchange/copied-image.ts'
import type { ImageSource } from '../exchange/image-source.ts'
import type { ImageTarget } from '../exchange/image-target.ts'
import { rememberingSource } from '../exchange/remembering-source.ts'
import type { Digest } from '../oci/digest.ts'
import type { RepositoryName } from '../oci/name.ts'
import type { Tag } from '../oci/reference.ts'
import type { Progress } from '../registry/collect.ts'
import type { Payload } from './find-payload.ts'
import type { Component } from './payload.ts'
import type { RecordedReferrer } from './release-record.ts'
import { subjectOf } from './release-record.ts'
import type { ImagePlace, ReleasePlace } from './release-place.ts'
import { placeComponents } from './release-place.ts'
import type { MirroredImage } from './release-report.ts'

export interface CopyOrder {
  readonly from: ReleasePlace
  /** Takes images of one place; the same target may be given for all. */
  readonly target: (place: ImagePlace) => ImageTarget
  readonly to: RepositoryName
  readonly dryRun: boolean
  readonly signal?: AbortSignal | undefined
  readonly onProgress?: (progress: Progress) => void
}

export interface WholeRelease {
  readonly payload: Payload
  /** By component. */
  readonly tags: ReadonlyMap<string, Tag>
  /** Where the release image goes. */
  readonly place: { readonly repository: RepositoryName; readonly tag: Tag }
  /** Gives a source that asks for no manifest twice. */
  readonly remember: (source: ImageSource) => ImageSource
}

export interface CopiedRelease {
  /** The release image last. */
  readonly images: readonly MirroredImage[]
  readonly blobs: number
  readonly bytes: number
  /** Of a dry run: blobs that were looked at. */
  readonly counted: ReadonlySet<Digest>
  /** What refers to the images at their source, whether it came along or not, as it is to lie at the target. */
  readonly referrers: readonly RecordedReferrer[]
}

interface Copied extends CopiedRelease {
  readonly images: MirroredImage[]
  blobs: number
  bytes: number
  /** For the progress of the whole. */
  readonly total: number
  readonly counted: Set<Digest>
  readonly referrers: RecordedReferrer[]
}

// More blobs than an upstream's client lets come at once (`concurrency`): the others are made durable meanwhile.
const AT_A_TIME = { images: 32, blobs: 16 }

/** The memory of one act, of whichever sources it reads. */
export function rememberOne(): WholeRelease['remember'] {
  const known = new Map<ImageSource, ImageSource>()
  return (source) => {
    const remembering = known.get(source) ?? rememberingSource(source)
    known.set(source, remembering)
    return remembering
  }
}

/** Copies it, or with `dryRun` counts what there is to copy. Throws as the source and the target do where no image is at fault. */
export async function copyRelease(order: CopyOrder, whole: WholeRelease): Promise<CopiedRelease> {
  const { from } = order
  const { payload, place } = whole
  const copied = await copyComponents(order, whole)
  const isWhole = copied.images.every(({ state }) => state !== 'failed')
  const last = isWhole
    ? await copyGroup(order, whole, from, [wish(from, payload.digest, place.repository, [place.tag])], copied)
    : [leaveOut(from, payload, place, copied.images)]
  copied.images.push(...last.map((each) => ({ ...each, components: [], from: `${from.source.name}/${each.from}` })))
  return copied
}

async function copyComponents(order: CopyOrder, whole: WholeRelease): Promise<Copied> {
  const { from, to, signal } = order
  const { tags } = whole
  const { components } = whole.payload
  const placeOf = await placeComponents(from, whole.payload, signal)
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
  const copied: Copied = { images: [], blobs: 0, bytes: 0, total, counted: new Set(), referrers: [] }
  for (const { place, images } of groups.values()) {
    const wishes = [...images].map(([digest, same]) =>
      wish(
        place,
        digest,
        to,
        same.map(({ name }) => tags.get(name)).filter((tag) => tag !== undefined),
      ),
    )
    const results = await copyGroup(order, whole, place, wishes, copied)
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
  { target, dryRun, signal, onProgress }: CopyOrder,
  { remember }: WholeRelease,
  place: ImagePlace,
  images: readonly ImageToCopy[],
  copied: Copied,
): Promise<readonly CopiedImage[]> {
  const [before, bytesBefore] = [copied.images.length, copied.bytes]
  const report = await copyImages({
    source: remember(place.source),
    target: target(place),
    images,
    dryRun,
    counted: copied.counted,
    atATime: AT_A_TIME,
    ...(signal && { signal }),
    onClosure: ({ followers }, { to }) => {
      for (const follower of followers) {
        const subject = subjectOf(follower)
        const { tag, digest } = follower
        if (subject !== undefined) copied.referrers.push({ repository: to.repository, subject, tag, digest })
      }
    },
    onProgress: ({ done, bytes = 0 }) =>
      onProgress?.({
        phase: dryRun ? 'plan' : 'images',
        done: before + done,
        total: copied.total,
        bytes: bytesBefore + bytes,
      }),
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
