import t from 'tap'
import { Allowance } from '../../src/bundle/allowance.ts'
import { readFacts } from '../../src/bundle/manifest-facts.ts'
import { readArchive } from '../../src/bundle/read-archive.ts'
import { readTar } from '../../src/bundle/read-tar.ts'
import { hashBlobs } from '../../src/bundle/take-blobs.ts'
import type { Digest } from '../../src/oci/digest.ts'
import { digestOf } from '../../src/oci/digest.ts'
import {
  blobPath,
  imageEntries,
  inPieces,
  layerPath,
  rawEntry,
  tagPath,
  tarOf,
  testImage,
} from '../helpers/data-tar.ts'
import { indexOf, partOf } from '../helpers/plant.ts'

const FEW = 100_000
const MANY = 1000
const digestAt = (at: number): Digest => digestOf(Buffer.from(`number ${at}`))
const many = <T>(make: (at: number) => T): T[] => Array.from({ length: MANY }, (_, at) => make(at))

const read = (tar: Buffer, most: number) =>
  readArchive(readTar(inPieces(tar, 65_536)), hashBlobs(), new Allowance(most))

const index = indexOf(many((at) => partOf(Buffer.from(`child ${at}`))))
const long = 'x'.repeat(120)
const KINDS: Readonly<Record<string, Buffer[]>> = {
  'blobs, though the bytes of none are right': many((at) => rawEntry({ name: `data/${blobPath(digestAt(at))}` }, 'x')),
  'digests in a manifest': [rawEntry({ name: `data/${blobPath(digestOf(index))}` }, index)],
  'links of layers': many((at) => rawEntry({ name: `data/${layerPath('team/a', digestAt(at))}` }, digestAt(at))),
  tags: many((at) => rawEntry({ name: `data/${tagPath('team/a', `${long}${at}`)}` }, digestAt(1))),
  repositories: many((at) => rawEntry({ name: `data/${tagPath(`team/a${at}`, 'v1')}` }, digestAt(1))),
  'symbolic links elsewhere': many((at) => rawEntry({ name: `certs/${long.slice(30)}${at}`, type: '2' })),
}

for (const [what, entries] of Object.entries(KINDS)) {
  t.test(`an archive of more ${what} than can be kept in memory is refused`, async (t) => {
    const image = testImage('team/a', 'v1', 'one')
    const tar = tarOf(...imageEntries(image), ...entries)
    await t.rejects(read(tar, FEW), { name: 'Problem', exitCode: 4, message: /names more blobs, images and tags/ })
    await t.resolves(read(tarOf(...imageEntries(image)), FEW), 'one image alone is not too much')
    await t.resolves(read(tar, 100 * FEW), 'and a thousand are taken where there is room')
  })
}

t.test('a manifest of 30,000 layers, half of them from elsewhere, is read at once', (t) => {
  const layers = Array.from({ length: 30_000 }, (_, at) => ({
    mediaType: 'application/vnd.oci.image.layer.v1.tar',
    digest: digestAt(at),
    size: 1,
    ...(at % 2 === 0 && { urls: ['https://example.org/'] }),
  }))
  const type = 'application/vnd.oci.image.manifest.v1+json'
  const bytes = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: type, config: layers[1], layers }))
  const begun = performance.now()
  const facts = readFacts(bytes, (digest) => digest)
  t.ok(performance.now() - begun < 2000)
  t.equal(facts?.blobs.length, 15_000)
  t.equal(facts?.others.length, 15_000)
  t.end()
})
