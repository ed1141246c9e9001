// Writes one part of a bundle as a stream: the entries that the index lists, each with its bytes from where they lie. Its
// last bytes leave only when everything before was right, and without them no reader takes the part for whole.
import { BlockWriter } from '../storage/block-writer.ts'
import type { ByteSink } from '../storage/block-writer.ts'
import { HashThread } from '../storage/hash-thread.ts'
import type { Layout } from '../storage/layout.ts'
import type { BlobBytesEntry, BundleEntry, SliceEntry } from './entries.ts'
import { listEntries } from './entries.ts'
import { OpenSource } from './open-source.ts'
import type { Plan } from './plan.ts'
import { TAR_END, headerSize, padSize, writeHeader } from './tar-header.ts'

export interface PartOptions {
  readonly part: number
  /** The armoured signature of the index; undefined: not signed. */
  readonly signature: string | undefined
  /** Where the blobs are. */
  readonly layout: Layout
  /** Told how many bytes of blobs were read since it was told last. */
  readonly onBytes?: (bytes: number) => void
  readonly signal?: AbortSignal | undefined
  /** As for `OpenSource`: this process serves nobody meanwhile. */
  readonly alone?: boolean
}

/**
 * Writes the part to `sink`, which is asked for one chunk after the other and may lag behind by some. Throws a Problem for a
 * blob whose bytes are wrong or gone, what the sink throws, and the signal's reason.
 */
export async function writePart(plan: Plan, options: PartOptions, sink: ByteSink): Promise<void> {
  const { index, releaseSignatures } = plan
  const { part, signature, signal } = options
  const writer = new BlockWriter(sink)
  const thread = new HashThread()
  await writer.put(makeHead(plan, part, signature))
  let release = 0
  try {
    for (const entry of listEntries(index, part, sizesOf(plan, signature))) {
      signal?.throwIfAborted()
      if (isOfHead(entry)) continue
      await writer.put(makeHeader(plan, entry))
      if (entry.kind === 'link') await writer.put(Buffer.from(entry.digest, 'latin1'))
      else if (entry.kind === 'release-signature') await writer.put(releaseSignatures[release++] ?? Buffer.alloc(0))
      else if (entry.kind !== 'directory') await copyBytes(plan, entry, options, writer, thread)
      await writer.put(makePadding(entry))
    }
  } finally {
    await thread.close()
  }
  await writer.put(Buffer.alloc(TAR_END))
  await writer.end()
}

/** The bytes with which the part begins: the index, its signature, and which part it is. No other part begins so. */
export function makeHead(plan: Plan, part: number, signature: string | undefined): Buffer {
  const pieces: Buffer[] = []
  for (const entry of listEntries(plan.index, part, sizesOf(plan, signature))) {
    if (!isOfHead(entry)) break
    pieces.push(makeHeader(plan, entry))
    if (entry.kind === 'index') pieces.push(plan.indexBytes)
    if (entry.kind === 'signature') pieces.push(Buffer.from(signature ?? '', 'latin1'))
    pieces.push(makePadding(entry))
  }
  return Buffer.concat(pieces)
}

/** How many bytes `writePart` writes. */
export function sizeOfPart(plan: Plan, part: number, signature: string | undefined): number {
  let size = TAR_END
  for (const entry of listEntries(plan.index, part, sizesOf(plan, signature))) {
    size += headerSize(entry.name) + padSize(entry.size)
  }
  return size
}

type HeadEntry = Extract<BundleEntry, { readonly kind: 'index' | 'signature' | 'part' }>

function isOfHead(entry: BundleEntry): entry is HeadEntry {
  return entry.kind === 'index' || entry.kind === 'signature' || entry.kind === 'part'
}

function makeHeader({ index }: Plan, { name, size }: BundleEntry): Buffer {
  return writeHeader({ name, size, time: index.created })
}

function makePadding({ size }: BundleEntry): Buffer {
  return Buffer.alloc(padSize(size) - size)
}

function sizesOf({ indexBytes }: Plan, signature: string | undefined) {
  return { index: indexBytes.byteLength, signature: signature?.length }
}

async function copyBytes(
  plan: Plan,
  entry: BlobBytesEntry | SliceEntry,
  { layout, onBytes, signal, alone }: PartOptions,
  writer: BlockWriter,
  thread: HashThread,
): Promise<void> {
  const source = plan.sources.get(entry.blob.digest)
  if (source === undefined) throw new Error(`nobody knows where ${entry.blob.digest} is`)
  const slice = entry.kind === 'slice' ? { offset: entry.offset, digest: entry.slice.digest } : undefined
  const opened = await OpenSource.open(layout, source, { slice, thread, alone })
  let held = 0
  try {
    for (let left = entry.size; left > 0; left -= held) {
      signal?.throwIfAborted()
      await writer.advance(held)
      held = await opened.read(writer.space.subarray(0, left))
      onBytes?.(held)
    }
  } catch (error) {
    await opened.close()
    throw error
  }
  // The last piece stays here until all of it is right: a reader that unpacks on the way has no whole blob before.
  await opened.finish()
  await writer.advance(held)
}
