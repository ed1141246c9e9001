// Content management (distribution-spec "Deleting tags", "Deleting manifests", "Deleting blobs"). Only links
// go; the bytes are freed by collection, the only deleter of blobs (I6).
import type { Digest } from '../oci/digest.ts'
import { registryError } from '../oci/errors.ts'
import type { RepositoryName } from '../oci/name.ts'
import type { Reference, Tag } from '../oci/reference.ts'
import type { Store } from '../storage/store.ts'
import type { Context } from './context.ts'
import { requireDeletable } from './context.ts'
import { manifestUnknown } from './pull-manifest.ts'
import { noteUntagged } from './untag.ts'

/**
 * Deletes a tag, or a manifest with every tag that points to it. Children of an index stay. Throws
 * MANIFEST_UNKNOWN, and UNSUPPORTED when deletion is off.
 */
export async function deleteManifest(context: Context, name: RepositoryName, reference: Reference): Promise<void> {
  requireDeletable(context)
  const { store } = context
  await store.changes.run(name, async () => {
    if (reference.kind === 'tag') {
      if (!(await removeTag(store, name, reference.tag))) throw manifestUnknown(name, reference)
      return
    }
    if (store.manifests.resolve(name, reference.digest) === undefined) throw manifestUnknown(name, reference)
    const tags = await store.tags.pointingTo(name, reference.digest)
    await removeManifests(store, name, { tags, manifests: [reference.digest] })
  })
}

/** Removes tags and then manifests, durably, in the order given. The caller excludes other changes to the repository. */
export async function removeManifests(
  store: Store,
  name: RepositoryName,
  { tags, manifests }: { readonly tags: readonly Tag[]; readonly manifests: readonly Digest[] },
): Promise<void> {
  // Tags first: a tag must never lead to a manifest that is gone.
  const going = new Set(manifests)
  await inParallel(tags, (tag) => removeTag(store, name, tag, going))
  await inParallel(manifests, (digest) => store.manifests.remove(name, digest))
}

// What the tag leads to begins to be untagged, unless it is `going` too.
async function removeTag(store: Store, name: RepositoryName, tag: Tag, going?: ReadonlySet<Digest>): Promise<boolean> {
  const target = store.tags.resolve(name, tag)
  if (target !== undefined && going?.has(target) !== true) await noteUntagged(store, name, target)
  return store.tags.remove(name, tag)
}

// Each removal waits for the disk; a few at a time share its fsyncs.
const AT_ONCE = 8

/** Does `act` for every item, a few at a time and those in order. */
export async function inParallel<T>(items: readonly T[], act: (item: T) => Promise<unknown>): Promise<void> {
  for (let first = 0; first < items.length; first += AT_ONCE) {
    // None may go on behind the caller's back when another one failed.
    for (const done of await Promise.allSettled(items.slice(first, first + AT_ONCE).map(act))) {
      if (done.status === 'rejected') throw done.reason
    }
  }
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
