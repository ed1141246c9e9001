// Bundles as a registry that can be served from where they lie: links, tags, manifests and configs go into a small
// directory of their own, layers stay in the tar and are read from there, at offsets that follow from the index.
import type { FileHandle } from 'node:fs/promises'
import { mkdir, mkdtemp, open, rm, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import type { Digest } from '../oci/digest.ts'
import { digestOf } from '../oci/digest.ts'
import type { Layout } from '../storage/layout.ts'
import { FileSource } from '../storage/byte-source.ts'
import { createLayout } from '../storage/layout.ts'
import { LARGEST_MANIFEST } from '../storage/manifests.ts'
import { BadArchive } from './bad-archive.ts'
import type { BundleIndex } from './bundle-index.ts'
import type { Packing } from './decompress.ts'
import { findPacking } from './decompress.ts'
import { listEntries } from './entries.ts'
import type { SignaturePolicy } from './judge-signature.ts'
import { judgeSignature } from './judge-signature.ts'
import type { BundleHead } from './read-bundle.ts'
import { readBundleHead, wantedBy } from './read-bundle.ts'
import type { Segment } from './served-blobs.ts'
import { ServedBlobs } from './served-blobs.ts'
import { TAR_END, headerSize, padSize } from './tar-header.ts'

export interface OpenedBundle {
  /** A data directory without the bytes of layers. */
  readonly directory: string
  readonly blobs: ServedBlobs
  /** Bundles and images that were found, for people. */
  readonly parts: number
  readonly images: number
  /** Removes the directory and closes the files. */
  close(): Promise<void>
}

/** What is smaller is copied, such as configs; manifests are whatever their size, for they are not served as layers are. */
const SMALL = 64 * 1024

/** Opens the files of one or more bundles. Throws BadArchive and flaws for what cannot be served. */
export async function openBundle(files: readonly string[], policy: SignaturePolicy): Promise<OpenedBundle> {
  const directory = await mkdtemp(join(tmpdir(), 'tarn-bundle-'))
  const handles: FileHandle[] = []
  const close = async (): Promise<void> => {
    await Promise.allSettled(handles.map((handle) => handle.close()))
    await rm(directory, { recursive: true, force: true })
  }
  try {
    // Of each bundle its own: two may cut the same blob differently, the same content in other parts too, whose id is the same.
    const cuts = new Map<Digest, { readonly index: BundleIndex; readonly segments: Map<Digest, Segment[]> }>()
    const heads: BundleHead[] = []
    for (const file of files) {
      const head = await readHeadOf(file)
      judgeSignature(head, policy)
      const handle = await open(file, 'r')
      handles.push(handle)
      const key = digestOf(head.indexBytes)
      const cut = cuts.get(key) ?? { index: head.index, segments: new Map<Digest, Segment[]>() }
      cuts.set(key, cut)
      await findSegments(head, handle, file, cut.segments)
      heads.push(head)
    }
    const whole = new Map([...cuts.values()].flatMap(({ index, segments }) => findWhole(index, segments)))
    const blobs = new ServedBlobs(whole)
    const layout = createLayout(directory)
    // Ascending, so that a newer bundle has the last word on a tag.
    const newest = heads.toSorted((a, b) => a.index.sequence - b.index.sequence)
    for (const { index } of new Map(newest.map((head) => [head.index.id, head])).values()) {
      await writeRepositories(layout, { index }, blobs)
    }
    const images = new Set(
      heads.flatMap(({ index }) =>
        index.repositories.flatMap((one) =>
          one.images.map(({ manifest }) => `${one.name} ${index.blobs[manifest]?.digest} ${index.id}`),
        ),
      ),
    )
    return { directory, blobs, parts: files.length, images: images.size, close }
  } catch (error) {
    await close()
    throw error
  }
}

async function readHeadOf(file: string): Promise<BundleHead> {
  if ((await findFilePacking(file)) !== 'none') {
    throw new BadArchive(`${file} is packed, and cannot be read from the middle`, {
      hint: 'unpack it first: zstd -d FILE; or take it in: tarn bundle apply FILE',
    })
  }
  return readBundleHead(new FileSource(file))
}

async function findFilePacking(file: string): Promise<Packing> {
  const handle = await open(file, 'r')
  try {
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(8), 0, 8, 0)
    return findPacking(buffer.subarray(0, bytesRead))
  } finally {
    await handle.close()
  }
}

/** Where the blobs of a part lie in its file. Throws when the file is not as long as its index says. */
async function findSegments(
  { index, part, indexBytes, signature }: BundleHead,
  handle: FileHandle,
  file: string,
  segments: Map<Digest, Segment[]>,
): Promise<void> {
  let at = 0
  const sizes = { index: indexBytes.byteLength, signature: signature?.byteLength }
  for (const entry of listEntries(index, part, sizes)) {
    at += headerSize(entry.name)
    if (entry.kind === 'blob') segments.set(entry.blob.digest, [{ handle, offset: at, size: entry.size }])
    else if (entry.kind === 'slice') {
      const known = segments.get(entry.blob.digest) ?? []
      const place = entry.blob.slices?.indexOf(entry.slice) ?? 0
      known[place] = { handle, offset: at, size: entry.size }
      segments.set(entry.blob.digest, known)
    }
    at += padSize(entry.size)
  }
  const { size } = await handle.stat()
  if (size === at + TAR_END) return
  throw new BadArchive(`${file} has ${size} bytes, and its index says ${at + TAR_END}`)
}

/** Blobs of the bundle of which nothing is missing. */
function findWhole({ blobs }: BundleIndex, segments: ReadonlyMap<Digest, Segment[]>): [Digest, Segment[]][] {
  return blobs.flatMap(({ digest, size }) => {
    const parts = segments.get(digest) ?? []
    // A slice that is missing is a hole.
    const found = Array.from(parts as (Segment | undefined)[], (part) => part?.size ?? 0)
    return found.length > 0 && found.reduce((sum, each) => sum + each, 0) === size ? [[digest, parts]] : []
  })
}

/** Links of everything that the bundle names, manifests and what is small; of other blobs a file of their size and no bytes. */
async function writeRepositories(
  layout: Layout,
  { index }: Pick<BundleHead, 'index'>,
  blobs: ServedBlobs,
): Promise<void> {
  const manifests = new Set(index.repositories.flatMap((one) => one.manifests))
  for (const [at, { digest, size }] of index.blobs.entries()) {
    if (blobs.sizeOf(digest) === undefined) continue
    const path = layout.blobData(digest)
    const pieces: Buffer[] = []
    const isCopied = size <= (manifests.has(at) ? LARGEST_MANIFEST : SMALL)
    if (isCopied) for await (const piece of blobs.read(digest, 0, size)) pieces.push(piece)
    await writeAt(path, Buffer.concat(pieces))
    if (!isCopied) await truncate(path, size)
  }
  for (const [name, { layers, manifests, tags }] of wantedBy(index)) {
    await mkdir(layout.layers(name), { recursive: true })
    await mkdir(layout.tags(name), { recursive: true })
    for (const [digest, stored] of layers) await writeAt(layout.layerLink(name, digest), stored)
    for (const digest of manifests) await writeAt(layout.revisionLink(name, digest), digest)
    for (const [tag, digest] of tags) await writeAt(layout.tagLink(name, tag), digest)
  }
}

async function writeAt(path: string, bytes: Uint8Array | string): Promise<void> {
  await mkdir(dirname(path), { recursive: true })
  await writeFile(path, bytes)
}
