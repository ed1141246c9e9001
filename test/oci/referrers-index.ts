import t from 'tap'
import { addReferrers, listedReferrers } from '../../src/oci/referrers-index.ts'

const entry = (letter: string) => ({
  mediaType: 'application/vnd.oci.image.manifest.v1+json',
  digest: `sha256:${letter.repeat(64)}`,
  size: 10,
})
const read = (bytes: Buffer | undefined): unknown => bytes && JSON.parse(bytes.toString())

t.test('the first list is an index with each entry once', async (t) => {
  t.same(read(addReferrers(undefined, [entry('a'), entry('b'), entry('a')])), {
    schemaVersion: 2,
    mediaType: 'application/vnd.oci.image.index.v1+json',
    manifests: [entry('a'), entry('b')],
  })
})

t.test('what is in a list stays as it is, also what nobody here knows', async (t) => {
  const before = Buffer.from(
    JSON.stringify({ schemaVersion: 2, manifests: [{ ...entry('a'), 'x.unknown': 1 }], annotations: { a: 'b' } }),
  )
  t.same(read(addReferrers(before, [entry('b'), entry('a')])), {
    schemaVersion: 2,
    annotations: { a: 'b' },
    manifests: [{ ...entry('a'), 'x.unknown': 1 }, entry('b')],
  })
  t.equal(addReferrers(before, [entry('a')]), undefined, 'nothing to add')
})

t.test('what is no index counts as no list', async (t) => {
  const image = Buffer.from(JSON.stringify({ schemaVersion: 2, config: entry('c'), layers: [] }))
  for (const bytes of [image, Buffer.from('nonsense'), Buffer.from('[]')]) {
    t.equal(listedReferrers(bytes), undefined)
    t.match(read(addReferrers(bytes, [entry('a')])), { manifests: [entry('a')] })
  }
})
