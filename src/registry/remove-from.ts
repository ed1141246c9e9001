// Removing from one repository what its content decides: read, planned and removed while nobody else changes it.
import { Problem } from '../config/problem.ts'
import type { Digest } from '../oci/digest.ts'
import type { Manifest } from '../oci/manifest.ts'
import type { RepositoryName } from '../oci/name.ts'
import type { Tag } from '../oci/reference.ts'
import type { StoredPin } from '../storage/pins.ts'
import type { Store } from '../storage/store.ts'
import { inTurns } from '../storage/turn.ts'
import type { Context } from './context.ts'
import { requireWritable } from './context.ts'
import { removeManifests } from './delete.ts'
import type { Removal, RemovalPlan, RepositoryContent } from './plan-removal.ts'
import { planRemoval } from './plan-removal.ts'

/**
 * Removes what `decide` wants of what is there, as far as nothing that stays needs it; undefined when it wants nothing.
 * Throws UNSUPPORTED when the registry is read-only, what `decide` throws, and what the disk says.
 */
export async function removeFrom(
  context: Context,
  name: RepositoryName,
  decide: (content: RepositoryContent) => Removal | undefined,
): Promise<RemovalPlan | undefined> {
  const { store, closures } = context
  return store.changes.run(name, async () => {
    const content = { tags: await readTags(store, name), manifests: await readManifests(store, name) }
    // The lock of the directory may have been lost while this waited.
    requireWritable(context)
    const removal = decide(content)
    if (removal === undefined) return undefined
    const plan = planRemoval(content, removal)
    await removeManifests(store, name, plan)
    closures.drop(name)
    return plan
  })
}

/** The tags of a repository with what they point to. */
export async function readTags(store: Store, name: RepositoryName): Promise<Map<Tag, Digest>> {
  const tags = new Map<Tag, Digest>()
  for await (const tag of store.tags.list(name)) {
    const target = store.tags.resolve(name, tag)
    if (target !== undefined) tags.set(tag, target)
  }
  return tags
}

/** Its manifests; what the disk refuses to give counts as unreadable, never as "not there". */
export async function readManifests(store: Store, name: RepositoryName): Promise<Map<Digest, Manifest | undefined>> {
  const manifests = new Map<Digest, Manifest | undefined>()
  for await (const digest of inTurns(await store.manifests.revisions(name))) {
    const stored = store.manifests.resolve(name, digest)
    if (stored === undefined) continue
    const found = await store.manifests.load(digest, stored).catch(() => undefined)
    manifests.set(digest, found?.manifest)
  }
  return manifests
}

/** All pins. Throws a Problem while there is one that cannot be read: nothing may be removed then. */
export function readPinned({ pins }: Store): readonly StoredPin[] {
  const list = pins.list()
  const [broken] = list.unreadable
  if (broken !== undefined) {
    throw new Problem(`a pin cannot be read, so nothing may be removed: ${broken.path}: ${broken.why}`, {
      hint: 'repair that file or delete it',
    })
  }
  return list.pins
}
