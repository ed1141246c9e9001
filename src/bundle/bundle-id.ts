// The id of a bundle: the same roots and digests give the same id, however the bundle is cut into parts and whenever it
// was made (docs/formats/bundle.md, "Id").
import { createHash } from 'node:crypto'
import type { BundleId } from '../storage/layout.ts'
import type { BundleContent } from './bundle-index.ts'

/** Computes the id: the SHA-256 of one line for each fact, sorted by bytes. */
export function computeBundleId({ blobs, repositories, signatures }: BundleContent): BundleId {
  const digestAt = (place: number): string => blobs[place]?.digest ?? ''
  const lines = [
    ...blobs.map(({ digest, size, part }) => `${part === 0 ? 'needs' : 'blob'} ${digest} ${size}`),
    ...signatures.map((signature) => `signature ${signature.of} ${signature.number} ${signature.digest}`),
    ...repositories.flatMap(({ name, images, layers, manifests }) => [
      ...layers.map((place) => `layer ${name} ${digestAt(place)}`),
      ...manifests.map((place) => `manifest ${name} ${digestAt(place)}`),
      ...images.map(({ manifest }) => `image ${name} ${digestAt(manifest)}`),
      ...images.flatMap(({ manifest, tags }) => tags.map((tag) => `tag ${name} ${tag} ${digestAt(manifest)}`)),
    ]),
  ]
  const hash = createHash('sha256')
  for (const line of lines.toSorted()) hash.update(`${line}\n`)
  return hash.digest('hex') as BundleId
}
