// Applies one part of a bundle: signature and room first, then one pass, and when nothing is wrong with any byte of it,
// blobs, images, tags, and a receipt. Parts come in any order, again and again; an image is linked as soon as all that it
// needs is here, and what waits for another part is pinned until then.
import type { Digest } from '../oci/digest.ts'
import type { RepositoryName } from '../oci/name.ts'
import type { Tag } from '../oci/reference.ts'
import type { Progress } from '../registry/collect.ts'
import type { Context } from '../registry/context.ts'
import type { ByteSource } from '../storage/byte-source.ts'
import type { Store } from '../storage/store.ts'
import type { BundleBlob, BundleIndex } from './bundle-index.ts'
import type { HeldBackTag } from './hold-back.ts'
import { holdBack } from './hold-back.ts'
import { countBytes } from './import-data.ts'
import type { SignaturePolicy, SignatureState } from './judge-signature.ts'
import { judgeSignature } from './judge-signature.ts'
import type { HeldImage } from './plan-images.ts'
import type { BundleHead, BundlePart } from './read-bundle.ts'
import { readBundle } from './read-bundle.ts'
import { findReceipt, readReceipts, writeReceipt } from './receipts.ts'
import type { SetTag } from './receipts.ts'
import type { Taken } from './take-archive.ts'
import { takeArchive } from './take-archive.ts'
import { requireRoomFor } from './room-for-part.ts'
import { SliceTaker, removeSlices } from './take-slices.ts'

export interface ApplyOptions {
  readonly dryRun: boolean
  readonly policy: SignaturePolicy
  /** Bytes that the source will give, where that is known. */
  readonly size?: number | undefined
  readonly emit?: (progress: Progress) => void
}

/** An image of the bundle that is not here yet. */
export interface WaitingImage {
  readonly repository: RepositoryName
  readonly digest: Digest
  readonly tags: readonly Tag[]
  readonly missing: Digest
  /** In which part that is; 0 where the bundle leaves it out because it was known to be here. */
  readonly part: number
}

export interface ApplyReport extends Omit<Taken, 'held'> {
  readonly dryRun: boolean
  readonly seconds: number
  readonly bundle: { readonly id: string; readonly sequence: number; readonly part: number; readonly parts: number }
  readonly signature: SignatureState
  /** Of the whole bundle: what was selected for it, and what of that is here now. */
  readonly images: { readonly all: number; readonly here: number }
  readonly waiting: readonly WaitingImage[]
  /** Tags that a newer bundle set. */
  readonly heldBack: readonly HeldBackTag[]
  /** Parts that were applied here, this one too. */
  readonly applied: readonly number[]
}

/**
 * Applies what `source` holds. Throws BadArchive and flaws, exit code 4, when something is wrong with it, and a Problem
 * when there is no room; nothing was changed then. Throws what the disk and the source say.
 */
