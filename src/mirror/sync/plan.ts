// What a sync is going to do, before its first byte: which images are new, moved, or here already, what has to be fetched
// for each, and in which order. Pure: what upstreams and the directory have is handed in.
import type { Digest } from '../../oci/digest.ts'
import { requiredBlobs } from '../../oci/manifest.ts'
import type { RepositoryName } from '../../oci/name.ts'
import type { Tag } from '../../oci/reference.ts'
import type { FoundManifest } from './wanted-manifests.ts'
import { walkWanted } from './wanted-manifests.ts'

/** An image that an entry means. */
export interface MeantImage {
  /** As the upstream names it, with registry and tag or digest. */
  readonly from: string
  readonly to: RepositoryName
  /** Undefined for an image that is only kept by its digest. */
  readonly tag?: Tag
  readonly platforms: 'all' | readonly string[]
}

/** What was read of it from its upstream. */
export interface ReadImage extends MeantImage {
  readonly root: FoundManifest
  /** Children of indexes. */
  readonly read: ReadonlyMap<Digest, FoundManifest>
  /** Signatures and whatever else refers to it; with a tag where it goes by one. */
  readonly followers: readonly (FoundManifest & { readonly tag?: Tag })[]
  /** What of that could not be read and does not keep the image, in words. */
  readonly leftOut?: string
}

/** An image that could not be read. */
export interface UnreadImage extends MeantImage {
  readonly why: string
}

/** What the directory has. */
export interface Here {
  /** Where a tag leads; `isOurs` when a mirror or a sync set it and nobody changed it since. */
  readonly tag: (name: RepositoryName, tag: Tag) => { readonly digest: Digest; readonly isOurs: boolean } | undefined
  /** Whether the repository has the manifest with all its blobs; children of an index are asked for by themselves. */
  readonly isWhole: (name: RepositoryName, digest: Digest) => boolean
  /** Whether the bytes are here, under whichever repository. */
  readonly hasBlob: (digest: Digest) => boolean
}

export type PlannedState =
  | 'new'
  /** The tag leads to another image now; `before` is what it leads to here. */
  | 'moved'
  /** The tag is right, and a platform or something that refers to it is not here. */
  | 'incomplete'
  | 'here'
  /** Somebody pushed this tag here: it stays as it is. */
  | 'kept'
  | 'failed'

/** In this order: blobs, then manifests with children before their index, then tags. */
export type Step =
  | { readonly act: 'blob'; readonly digest: Digest; readonly size: number; readonly how: 'fetch' | 'link' | 'shared' }
  | { readonly act: 'manifest'; readonly digest: Digest; readonly size: number }
  | { readonly act: 'tag'; readonly tag: Tag; readonly digest: Digest }

export interface PlannedImage {
  readonly from: string
  readonly to: RepositoryName
  readonly tag?: Tag
  readonly state: PlannedState
  readonly digest?: Digest
  readonly before?: Digest
  readonly why?: string
  /** Of the children that are taken; empty for an image that is no index. */
  readonly platforms: readonly string[]
  readonly missingPlatforms: readonly string[]
  /** Bytes of blobs that are fetched for this image and for none before it in the plan. */
  readonly bytes: number
  readonly steps: readonly Step[]
}

export interface Plan {
  readonly images: readonly PlannedImage[]
  /** To be fetched, each once however many images need it. */
  readonly blobs: number
  readonly bytes: number
  /** Bytes of the manifests that are written. */
  readonly manifestBytes: number
}

/** Plans all images, in their order. */
export function planImages(images: readonly (ReadImage | UnreadImage)[], here: Here): Plan {
  const counted = new Map<Digest, number>()
  const written = new Map<string, number>()
  const planned = images.map((image) => {
    if ('why' in image) return giveUp(image, image.why)
    const result = planImage(image, here, counted)
    for (const step of result.steps) if (step.act === 'manifest') written.set(`${image.to}@${step.digest}`, step.size)
    return result
  })
  return { images: planned, blobs: counted.size, bytes: sum(counted.values()), manifestBytes: sum(written.values()) }
}

