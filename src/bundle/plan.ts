// Makes the index of a bundle out of what was picked: what is left out, in which part each blob goes, and from where its
// bytes come. It reads nothing but blobs that are cut, whose slices the index must name before they are written.
import { Problem } from '../config/problem.ts'
import type { Digest } from '../oci/digest.ts'
import { digestOf } from '../oci/digest.ts'
import type { RepositoryName } from '../oci/name.ts'
import { compare } from '../storage/repositories.ts'
import { computeBundleId } from './bundle-id.ts'
import type { BuildsOn, BundleBlob, BundleContent, BundleIndex, BundleRepository } from './bundle-index.ts'
import { listEntries } from './entries.ts'
import { LARGEST_INDEX, MOST_BLOBS, MOST_PARTS, writeIndex } from './index-file.ts'
import type { Packed, PackedParts } from './pack.ts'
import { packBlobs, tooSmall } from './pack.ts'
import type { Picked, PickedBlob, PickedImage, PickedRepository } from './picked.ts'
import { LARGEST_SIGNATURE } from './signature.ts'
import { BLOCK, TAR_END, headerSize, padSize } from './tar-header.ts'

export interface PlanOptions {
  /** Blobs that the far side has, with the bytes of each there: one that is cut short there is none. */
  readonly known: ReadonlyMap<Digest, number>
  /** Whether it has an image under exactly these tags; undefined when nothing is known of that. */
  readonly hasImage?: ((repository: RepositoryName, image: PickedImage) => boolean) | undefined
  readonly buildsOn: readonly BuildsOn[]
  readonly sequence: number
  /** Seconds since 1970 (SOURCE_DATE_EPOCH); undefined: when the newest image was made. */
  readonly created: number | undefined
  /** Bytes of a whole part; undefined: one part. */
  readonly partSize: number | undefined
}

export interface Plan {
  readonly index: BundleIndex
  /** What stands in the tar and is signed. */
  readonly indexBytes: Buffer
  /** Where the bytes of each carried blob are. */
  readonly sources: ReadonlyMap<Digest, PickedBlob>
  /** Bytes of the signatures of releases, in the order of the index. */
  readonly releaseSignatures: readonly Buffer[]
}

/** Reads a blob and gives the digests of its slices. Throws when the bytes are not those of its digest. */
export type SliceDigests = (blob: PickedBlob, sizes: readonly number[]) => Promise<readonly Digest[]>

// A slice in the index: its digest, size and part.
const SLICE_TEXT = 140
const HEAD_ENTRIES = 3

/** Plans the bundle. Throws a Problem when there is nothing to carry, too much of it, or the parts are too small. */
export async function planBundle(everything: Picked, options: PlanOptions, sliceDigests: SliceDigests): Promise<Plan> {
  const picked = leaveOutImages(everything, options)
  const { known, sequence, buildsOn } = options
  if (picked.repositories.length === 0) throw describeNothing(picked)
  if (picked.blobs.length > MOST_BLOBS) {
    throw new Problem(`there are ${picked.blobs.length} blobs, and a bundle takes at most ${MOST_BLOBS}`, {
      hint: 'make several: tarn bundle create FILE REPO…',
    })
  }
  const isThere = ({ digest, size }: PickedBlob): boolean => known.get(digest) === size
  const carried = picked.blobs.filter((blob) => !isThere(blob))
  const needed = picked.blobs.filter(isThere).toSorted((a, b) => compare(a.digest, b.digest))
  const sources = new Map(carried.map((blob) => [blob.digest, blob]))
  const created = options.created ?? picked.newest
  const facts = { sequence, buildsOn, created }

  const complete = ({ blobs, parts }: PackedParts, digests: (blob: Packed) => readonly Digest[]): BundleIndex => {
    const left = needed.map(({ digest, size }) => ({ digest, size, part: 0 }))
    const content = makeContent(picked, [...blobs.map((blob) => placeBlob(blob, digests(blob))), ...left])
    return { ...facts, ...content, parts, id: computeBundleId(content) }
  }
  const draft = complete({ blobs: carried.map(({ digest, size }) => ({ digest, size, part: 1 })), parts: 1 }, () => [])
  const packed = packParts(picked, draft, carried, options.partSize)
  const slices = new Map<Digest, readonly Digest[]>()
  for (const { digest, slices: sizes } of packed.blobs) {
    const source = sources.get(digest)
    if (sizes !== undefined && source !== undefined) slices.set(digest, await sliceDigests(source, sizes))
  }
  const index = complete(packed, ({ digest }) => slices.get(digest) ?? [])
  const indexBytes = writeIndex(index)
  if (indexBytes.byteLength > LARGEST_INDEX) {
    throw new Problem('the index of the bundle would be too large', {
      hint: 'make several: tarn bundle create FILE REPO…',
    })
  }
  const releaseSignatures = sortSignatures(picked).map(({ bytes }) => Buffer.from(bytes, 'base64'))
  return { index, indexBytes, sources, releaseSignatures }
}