export async function applyBundle(
  context: Context,
  source: ByteSource,
  { dryRun, policy, size, emit = () => undefined }: ApplyOptions,
): Promise<ApplyReport> {
  const begun = performance.now()
  const { store } = context
  let signature: SignatureState = { state: 'unsigned' }
  let heldBack: readonly HeldBackTag[] = []
  const judge = async (head: BundleHead): Promise<void> => {
    signature = judgeSignature(head, policy)
    requireRoomFor(store, head)
  }
  const slices = new SliceTaker(store)
  const { taken, read } = await takeArchive<BundlePart>(context, {
    dryRun,
    emit,
    read: (taker) => readBundle(countBytes(source, size, emit), slices.over(taker), judge),
    prepare: (part, incoming) => slices.join(context, part, incoming),
    adopts: ({ head }) => head.index.blobs.map(({ digest }) => digest),
    async judge(plans, { head }) {
      const held = holdBack(store, plans, head.index.sequence, readReceipts(store.layout))
      heldBack = held.heldBack
      const waits = plans.some((plan) => plan.held.length > 0)
      // Before the first blob is there: nothing else keeps it from being collected.
      if (!dryRun && waits) await pinBlobs(store, head.index)
      return held.plans
    },
    async settle({ held }, { head, repositories }) {
      for (const blob of head.index.blobs) {
        // The slices of another cut too: nobody asks for them any more.
        const isMeant = blob.slices !== undefined || blob.part === head.part
        if (isMeant && store.blobs.state(blob.digest)?.verdict === 'whole') await removeSlices(store, blob)
      }
      const tags = [...repositories].flatMap(([repository, wanted]) => tagsThatHold(store, repository, wanted.tags))
      await keepHead(store, head)
      await writeReceipt(store, {
        id: head.index.id,
        sequence: head.index.sequence,
        parts: head.index.parts,
        applied: appliedWith(store, head),
        complete: held.length === 0,
        at: new Date(policy.now).toISOString(),
        ...(signature.state !== 'unsigned' && { signedBy: signature.key }),
        tags,
      })
      if (held.length === 0) await store.pins.remove(pinOf(head.index))
    },
  }).finally(() => slices.release())
  const { index, part } = read.head
  const { held, ...rest } = taken
  const waiting = describeWaiting(index, held)
  const all = index.repositories.reduce((sum, { images }) => sum + images.length, 0)
  return {
    ...rest,
    dryRun,
    seconds: (performance.now() - begun) / 1000,
    bundle: { id: index.id, sequence: index.sequence, part, parts: index.parts },
    signature,
    images: { all, here: all - waiting.length },
    waiting,
    heldBack,
    applied: appliedWith(store, read.head),
  }
}

function appliedWith({ layout }: Store, { index, part }: BundleHead): readonly number[] {
  const before = findReceipt(layout, index.id)
  // The same content cut into other parts has the same id, and the numbers of these say nothing of those.
  const applied = before?.parts === index.parts ? before.applied : []
  return [...new Set([...applied, part])].toSorted((a, b) => a - b)
}

/** The files that plain tar would have put there: from them an inventory knows which bundles came. */
async function keepHead({ layout, durable }: Store, { index, indexBytes, signature, part }: BundleHead): Promise<void> {
  await durable.writeSmall('link', layout.bundleIndex(index.id), indexBytes)
  if (signature !== undefined) await durable.writeSmall('link', layout.bundleSignature(index.id), signature)
  await durable.writeSmall('link', layout.bundlePart(index.id, part, index.parts), '')
}

/** Tags that mean here what the bundle wanted. */
function tagsThatHold({ tags }: Store, repository: RepositoryName, wanted: ReadonlyMap<Tag, Digest>): SetTag[] {
  return [...wanted].flatMap(([tag, digest]) =>
    tags.resolve(repository, tag) === digest ? [{ repository, tag, digest }] : [],
  )
}

function pinOf({ id }: BundleIndex): string {
  return `bundle-${id.slice(0, 16)}`
}

async function pinBlobs({ pins }: Store, index: BundleIndex): Promise<void> {
  await pins.add(pinOf(index), {
    reason: `a bundle of ${index.parts} parts, sequence ${index.sequence}, that is not here as a whole yet`,
    images: [],
    blobs: index.blobs.map(({ digest }) => digest),
  })
}

/** Images that were selected and are not whole, with the part that each waits for. */
function describeWaiting({ blobs, repositories }: BundleIndex, held: readonly HeldImage[]): WaitingImage[] {
  const parts = new Map(blobs.map((blob) => [blob.digest, lastPartOf(blob)]))
  const roots = new Set(
    repositories.flatMap(({ name, images }) => images.map(({ manifest }) => `${name} ${blobs[manifest]?.digest}`)),
  )
  return held
    .filter(({ repository, digest }) => roots.has(`${repository} ${digest}`))
    .map((image) => ({ ...image, part: parts.get(image.missing) ?? 0 }))
}

function lastPartOf({ part, slices }: BundleBlob): number {
  return slices?.at(-1)?.part ?? part
}
