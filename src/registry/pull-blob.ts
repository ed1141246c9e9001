// Pulling a blob (distribution-spec "Pulling blobs"). A repository serves only what it holds a link to: a
// digest that is here for another repository is unknown (R9).
import type { Digest } from '../oci/digest.ts'
import { registryError } from '../oci/errors.ts'
import type { RepositoryName } from '../oci/name.ts'
import type { Sink } from '../storage/read-blob.ts'
import { sendBlob } from '../storage/read-blob.ts'
import type { Context } from './context.ts'

export interface PulledBlob {
  readonly digest: Digest
  /** Bytes. */
  readonly size: number
  /** Sends bytes from `start` to `end` (exclusive); throws when they prove wrong: then cut the connection. */
  send(range: { start: number; end: number }, sink: Sink): Promise<void>
  /** The client is gone: a `send` that waits for bytes ends. */
  leave(): void
  close(): Promise<void>
}

/**
 * Bytes. Up to here a blob that nobody hashed yet is hashed before the answer begins, so that a wrong one is a
 * clean 404; a larger one is hashed while it streams, so that its first byte does not wait.
 */
export const HASH_FIRST = 4 * 1024 * 1024

/** Size of the blob in bytes, its digest verified. Throws BLOB_UNKNOWN. */
export async function statBlob(context: Context, name: RepositoryName, digest: Digest): Promise<number> {
  const { store } = context
  const stored = store.links.resolve(name, digest)
  // Before anything is awaited: from here on no collection takes it.
  if (stored !== undefined) leaseBlob(context, digest, stored)
  // What cannot be read is not here: a client that pushes then sends it, which heals it.
  const facts = stored && (await store.blobs.ensureWhole(digest, stored).catch(() => undefined))
  if (!stored || !facts) throw blobUnknown(context, name, digest)
  // Hashing may have taken longer than a lease.
  leaseBlob(context, digest, stored)
  await store.links.promise(name, digest)
  return facts.size
}

/** Promises that a blob which somebody was told about stays: the client will name it in a manifest. */
export function leaseBlob({ store }: Context, digest: Digest, stored: Digest): void {
  store.leases.lease(digest)
  if (stored !== digest) store.leases.lease(stored)
}

/**
 * Opens the blob for sending; the caller closes it. With `inPart` (a Range) it is verified before this
 * returns, because a part cannot be. Throws BLOB_UNKNOWN.
 */
export async function pullBlob(
  context: Context,
  name: RepositoryName,
  digest: Digest,
  inPart: boolean,
): Promise<PulledBlob> {
  const { leases, links } = context.store
  const stored = links.resolve(name, digest)
  if (stored === undefined) throw blobUnknown(context, name, digest)
  // Taken away under a reader, its file would change and the download be cut.
  const release = leases.hold([stored])
  try {
    const blob = await openBlob(context, name, digest, stored, inPart)
    const close = (): Promise<void> => blob.close().finally(release)
    return { ...blob, close }
  } catch (error) {
    release()
    throw error
  }
}

async function openBlob(
  context: Context,
  name: RepositoryName,
  digest: Digest,
  stored: Digest,
  inPart: boolean,
): Promise<PulledBlob> {
  const { blobs } = context.store
  const blob = await blobs.open(digest, stored)
  if (blob === undefined) throw blobUnknown(context, name, digest)
  let proven = blobs.isWhole(blob)
  if (!proven && (inPart || blob.facts.size <= HASH_FIRST)) {
    const facts = await blobs.ensureWhole(digest, stored).catch(() => undefined)
    proven = facts?.stamp === blob.facts.stamp
    if (!proven) {
      await blob.handle.close()
      throw blobUnknown(context, name, digest)
    }
  }
  return {
    digest,
    size: blob.facts.size,
    async send(range, sink) {
      try {
        await sendBlob(blobs, blob, range, proven, sink)
      } catch (error) {
        context.closures.drop(name)
        throw error
      }
    },
    leave: () => undefined,
    close: () => blob.handle.close(),
  }
}

function blobUnknown({ closures }: Context, name: RepositoryName, digest: Digest): Error {
  // A manifest that needs it may have been called whole a moment ago.
  closures.drop(name)
  return registryError('BLOB_UNKNOWN', { detail: digest })
}
