// Brings one planned image into the directory: its blobs at once, as far as their upstream has turns; then manifests with
// children before indexes and the image itself last, with its tag. Until then nobody sees anything of it (I5).
import type { Digest } from '../../oci/digest.ts'
import type { Tag } from '../../oci/reference.ts'
import type { Context } from '../../registry/context.ts'
import type { StoredManifest } from '../../storage/manifests.ts'
import { UpstreamError } from '../../upstream/upstream-error.ts'
import type { Fetching } from '../fetching.ts'
import { linkImage } from '../link-image.ts'
import type { Transfer } from '../transfer.ts'
import type { BlobsUnderWay } from './blobs-under-way.ts'
import type { Patience } from './patience.ts'
import type { Step } from './plan.ts'
import type { ImageToBring } from './read-plan.ts'

export interface CopyImageParts {
  readonly context: Context
  readonly fetching: Fetching
  readonly patience: Patience
  /** Whose images these are. */
  readonly owner: string
  /** Aborted when the run is to end. */
  readonly signal: AbortSignal
}

type BlobStep = Extract<Step, { act: 'blob' }>

/** True when its tag leads to it at the end; false when somebody pushed the tag meanwhile. Throws what keeps it from that. */
export async function copyImage(work: ImageToBring, blobs: BlobsUnderWay, parts: CopyImageParts): Promise<boolean> {
  const { context } = parts
  const { planned, image, located } = work
  const { store } = context
  const wanted = planned.steps.filter((step): step is BlobStep => step.act === 'blob')
  const manifests = planned.steps.flatMap((step) => (step.act === 'manifest' ? step.digest : []))
  // From before the first blob until all is linked nothing of it may be collected (I6).
  const release = store.leases.hold([
    located.name,
    image.root.digest,
    ...manifests,
    ...wanted.map(({ digest }) => digest),
  ])
  try {
    await fetchAll(wanted, work, blobs, parts)
    if (!(await linkAll(work, manifests, context))) {
      // Something was taken away between its coming and now: that can be had again.
      await fetchAll(wanted, work, blobs, parts)
      if (!(await linkAll(work, manifests, context)))
        throw new UpstreamError('failed', `a blob of ${located.name} went away again`)
    }
  } finally {
    release()
  }
  const { tag } = planned
  // What a sync means is no part of the cache: it is never evicted.
  await store.mirrored.markSynced(
    located.name,
    tag === undefined ? [] : [tag],
    tag === undefined ? [image.root.digest] : [],
    parts.owner,
  )
  return tag === undefined || store.tags.resolve(located.name, tag) === image.root.digest
}

async function fetchAll(
  steps: readonly BlobStep[],
  { located, image }: ImageToBring,
  underWay: BlobsUnderWay,
  { fetching, patience, signal }: CopyImageParts,
): Promise<void> {
  const { transfers, blobs } = fetching
  const turns = fetching.turnsOf(located.upstream)
  // Schema 1 does not say how large its layers are.
  const isSized = image.root.manifest.kind !== 'schema1'
  const fetchOne = async ({ digest, size }: BlobStep): Promise<void> => {
    await patience.run(located.upstream.config.host, async () => {
      const release = await turns.take(signal)
      try {
        const isFirst = transfers.find(digest) === undefined
        const onTransfer = (transfer: Transfer): void => {
          underWay.follow(transfer, isFirst)
          // The next one may come while this one is written for good.
          void received(transfer).then(release)
        }
        await unlessAborted(
          signal,
          blobs.fetch(located, { digest, size: isSized ? size : undefined, patient: true }, onTransfer),
        )
      } finally {
        release()
      }
    })
    underWay.end(digest)
  }
  const results = await Promise.allSettled(steps.map(fetchOne))
  const failures = results.flatMap((result) => (result.status === 'rejected' ? [result.reason as unknown] : []))
  // What is no answer of an upstream says more than that.
  if (failures.length > 0) throw failures.find((failure) => !(failure instanceof UpstreamError)) ?? failures[0]
}

// Never rejects.
async function received(transfer: Transfer): Promise<void> {
  try {
    await transfer.sized()
    while (transfer.state === 'running') await transfer.file.changed()
  } catch {
    // Whoever waits for the blob learns of it.
  }
}

async function linkAll(
  { planned, image, located, readAt }: ImageToBring,
  manifests: readonly Digest[],
  context: Context,
): Promise<boolean> {
  const { root, read, followers } = image
  const stored = new Map<Digest, StoredManifest>()
  for (const each of [...read.values(), ...followers, root]) stored.set(each.digest, each.stored)
  const tags = new Map<Digest, Tag[]>()
  for (const step of planned.steps) {
    if (step.act === 'tag') tags.set(step.digest, [...(tags.get(step.digest) ?? []), step.tag])
  }
  // In the order of the plan, but the image itself after what is about it.
  const rest = [...new Set([...manifests, ...tags.keys()])].filter((digest) => digest !== root.digest)
  const isRootMeant = manifests.includes(root.digest) || tags.has(root.digest)
  for (const digest of [...rest, ...(isRootMeant ? [root.digest] : [])]) {
    const manifest = stored.get(digest)
    if (manifest === undefined) throw new Error(`the plan of ${image.from} names ${digest}, which was not read`)
    const facts = { name: located.name, stored: manifest, tags: tags.get(digest) ?? [], checkedAt: readAt }
    if (!(await linkImage(context, { ...facts, host: located.upstream.config.host }))) return false
  }
  return true
}

// What is under way goes on for others, or stays for the next run.
function unlessAborted<T>(signal: AbortSignal, act: Promise<T>): Promise<T> {
  if (signal.aborted) return act
  return new Promise((resolve, reject) => {
    const leave = (): void => reject(signal.reason as Error)
    signal.addEventListener('abort', leave, { once: true })
    act.then(resolve, reject).finally(() => signal.removeEventListener('abort', leave))
  })
}
