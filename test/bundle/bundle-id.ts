import { createHash } from 'node:crypto'
import t from 'tap'
import { computeBundleId } from '../../src/bundle/bundle-id.ts'
import type { BundleContent, BundleRepository } from '../../src/bundle/bundle-index.ts'
import { digestOf } from '../../src/oci/digest.ts'
import type { RepositoryName } from '../../src/oci/name.ts'
import type { Tag } from '../../src/oci/reference.ts'

const digestAt = (at: number) => digestOf(Buffer.from(`blob ${at}`))
const blobs = Array.from({ length: 60 }, (_, at) => ({ digest: digestAt(at), size: at * 7, part: at % 4 }))
// Names and tags of which one is the beginning of another.
const NAMES = ['a', 'a-b', 'a.b', 'a/b', 'a/b-c', 'a0', 'a_b', 'aa', 'b']
const TAGS = ['1', '1-a', '1.0', '10', '2', 'A', '_', 'a', 'a-1', 'aa']
const repositories = NAMES.map((name, at): BundleRepository => {
  const manifests = [at, at + 20, at + 40]
  const images = manifests.map((manifest, image) => ({
    manifest,
    tags: TAGS.filter((_, tag) => tag % 3 === image) as Tag[],
  }))
  return { name: name as RepositoryName, images, layers: [1, 5, 12, 30 + at], manifests }
})
const signatures = [1, 2, 3, 10, 11, 20].map((number) => {
  return { of: digestAt(3), number, digest: digestAt(100 + number), size: 5 }
})

/** As docs/formats/bundle.md says it: all lines, sorted by their bytes. */
function computeInOne(content: BundleContent): string {
  const nameOf = (place: number): string => content.blobs[place]?.digest ?? ''
  const lines = [
    ...content.blobs.map(({ digest, size, part }) => `${part === 0 ? 'needs' : 'blob'} ${digest} ${size}\n`),
    ...content.signatures.map((one) => `signature ${one.of} ${one.number} ${one.digest}\n`),
    ...content.repositories.flatMap(({ name, images, layers, manifests }) => [
      ...layers.map((place) => `layer ${name} ${nameOf(place)}\n`),
      ...manifests.map((place) => `manifest ${name} ${nameOf(place)}\n`),
      ...images.map(({ manifest }) => `image ${name} ${nameOf(manifest)}\n`),
      ...images.flatMap(({ manifest, tags }) => tags.map((tag) => `tag ${name} ${tag} ${nameOf(manifest)}\n`)),
    ]),
  ]
  const sorted = lines.map((line) => Buffer.from(line)).toSorted((a, b) => Buffer.compare(a, b))
  return createHash('sha256').update(Buffer.concat(sorted)).digest('hex')
}

t.test('the id is the hash of all lines in the order of their bytes, in whichever order the facts stand', (t) => {
  const content = { blobs, repositories, signatures }
  t.equal(computeBundleId(content), computeInOne(content))
  t.equal(computeBundleId({ ...content, repositories: repositories.toReversed() }), computeInOne(content))
  t.end()
})
