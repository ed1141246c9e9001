// The moment at which a manifest loses a tag. Collection takes untagged manifests by the age of their revision link
// (`untaggedAfter`, `gc.untagged`), so that link must be as young as the loss and not as old as the push.
import type { Digest } from '../oci/digest.ts'
import type { RepositoryName } from '../oci/name.ts'
import type { Store } from '../storage/store.ts'

/**
 * Notes that a tag is about to leave the manifest: to be called before it does, so that a crash in between makes nothing
 * old. A link that changed within the hour (or half of a lease) stays as it is, so the moment is that exact and no more:
 * what is collected after days needs no better. One utimes at most; what the disk refuses is left.
 */
export async function noteUntagged(
  { leases, manifests }: Pick<Store, 'leases' | 'manifests'>,
  name: RepositoryName,
  digest: Digest,
): Promise<void> {
  // For a collection that is under way and has read the link already.
  leases.lease(digest)
  await manifests.promise(name, digest)
}
