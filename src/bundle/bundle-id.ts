// The id of a bundle: the same roots and digests give the same id, however the bundle is cut into parts and whenever it
// was made (docs/formats/bundle.md, "Id").
import { createHash } from 'node:crypto'
import type { BundleId } from '../storage/layout.ts'
import { compare } from '../storage/repositories.ts'
import type { BundleContent } from './bundle-index.ts'

/** Computes the id: the SHA-256 of one line for each fact, sorted by bytes. */
export function computeBundleId(content: BundleContent): BundleId {
  const hash = createHash('sha256')
  for (const lines of listGroups(content)) for (const line of lines.toSorted()) hash.update(`${line}\n`)
  return hash.digest('hex') as BundleId
}

/**
 * The lines in groups that are in order, so that never all of them are in memory: a small index can mean a million. A blank
 * comes before all that a name can hold, so that names sort as their lines do.
 */
function* listGroups({ blobs, repositories, signatures }: BundleContent): Generator<readonly string[]> {
  const digestAt = (place: number): string => blobs[place]?.digest ?? ''
  const sorted = repositories.toSorted((a, b) => compare(a.name, b.name))
  const linesOf = (isNeeded: boolean, word: string): string[] =>
    blobs.flatMap(({ digest, size, part }) => ((part === 0) === isNeeded ? [`${word} ${digest} ${size}`] : []))
  yield linesOf(false, 'blob')
  for (const { name, images } of sorted) yield images.map(({ manifest }) => `image ${name} ${digestAt(manifest)}`)
  for (const { name, layers } of sorted) yield layers.map((place) => `layer ${name} ${digestAt(place)}`)
  for (const { name, manifests } of sorted) yield manifests.map((place) => `manifest ${name} ${digestAt(place)}`)
  yield linesOf(true, 'needs')
  yield signatures.map(({ of, number, digest }) => `signature ${of} ${number} ${digest}`)
  for (const { name, images } of sorted)
    yield images.flatMap(({ manifest, tags }) => tags.map((tag) => `tag ${name} ${tag} ${digestAt(manifest)}`))
}
