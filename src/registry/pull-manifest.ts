// Pulling a manifest (distribution-spec "Pulling manifests"): the stored bytes, as they came (I4).
import type { Digest } from '../oci/digest.ts'
import type { RegistryError } from '../oci/errors.ts'
import { registryError } from '../oci/errors.ts'
import type { RepositoryName } from '../oci/name.ts'
import { chooseLinuxAmd64 } from '../oci/platform.ts'
import type { Reference } from '../oci/reference.ts'
import type { StoredManifest } from '../storage/manifests.ts'
import type { Context } from './context.ts'

/** What the client can read, as far as it matters: a docker client from before manifest lists. */
export interface Wishes {
  readonly knowsDockerLists: boolean
}

/**
 * Gives the manifest that `reference` names in the repository. Throws MANIFEST_UNKNOWN when there is none
 * or when something that it needs is not here.
 */
export async function pullManifest(
  context: Context,
  name: RepositoryName,
  reference: Reference,
  wishes: Wishes,
): Promise<StoredManifest> {
  const found = await findManifest(context, name, reference)
  if (found === undefined) throw manifestUnknown(name, reference)
  const child = childInstead(found, reference, wishes)
  const instead = child && (await findManifest(context, name, { kind: 'digest', digest: child }))
  return instead ?? found
}

/** distribution's habit for old clients, by tag only: the linux/amd64 child that stands in for a list, if it is here. */
export function childInstead(found: StoredManifest, reference: Reference, wishes: Wishes): Digest | undefined {
  if (reference.kind === 'digest' || wishes.knowsDockerLists || !isDockerList(found)) return undefined
  return chooseLinuxAmd64(found.manifest)?.digest
}

/**
 * Promises that a manifest whose existence is being told stays: the client may name it in an index. Throws
 * MANIFEST_UNKNOWN when it went away a moment ago.
 */
export async function promiseManifest(
  { store }: Context,
  name: RepositoryName,
  reference: Reference,
  digest: Digest,
): Promise<void> {
  store.leases.lease(digest)
  if (store.manifests.resolve(name, digest) === undefined) throw manifestUnknown(name, reference)
  await store.manifests.promise(name, digest)
}

/**
 * Notes that the manifest was pulled, which retention and lists go by, and keeps it with what it needs for a lease: the
 * client comes for its blobs now. No I/O.
 */
export function notePull({ store }: Context, name: RepositoryName, digest: Digest): void {
  store.pulls.note(name, digest)
  store.leases.lease(digest)
}

/** The manifest, whole in the repository, or undefined. */
export async function findManifest(
  { store, closures, rules }: Context,
  name: RepositoryName,
  reference: Reference,
): Promise<StoredManifest | undefined> {
  const digest = reference.kind === 'digest' ? reference.digest : store.tags.resolve(name, reference.tag)
  if (digest === undefined) return undefined
  const stored = store.manifests.resolve(name, digest)
  if (stored === undefined) return undefined
  const manifest = store.manifests.recall(digest) ?? (await store.manifests.load(digest, stored))
  if (manifest === undefined) return undefined
  // Looked up first, since waiting for a promise costs more than that.
  if (!rules.requiresWhole || closures.isKnown(name, digest)) return manifest
  return (await closures.isWhole(name, digest, manifest.manifest)) ? manifest : undefined
}

/** distribution's details for a missing manifest; it never says that the repository is unknown. */
export function manifestUnknown(name: RepositoryName, reference: Reference): RegistryError {
  return reference.kind === 'tag'
    ? registryError('MANIFEST_UNKNOWN', { detail: { Tag: reference.tag } })
    : registryError('MANIFEST_UNKNOWN', {
        message: 'manifest unknown',
        detail: { Name: name, Revision: reference.digest },
      })
}

function isDockerList({ manifest }: StoredManifest): boolean {
  return manifest.mediaType === 'application/vnd.docker.distribution.manifest.list.v2+json'
}
