// Bundles for tests, made out of an index that the test chooses, so that parts, slices and lies are in its hands.
import { computeBundleId } from '../../src/bundle/bundle-id.ts'
import type { BundleBlob, BundleIndex, BundleRepository } from '../../src/bundle/bundle-index.ts'
import { listEntries } from '../../src/bundle/entries.ts'
import { writeIndex } from '../../src/bundle/index-file.ts'
import { TAR_END, padSize, writeHeader } from '../../src/bundle/tar-header.ts'
import type { Digest } from '../../src/oci/digest.ts'
import { digestOf } from '../../src/oci/digest.ts'
import type { RepositoryName } from '../../src/oci/name.ts'
import type { Tag } from '../../src/oci/reference.ts'
import type { TestImage } from './data-tar.ts'

export interface BundleOptions {
  readonly sequence?: number
  /** Part of each blob; without it all are in part 1. 0 leaves it out. */
  readonly partOf?: (digest: Digest, at: number) => number
  readonly parts?: number
  /** Cuts blobs that are larger into slices of so many bytes, each in the next part from 1. */
  readonly sliceSize?: number
  /** Changes the index before it is written; its id is computed afterwards. */
  readonly change?: (index: BundleIndex) => Omit<BundleIndex, 'id'>
  readonly sign?: (index: Buffer) => string
  /** Bytes in the place of those of a blob. */
  readonly bytesFor?: (digest: Digest) => Buffer | undefined
}

export interface MadeBundle {
  readonly index: BundleIndex
  readonly indexBytes: Buffer
  readonly parts: readonly Buffer[]
}

/** Makes a bundle of images; each manifest is a root with its tag. */
export function makeBundle(images: readonly TestImage[], options: BundleOptions = {}): MadeBundle {
  const { sequence = 1, partOf = () => 1, parts = 1, sliceSize = Infinity, change = (same) => same } = options
  const bytesOf = new Map<Digest, Buffer>()
  for (const { layers, config, manifest } of images) {
    for (const bytes of [...layers, config, manifest]) bytesOf.set(digestOf(bytes), bytes)
  }
  const all: BundleBlob[] = [...bytesOf].map(([digest, bytes], at) => {
    const size = bytes.byteLength
    if (size <= sliceSize) return { digest, size, part: partOf(digest, at) }
    const slices = Array.from({ length: Math.ceil(size / sliceSize) }, (_, slice) => {
      const piece = bytes.subarray(slice * sliceSize, (slice + 1) * sliceSize)
      return { digest: digestOf(piece), size: piece.byteLength, part: slice + 1 }
    })
    return { digest, size, part: 1, slices }
  })
  const lastPart = ({ part, slices }: BundleBlob): number => slices?.at(-1)?.part ?? part
  const carried = all.filter(({ part }) => part > 0).toSorted((a, b) => lastPart(a) - lastPart(b))
  const needed = all.filter(({ part }) => part === 0).toSorted((a, b) => (a.digest < b.digest ? -1 : 1))
  const blobs = [...carried, ...needed]
  const placeOf = (digest: Digest): number => blobs.findIndex((blob) => blob.digest === digest)
  const names = [...new Set(images.map(({ repository }) => repository))].toSorted()
  const repositories: BundleRepository[] = names.map((name) => {
    const own = images.filter(({ repository }) => repository === name)
    const places = (digests: readonly Digest[]): number[] =>
      [...new Set(digests.map(placeOf))].toSorted((a, b) => a - b)
    const manifests = places(own.map(({ digest }) => digest))
    return {
      name: name as RepositoryName,
      images: manifests.map((manifest) => ({
        manifest,
        tags: own
          .filter(({ digest }) => placeOf(digest) === manifest)
          .map(({ tag }) => tag as Tag)
          .toSorted(),
      })),
      layers: places(own.flatMap(({ layers, config }) => [...layers, config].map((bytes) => digestOf(bytes)))),
      manifests,
    }
  })
  const content = { blobs, repositories, signatures: [] }
  const draft = { ...content, id: computeBundleId(content), sequence, created: 1_700_000_000, parts, buildsOn: [] }
  const changed = change(draft)
  const index = { ...changed, id: computeBundleId(changed) }
  const indexBytes = writeIndex(index)
  const signature = options.sign?.(indexBytes)
  const bytesFor = (digest: Digest): Buffer => options.bytesFor?.(digest) ?? bytesOf.get(digest) ?? Buffer.alloc(0)
  return {
    index,
    indexBytes,
    parts: Array.from({ length: index.parts }, (_, at) => writePart(index, at + 1, indexBytes, signature, bytesFor)),
  }
}

function writePart(
  index: BundleIndex,
  part: number,
  indexBytes: Buffer,
  signature: string | undefined,
  bytesFor: (digest: Digest) => Buffer,
): Buffer {
  const pieces: Buffer[] = []
  for (const entry of listEntries(index, part, { index: indexBytes.byteLength, signature: signature?.length })) {
    pieces.push(writeHeader({ name: entry.name, size: entry.size, time: index.created }))
    const bytes = contentOf(entry)
    pieces.push(bytes, Buffer.alloc(padSize(bytes.byteLength) - bytes.byteLength))
  }
  return Buffer.concat([...pieces, Buffer.alloc(TAR_END)])

  function contentOf(entry: ReturnType<typeof listEntries> extends Generator<infer E> ? E : never): Buffer {
    switch (entry.kind) {
      case 'index':
        return indexBytes
      case 'signature':
        return Buffer.from(signature ?? '')
      case 'blob':
        return bytesFor(entry.blob.digest)
      case 'slice':
        return bytesFor(entry.blob.digest).subarray(entry.offset, entry.offset + entry.size)
      case 'link':
        return Buffer.from(entry.digest)
      default:
        return Buffer.alloc(0)
    }
  }
}
