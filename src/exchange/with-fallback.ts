// A source whose tags mean what a list of its images says. The list may know more than the source: tags that were lost on the
// way and found again; and images that lie elsewhere, where the source is a part, such as an archive of what is new.
import type { Digest } from '../oci/digest.ts'
import type { RepositoryName } from '../oci/name.ts'
import type { ImageToCopy } from './copied-image.ts'
import type { ImageManifest, ImageSource, SourceImage } from './image-source.ts'

export interface Elsewhere {
  readonly source: ImageSource
  /** Where the images go: that is where the parts before this one put theirs. */
  readonly images: readonly ImageToCopy[]
}

/** Closing it closes `source` alone. */
export function listedSource(source: ImageSource, listed: readonly SourceImage[], elsewhere?: Elsewhere): ImageSource {
  const meanings = new Map(listed.map(({ repository = '', tag = '', digest }) => [`${repository}:${tag}`, digest]))
  const places = new Map<RepositoryName | undefined, Set<RepositoryName>>()
  for (const { from, to } of elsewhere?.images ?? []) {
    const known = places.get(from.repository) ?? new Set()
    places.set(from.repository, known.add(to.repository))
  }
  const findElsewhere = async (
    repository: RepositoryName | undefined,
    digest: Digest,
  ): Promise<ImageManifest | undefined> => {
    for (const place of places.get(repository) ?? []) {
      const found = await elsewhere?.source.readManifest(place, { kind: 'digest', digest })
      if (found !== undefined) return found
    }
    return undefined
  }
  return {
    ...source,
    async readManifest(repository, reference, options) {
      const digest =
        reference.kind === 'digest' ? reference.digest : meanings.get(`${repository ?? ''}:${reference.tag}`)
      // Tags that are about another image need not be in the list.
      if (digest === undefined) return source.readManifest(repository, reference, options)
      const found = await source.readManifest(repository, { kind: 'digest', digest }, options)
      return found ?? findElsewhere(repository, digest)
    },
  }
}
