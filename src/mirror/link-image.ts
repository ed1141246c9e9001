// Makes a mirrored image that is all here an image of this registry: the mark that it was mirrored, the revision, the tags,
// in this order and each for good (I3, I5). A tag that somebody pushed stays theirs.
import { requiredBlobs } from '../oci/manifest.ts'
import type { RepositoryName } from '../oci/name.ts'
import type { Tag } from '../oci/reference.ts'
import type { Context } from '../registry/context.ts'
import { requireWritable } from '../registry/context.ts'
import { noteUntagged } from '../registry/untag.ts'
import type { StoredManifest } from '../storage/manifests.ts'

export interface ImageToLink {
  readonly name: RepositoryName
  readonly stored: StoredManifest
  readonly tags: Iterable<Tag>
  /** The upstream's host, for the mark. */
  readonly host: string
  /** When the upstream said that the tags mean this image; milliseconds since 1970. */
  readonly checkedAt: number
}

/** False when something that the image needs went away again. Throws UNSUPPORTED when the registry is read-only. */
export async function linkImage(
  context: Context,
  { name, stored, tags, host, checkedAt }: ImageToLink,
): Promise<boolean> {
  const { store, closures } = context
  const { digest, manifest } = stored
  return store.changes.run(name, async () => {
    requireWritable(context)
    closures.drop(name)
    if (!(await closures.isWhole(name, digest, manifest))) return false
    // Some of it may have come by tar a moment ago.
    for (const { digest: blob } of requiredBlobs(manifest)) {
      const held = store.links.resolve(name, blob)
      if (held === undefined || !(await store.blobs.hold(held)) || !(await store.links.hold(name, blob))) return false
    }
    await store.repositories.ensure(name)
    if (store.manifests.resolve(name, digest) === undefined) {
      await store.mirrored.markManifest(name, digest, host)
      await store.manifests.put(name, stored)
      store.referrers.note(stored)
    }
    for (const tag of tags) {
      const before = store.tags.resolve(name, tag)
      if (before !== undefined && !isOurs(context, name, tag)) continue
      // What an earlier life began may be older than what the tag means now.
      if (before !== undefined && (store.mirrored.tag(name, tag)?.checkedAt ?? 0) > checkedAt) continue
      await store.mirrored.markTag(name, tag, digest, host, checkedAt)
      if (before !== undefined && before !== digest) await noteUntagged(store, name, before)
      await store.tags.set(name, tag, digest)
    }
    await store.manifests.promise(name, digest)
    store.leases.lease(digest)
    return true
  })
}

/** Whether the tag is one that the mirror set and nobody changed since. */
export function isOurs({ store }: Context, name: RepositoryName, tag: Tag): boolean {
  const mark = store.mirrored.tag(name, tag)
  return mark !== undefined && mark.digest === store.tags.resolve(name, tag)
}
