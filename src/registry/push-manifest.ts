// Pushing a manifest (distribution-spec "Pushing manifests"). What a repository links is whole (I5), and
// what is acknowledged is durable: its blobs, its bytes, its revision link, its tags, in this order (I3).
import type { Digest } from '../oci/digest.ts'
import { algorithmOf, digestOf } from '../oci/digest.ts'
import { RegistryError, registryError } from '../oci/errors.ts'
import type { Descriptor } from '../oci/descriptor.ts'
import type { Manifest } from '../oci/manifest.ts'
import { parseManifest, requiredBlobs } from '../oci/manifest.ts'
import type { RepositoryName } from '../oci/name.ts'
import type { Reference, Tag } from '../oci/reference.ts'
import type { StoredManifest } from '../storage/manifests.ts'
import type { Context } from './context.ts'
import { requireWritable } from './context.ts'
import { noteUntagged } from './untag.ts'

export interface ManifestPush {
  readonly name: RepositoryName
  readonly reference: Reference
  /** Further tags (`?tag=`), for a push by digest. */
  readonly tags: readonly Tag[]
  readonly bytes: Uint8Array
  readonly contentType: string | undefined
}

export interface PushedManifest {
  readonly digest: Digest
  readonly subject: Digest | undefined
}

/**
 * Stores the manifest, links it and tags it. Throws MANIFEST_INVALID, DIGEST_INVALID when the bytes are not
 * what the reference says, MANIFEST_BLOB_UNKNOWN (one error for each missing blob), and SIZE_INVALID when a
 * descriptor's size is not that of its blob.
 */
export async function pushManifest(context: Context, push: ManifestPush): Promise<PushedManifest> {
  requireWritable(context)
  const { store, rules } = context
  const { name, reference, bytes } = push
  const digest = digestOf(bytes, reference.kind === 'digest' ? algorithmOf(reference.digest) : 'sha256')
  if (reference.kind === 'digest' && reference.digest !== digest) throw registryError('DIGEST_INVALID')
  const manifest = parseManifest(bytes, push.contentType)
  if (rules.allowsUrl !== undefined) refuseUrls(manifest, rules.allowsUrl)
  // From before the first look at what it names until its links are written, nothing of it may be collected (I6).
  const release = store.leases.hold(namedBy(context, name, digest, manifest))
  try {
    await storeManifest(context, push, { digest, bytes, manifest })
    store.leases.lease(digest)
  } finally {
    release()
  }
  return { digest, subject: manifest.subject?.digest }
}

/** The repository, the manifest, and all that it names, with what stands for each in the repository. */
function namedBy({ store }: Context, name: RepositoryName, digest: Digest, manifest: Manifest): string[] {
  const { config, layers, manifests, subject } = manifest
  const named = [config, ...layers, ...manifests, subject].flatMap((entry) =>
    entry === undefined ? [] : [entry.digest],
  )
  const stored = named.map((entry) => store.links.resolve(name, entry)).filter((entry) => entry !== undefined)
  return [name, digest, ...named, ...stored]
}

async function storeManifest(context: Context, push: ManifestPush, stored: StoredManifest): Promise<void> {
  const { store, rules } = context
  const { name, reference } = push
  const { digest, manifest } = stored
  const required = rules.requiresWhole ? requiredBlobs(manifest) : []
  // Blobs that nobody hashed yet are hashed now, before the repository is locked: it can take a while.
  const wrong = new Set<Digest>()
  for (const { digest: blob } of required) {
    const stored = store.links.resolve(name, blob)
    if (stored === undefined) continue
    const facts = await store.blobs.ensureWhole(blob, stored).catch(() => undefined)
    if (facts === undefined) wrong.add(blob)
  }
  await store.changes.run(name, async () => {
    // The lock of the directory may have been lost while this waited.
    requireWritable(context)
    await requireBlobs(context, name, required, wrong)
    await requireChildren(context, name, manifest)
    await store.repositories.ensure(name)
    const tags = reference.kind === 'tag' ? [reference.tag, ...push.tags] : push.tags
    // From here on it is somebody's own, whether or not it was mirrored before.
    await store.mirrored.clear(name, tags, [digest])
    await store.manifests.put(name, stored)
    store.referrers.note(stored)
    for (const tag of tags) {
      const before = store.tags.resolve(name, tag)
      if (before !== undefined && before !== digest) await noteUntagged(store, name, before)
      await store.tags.set(name, tag, digest)
    }
    await store.manifests.promise(name, digest)
  })
}

async function requireBlobs(
  { store }: Context,
  name: RepositoryName,
  required: readonly Descriptor[],
  wrong: ReadonlySet<Digest>,
): Promise<void> {
  const missing: RegistryError[] = []
  for (const { digest, size } of required) {
    const stored = store.links.resolve(name, digest)
    const state = stored && store.blobs.state(digest, stored)
    if (
      !stored ||
      !state ||
      wrong.has(digest) ||
      !(await store.blobs.hold(stored)) ||
      !(await store.links.hold(name, digest))
    ) {
      missing.push(registryError('MANIFEST_BLOB_UNKNOWN', { detail: digest }))
    } else if (state.facts.size !== size) {
      // Not MANIFEST_INVALID: clients would convert the manifest and try again.
      throw registryError('SIZE_INVALID', {
        message: `the manifest gives a blob ${size} bytes, it has ${state.facts.size}`,
        detail: digest,
      })
    }
  }
  const [first, ...others] = missing
  if (first !== undefined) throw new RegistryError('MANIFEST_BLOB_UNKNOWN', { detail: first.detail }, others)
}

async function requireChildren({ store, rules }: Context, name: RepositoryName, manifest: Manifest): Promise<void> {
  for (const child of manifest.manifests) {
    if (!rules.requiresChild(child) || (await store.manifests.hold(name, child.digest))) continue
    throw registryError('MANIFEST_BLOB_UNKNOWN', { detail: child.digest })
  }
}

function refuseUrls(manifest: Manifest, allows: (url: string) => boolean): void {
  const refused = manifest.layers.flatMap((layer) => layer.urls ?? []).find((url) => !allows(url))
  if (refused !== undefined) {
    throw registryError('MANIFEST_INVALID', { message: 'a layer names a url that validation.manifests.urls refuses' })
  }
}
