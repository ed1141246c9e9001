// Where a release is read from: a registry, this registry's own directory, a directory of `oc`, a bundle. Its components
// lie in the repository of the release image (every mirror keeps them so), else where its payload says.
import type { ImageSource } from '../exchange/image-source.ts'
import type { Digest } from '../oci/digest.ts'
import type { RepositoryName } from '../oci/name.ts'
import { isRepositoryName } from '../oci/name.ts'
import type { Reference } from '../oci/reference.ts'
import type { Component } from './payload.ts'
import type { ReleaseRecord } from './release-record.ts'
import type { StoreAnswer } from './signature-stores.ts'

export interface ImagePlace {
  readonly source: ImageSource
  readonly repository: RepositoryName | undefined
}

export interface ReleasePlace extends ImagePlace {
  /** As a person would name it, for messages. */
  readonly name: string
  readonly reference: Reference
  /** Registry and repository of the release image as its payload's cluster would name them; undefined where nobody knows. */
  readonly origin: string | undefined
  /** Where an image of another registry is read; undefined when this place cannot reach any. */
  readonly elsewhere: ((host: string) => ImageSource) | undefined
  /** Signatures of a digest that the place has, or that the payload's stores have. */
  readonly findSignatures: (digest: Digest, stores: readonly string[]) => Promise<StoreAnswer>
  /** What was written down when the release came here; undefined where nothing was, or nobody can say. */
  readonly recorded?: (digest: Digest) => Promise<ReleaseRecord | undefined>
}

// One that is lost must not make all look as if they were elsewhere.
const MOST_PROBES = 3

/**
 * Where each component is to be read. Asks for one of them, for another where that is nowhere: in the release's own repository, where it was mirrored to, in
 * one beside it (as oc-mirror lays them out), then where the payload says. Throws as the source does.
 */
export async function placeComponents(
  place: ReleasePlace,
  { components, digest }: { readonly components: readonly Component[]; readonly digest: Digest },
  signal?: AbortSignal,
): Promise<(component: Component) => ImagePlace> {
  const { source, repository, elsewhere, origin } = place
  const own = (): ImagePlace => ({ source, repository })
  const [first] = components
  if (first === undefined) return own
  const isHome = origin?.startsWith(`${first.host}/`) === true
  const places = (await place.recorded?.(digest))?.places ?? []
  const mirrored = places.flatMap(({ image, components: of }) => (image === repository ? [of] : []))
  const near = new Set([repository, ...mirrored, ...(isHome ? [] : besides(repository, first))])
  for (const probe of [...new Set(components.map((each) => each.digest))].slice(0, MOST_PROBES)) {
    for (const each of near) {
      const found = await source.readManifest(each, { kind: 'digest', digest: probe }, { signal })
      if (found !== undefined) return () => ({ source, repository: each })
    }
  }
  if (elsewhere === undefined) return own
  return (component) => ({ source: elsewhere(component.host), repository: component.repository })
}

/** `om/openshift/release` for `om/openshift/release-images`; `om/<its own repository>` for `om/…/ocp-release`. */
function besides(repository: RepositoryName | undefined, component: Component): RepositoryName[] {
  if (repository === undefined) return []
  const parts = repository.split('/')
  const names = parts.map((_, index) => [...parts.slice(0, index), component.repository].join('/'))
  if (repository.endsWith('release-images')) names.unshift(repository.slice(0, -'-images'.length))
  return names.filter((name) => name !== repository).filter(isRepositoryName)
}
