// Content discovery (distribution-spec "Listing tags", "Listing referrers") and distribution's catalog.
import type { Digest } from '../oci/digest.ts'
import { registryError } from '../oci/errors.ts'
import type { RepositoryName } from '../oci/name.ts'
import type { Tag } from '../oci/reference.ts'
import type { StoredManifest } from '../storage/manifests.ts'
import type { Context } from './context.ts'

/** The tags after `last` in byte order, read as the caller takes them. Throws NAME_UNKNOWN. */
export function listTags({ store }: Context, name: RepositoryName, last: string): AsyncGenerator<Tag> {
  if (!store.repositories.exists(name)) throw registryError('NAME_UNKNOWN', { detail: { name } })
  return store.tags.list(name, last)
}

/** The repositories after `last` in byte order, read as the caller takes them. */
export function listRepositories({ store }: Context, last: string): AsyncGenerator<RepositoryName> {
  return store.repositories.names(last)
}

/** The manifests whose subject is `digest`, by their digests' order after `last`; none when the repository is not here. */
export function listReferrers(
  { store }: Context,
  name: RepositoryName,
  digest: Digest,
  last: string,
): AsyncGenerator<StoredManifest> {
  return store.referrers.list(name, digest, last)
}

export interface Page<T> {
  readonly items: T[]
  /** Whether there is more after the last item. */
  readonly more: boolean
}

/** Takes `size` items from `source` and looks whether there is another. */
export async function takePage<T>(source: AsyncGenerator<T>, size: number): Promise<Page<T>> {
  const items: T[] = []
  if (size === 0) return { items, more: false }
  for await (const item of source) {
    if (items.length === size) return { items, more: true }
    items.push(item)
  }
  return { items, more: false }
}