/** Leaves out images that the far side has as they are; where that is all of them, they are told once more. */
function leaveOutImages(picked: Picked, { known, hasImage }: PlanOptions): Picked {
  if (hasImage === undefined) return picked
  const there = new Set(picked.blobs.flatMap(({ digest, size }) => (known.get(digest) === size ? [digest] : [])))
  const isThere = (repository: RepositoryName, image: PickedImage): boolean =>
    [...image.manifests, ...image.layers].every((digest) => there.has(digest)) && hasImage(repository, image)
  const repositories = picked.repositories
    .map(({ name, images }) => ({ name, images: images.filter((image) => !isThere(name, image)) }))
    .filter(({ images }) => images.length > 0)
  if (repositories.length === 0) return picked
  const used = new Set(
    repositories.flatMap(({ images }) => images.flatMap(({ manifests, layers }) => [...manifests, ...layers])),
  )
  const blobs = picked.blobs.filter(({ digest }) => used.has(digest))
  return { ...picked, repositories, blobs, signatures: picked.signatures.filter(({ of }) => used.has(of)) }
}

function packParts(
  picked: Picked,
  draft: BundleIndex,
  carried: readonly PickedBlob[],
  partSize: number | undefined,
): PackedParts {
  const uncut = new Set(picked.repositories.flatMap(({ images }) => images.flatMap(({ manifests }) => manifests)))
  if (partSize === undefined) return packBlobs(carried, { capacity: Infinity, tail: 0, uncut })
  // As large as the index can become: which parts it names is not known yet.
  const text = writeIndex({ ...draft, parts: MOST_PARTS }).byteLength + carried.length * String(MOST_PARTS).length
  const cuts = carried.reduce(
    (sum, { size }) => sum + (size > partSize / 2 ? Math.ceil((2 * size) / partSize) + 1 : 0),
    0,
  )
  const head = padSize(text + cuts * SLICE_TEXT) + padSize(LARGEST_SIGNATURE) + HEAD_ENTRIES * 4 * BLOCK
  const capacity = partSize - head - TAR_END
  if (capacity < 2 * head) throw tooSmall(`the index and the signature alone need ${head} bytes of each`)
  let tail = 0
  for (const { kind, name, size } of listEntries(draft, 1, { index: 0, signature: undefined })) {
    if (kind === 'link' || kind === 'directory' || kind === 'release-signature')
      tail += headerSize(name) + padSize(size)
  }
  return packBlobs(carried, { capacity, tail, uncut })
}

function placeBlob({ digest, size, part, slices }: Packed, digests: readonly Digest[]): BundleBlob {
  if (slices === undefined) return { digest, size, part }
  const placed = slices.map((length, at) => {
    const slice = digests[at]
    if (slice === undefined) throw new Error(`the slice ${at} of ${digest} was not hashed`)
    return { digest: slice, size: length, part: part + at }
  })
  return { digest, size, part, slices: placed }
}

function makeContent(picked: Picked, blobs: readonly BundleBlob[]): BundleContent {
  const places = new Map(blobs.map(({ digest }, at) => [digest, at]))
  const placeOf = (digest: Digest): number => {
    const place = places.get(digest)
    if (place === undefined) throw new Error(`${digest} was picked for a repository and not for the bundle`)
    return place
  }
  const placesOf = (digests: readonly Digest[]): number[] =>
    [...new Set(digests)].map(placeOf).toSorted((a, b) => a - b)
  const repositories = picked.repositories
    .map(({ name, images }: PickedRepository): BundleRepository => ({
      name,
      images: images
        .map(({ digest, tags }) => ({ manifest: placeOf(digest), tags: tags.toSorted(compare) }))
        .toSorted((a, b) => a.manifest - b.manifest),
      layers: placesOf(images.flatMap(({ layers }) => layers)),
      manifests: placesOf(images.flatMap(({ manifests }) => manifests)),
    }))
    .toSorted((a, b) => compare(a.name, b.name))
  const signatures = sortSignatures(picked).map(({ of, number, bytes }) => {
    const decoded = Buffer.from(bytes, 'base64')
    return { of, number, digest: digestOf(decoded), size: decoded.byteLength }
  })
  return { blobs, repositories, signatures }
}

function sortSignatures({ signatures }: Picked): Picked['signatures'] {
  return signatures.toSorted((a, b) => compare(a.of, b.of) || a.number - b.number)
}

function describeNothing({ skipped, unmatched }: Picked): Problem {
  const [first] = skipped
  if (first !== undefined) {
    return new Problem(`none of the images is whole here: ${first.image}: ${first.why}`, {
      hint: 'pull or push them again; see what is wrong: tarn check',
    })
  }
  const what = unmatched.length === 0 ? 'there is no image here' : `nothing here is called ${unmatched.join(', ')}`
  return new Problem(what, { hint: 'see what is here: tarn ls --tags' })
}
