// A source that is known to be a part, such as an archive that holds only what is new: what it lacks may be at the target
// already, from the parts before it.
import type { RepositoryName } from '../oci/name.ts'
import type { ImageToCopy } from './copy-images.ts'
import type { ImageSource, SourceImage } from './image-source.ts'

/**
 * Reads from `source`, and manifests that it lacks from `other`, where the images go. What a tag means is for the source
 * alone to say: `listed` is what it lists. Closing it closes `source` alone.
 */
export function withFallback(
  source: ImageSource,
  other: ImageSource,
  images: readonly ImageToCopy[],
  listed: readonly SourceImage[],
): ImageSource {
  const meanings = new Map(listed.map(({ repository = '', tag = '', digest }) => [`${repository}:${tag}`, digest]))
  const places = new Map<RepositoryName | undefined, Set<RepositoryName>>()
  for (const { from, to } of images) {
    const known = places.get(from.repository) ?? new Set()
    places.set(from.repository, known.add(to.repository))
  }
  return {
    ...source,
    async readManifest(repository, reference, options) {
      const found = await source.readManifest(repository, reference, options)
      if (found !== undefined) return found
      const digest =
        reference.kind === 'digest' ? reference.digest : meanings.get(`${repository ?? ''}:${reference.tag}`)
      if (digest === undefined) return undefined
      for (const place of places.get(repository) ?? []) {
        const here = await other.readManifest(place, { kind: 'digest', digest }, options)
        if (here !== undefined) return here
      }
      return undefined
    },
  }
}
