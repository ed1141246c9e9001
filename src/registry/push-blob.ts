// Pushing a blob (distribution-spec "Pushing blobs") and mounting one from another repository.
import type { Algorithm, Digest } from '../oci/digest.ts'
import type { RepositoryName } from '../oci/name.ts'
import { INODES_OF_ONE, isNoRoom } from '../storage/room.ts'
import type { Chunk, UploadKey } from '../storage/uploads.ts'
import type { Context } from './context.ts'
import { requireWritable } from './context.ts'
import { leaseBlob } from './pull-blob.ts'

/**
 * Begins an upload for `owner` (the user's name; undefined without login); `announced` is how many bytes the same
 * request is going to bring. Throws UNAVAILABLE where there is no room for it, TOOMANYREQUESTS.
 */
export async function beginUpload(
  context: Context,
  name: RepositoryName,
  owner: string | undefined,
  algorithm: Algorithm,
  announced = 0,
): Promise<UploadKey> {
  requireWritable(context)
  context.store.room.requireRoom(announced)
  // The repository comes into being with the first thing that is stored in it, not with an attempt.
  // A collection may be about to remove the empty directories of that name.
  const release = context.store.leases.hold([name])
  return context.store.uploads.begin(name, owner, algorithm).finally(release)
}

/** Appends to an upload; gives the bytes received in all. Throws BLOB_UPLOAD_UNKNOWN, RANGE_INVALID, SIZE_INVALID, UNAVAILABLE. */
export async function appendUpload(context: Context, key: UploadKey, chunk: Chunk): Promise<number> {
  requireWritable(context)
  return withRoom(context, key, chunk, 0, () => context.store.uploads.append(key, chunk))
}

// An upload that met a full disk must not be in the way of others once there is room again.
async function withRoom<T>(
  { store: { room, uploads } }: Context,
  key: UploadKey,
  chunk: Chunk | undefined,
  inodes: number,
  act: () => Promise<T>,
): Promise<T> {
  try {
    if (chunk !== undefined) room.requireSpace(chunk.announced, inodes)
    return await act()
  } catch (error) {
    if (isNoRoom(error)) uploads.refuse(key)
    throw error
  }
}

/**
 * Ends an upload: from its return on, the repository serves `digest`. `beforeCommit` is called when the bytes are right and
 * nobody sees them yet. Throws as appendUpload, DIGEST_INVALID, and what `beforeCommit` throws.
 */
export async function finishUpload(
  context: Context,
  key: UploadKey,
  digest: Digest,
  chunk: Chunk | undefined,
  beforeCommit?: () => Promise<void>,
): Promise<void> {
  requireWritable(context)
  const commit = async (data: string): Promise<void> => {
    await beforeCommit?.()
    await commitBlob(context, key.name, digest, data)
  }
  await withRoom(context, key, chunk, INODES_OF_ONE, () => context.store.uploads.finish(key, digest, chunk, commit))
}

/** Makes the finished file `data`, whose bytes hash to `digest`, a blob that the repository serves. Throws UNSUPPORTED. */
export async function commitBlob(context: Context, name: RepositoryName, digest: Digest, data: string): Promise<void> {
  // The lock of the directory may have been lost while the bytes came.
  requireWritable(context)
  const { blobs, leases, links, repositories } = context.store
  const release = leases.hold([name, digest])
  try {
    await repositories.ensure(name)
    await blobs.commit(data, digest)
    await links.add(name, digest)
    await links.promise(name, digest)
    leases.lease(digest)
  } finally {
    release()
  }
}

/** Drops an upload. Throws BLOB_UPLOAD_UNKNOWN. */
export async function cancelUpload(context: Context, key: UploadKey): Promise<void> {
  requireWritable(context)
  await context.store.uploads.cancel(key)
}

/**
 * Lets the repository serve a blob that is here already. `source` is the repository that holds it, which
 * the caller may read; undefined for any (the caller may then read all of them). False when it cannot be:
 * the client then uploads. The bytes are verified first, if nobody did before.
 */
export async function mountBlob(
  context: Context,
  name: RepositoryName,
  digest: Digest,
  source: RepositoryName | undefined,
): Promise<boolean> {
  requireWritable(context)
  const { leases, links } = context.store
  const stored = source === undefined ? digest : links.resolve(source, digest)
  if (stored === undefined) return false
  const release = leases.hold([name, digest, stored])
  try {
    return await linkBlob(context, name, digest, stored)
  } finally {
    release()
  }
}

async function linkBlob(context: Context, name: RepositoryName, digest: Digest, stored: Digest): Promise<boolean> {
  const { blobs, links, repositories } = context.store
  // Bytes that cannot be read are none to mount: the client uploads, and heals them.
  const facts = await blobs.ensureWhole(digest, stored).catch(() => undefined)
  if (facts === undefined) return false
  if (!(await blobs.hold(stored))) return false
  await repositories.ensure(name)
  await links.add(name, digest, stored)
  await links.promise(name, digest)
  leaseBlob(context, digest, stored)
  return true
}