function planImage(image: ReadImage, here: Here, counted: Map<Digest, number>): PlannedImage {
  const { to, tag, root, read, followers } = image
  const { manifests, unread, missing } = walkWanted(root, image.platforms, read)
  const [first] = unread
  if (first !== undefined) return giveUp(image, `its part ${first.digest} could not be read`)
  if (manifests.length === 1 && root.manifest.kind === 'index' && root.manifest.manifests.length > 0)
    return giveUp(image, `it has none of the platforms ${missing.join(', ')}`)
  const before = tag === undefined ? undefined : here.tag(to, tag)
  const facts = {
    ...identityOf(image),
    digest: root.digest,
    ...(before !== undefined && before.digest !== root.digest && { before: before.digest }),
    platforms: platformsOf(root, manifests),
    missingPlatforms: missing,
    ...(image.leftOut !== undefined && { why: image.leftOut }),
  }
  // A tag that is right already is nobody's loss, whoever set it.
  if (before !== undefined && !before.isOurs && before.digest !== root.digest)
    return { ...facts, state: 'kept', why: 'somebody pushed this tag here', bytes: 0, steps: [] }
  const lacking = [...manifests, ...followers].filter(({ digest }) => !here.isWhole(to, digest))
  const tags = followers.filter((each) => each.tag !== undefined && needsTag(here, to, each.tag, each.digest))
  const needsOwn = tag !== undefined && needsTag(here, to, tag, root.digest)
  const [blobs, bytes] = planBlobs(lacking, here, counted)
  const steps: Step[] = [
    ...blobs,
    ...lacking.map(({ digest, size }) => ({ act: 'manifest', digest, size }) as const),
    // What is about the image first: who sees its tag finds its signatures.
    ...tags.map((each) => ({ act: 'tag', tag: each.tag as Tag, digest: each.digest }) as const),
    ...(needsOwn ? [{ act: 'tag', tag, digest: root.digest } as const] : []),
  ]
  const isThere = tag === undefined ? here.isWhole(to, root.digest) : before !== undefined
  const isMoved = before !== undefined && needsOwn
  const state = !isThere ? 'new' : isMoved ? 'moved' : steps.length > 0 ? 'incomplete' : 'here'
  return { ...facts, state, bytes, steps }
}

function needsTag(here: Here, to: RepositoryName, tag: Tag, digest: Digest): boolean {
  const now = here.tag(to, tag)
  return now === undefined || (now.isOurs && now.digest !== digest)
}

function planBlobs(
  manifests: readonly FoundManifest[],
  here: Here,
  counted: Map<Digest, number>,
): [steps: Step[], bytes: number] {
  const steps = new Map<Digest, Step>()
  let bytes = 0
  for (const { manifest } of manifests) {
    for (const { digest, size } of requiredBlobs(manifest)) {
      if (steps.has(digest)) continue
      const how = here.hasBlob(digest) ? 'link' : counted.has(digest) ? 'shared' : 'fetch'
      steps.set(digest, { act: 'blob', digest, size, how })
      if (how !== 'fetch') continue
      counted.set(digest, size)
      bytes += size
    }
  }
  return [[...steps.values()], bytes]
}

function platformsOf(root: FoundManifest, manifests: readonly FoundManifest[]): string[] {
  const taken = new Set(manifests.map(({ digest }) => digest))
  const platforms = root.manifest.manifests.flatMap(({ digest, platform }) => {
    if (platform === undefined || platform.os === 'unknown' || !taken.has(digest)) return []
    const { os, architecture, variant = '' } = platform
    return [`${os}/${architecture}${variant === '' ? '' : `/${variant}`}`]
  })
  return [...new Set(platforms)]
}

function giveUp(image: MeantImage, why: string): PlannedImage {
  return { ...identityOf(image), state: 'failed', why, platforms: [], missingPlatforms: [], bytes: 0, steps: [] }
}

function identityOf({ from, to, tag }: MeantImage): Pick<PlannedImage, 'from' | 'to' | 'tag'> {
  return { from, to, ...(tag !== undefined && { tag }) }
}

function sum(numbers: Iterable<number>): number {
  let total = 0
  for (const each of numbers) total += each
  return total
}
