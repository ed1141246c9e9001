// Content management (distribution-spec "Deleting tags", "Deleting manifests", "Deleting blobs"). Only links
// go; the bytes are freed by collection, the only deleter of blobs (I6).
import type { Digest } from '../oci/digest.ts'
import { registryError } from '../oci/errors.ts'
import type { RepositoryName } from '../oci/name.ts'
import type { Reference } from '../oci/reference.ts'
import type { Context } from './context.ts'
import { requireDeletable } from './context.ts'
import { manifestUnknown } from './pull-manifest.ts'

/**
 * Deletes a tag, or a manifest with every tag that points to it. Children of an index stay. Throws
 * MANIFEST_UNKNOWN, and UNSUPPORTED when deletion is off.
 */
export async function deleteManifest(context: Context, name: RepositoryName, reference: Reference): Promise<void> {
  requireDeletable(context)
  const { store } = context
  await store.changes.run(name, async () => {
    if (reference.kind === 'tag') {
      if (!(await store.tags.remove(name, reference.tag))) throw manifestUnknown(name, reference)
      return
    }
    if (store.manifests.resolve(name, reference.digest) === undefined) throw manifestUnknown(name, reference)
    // Tags first: a tag must never lead to a manifest that is gone.
    for (const tag of await store.tags.pointingTo(name, reference.digest)) await store.tags.remove(name, tag)
    await store.manifests.remove(name, reference.digest)
  })
}

/** Takes a blob from the repository; others that hold it keep it. Throws BLOB_UNKNOWN, UNSUPPORTED. */
export async function deleteBlob(context: Context, name: RepositoryName, digest: Digest): Promise<void> {
  requireDeletable(context)
  const { store, closures } = context
  await store.changes.run(name, async () => {
    if (!(await store.links.remove(name, digest))) throw registryError('BLOB_UNKNOWN', { detail: digest })
    closures.drop(name)
  })
}
