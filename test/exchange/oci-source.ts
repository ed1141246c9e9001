import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import t from 'tap'
import { openDirectoryTree } from '../../src/exchange/directory-tree.ts'
import { blobPath, ociSource } from '../../src/exchange/oci-source.ts'
import { ociTarget } from '../../src/exchange/oci-target.ts'
import { openTree } from '../../src/exchange/open-tree.ts'
import { storeSource } from '../../src/exchange/store-source.ts'
import { storeTarget } from '../../src/exchange/store-target.ts'
import { writeDirectory } from '../../src/exchange/write-directory.ts'
import { writeTar } from '../../src/exchange/write-tar.ts'
import { digestOf } from '../../src/oci/digest.ts'
import { copyAll, namesOf } from '../helpers/exchanged.ts'
import { APP, OTHER, openRegistry, pushFull, pushImage } from '../helpers/images.ts'
import { imageOf, partOf } from '../helpers/plant.ts'
import type { Tag } from '../../src/oci/reference.ts'

const REF_NAME = 'org.opencontainers.image.ref.name'

async function readLayout(path: string) {
  return ociSource(await openTree(path), path)
}

t.test('a layout takes indexes, referrers and tags of cosign, and gives the same back', async (t) => {
  const directory = t.testdir({ here: {}, there: {}, layout: {} })
  const here = openRegistry(`${directory}/here`)
  const { digest, amd64, referrer, cosign } = await pushFull(here, APP, 'v1')
  await pushImage(here, OTHER, ['base', 'other'], { tag: 'v1' })
  const path = `${directory}/layout`
  const source = storeSource(here, 'here')
  const before = await openDirectoryTree(path)
  const target = await ociTarget({ writer: writeDirectory(path), before, name: path })
  t.match(await copyAll(source, target), { counts: { failed: 0, incomplete: 0 } })
  t.equal(readFileSync(`${path}/oci-layout`, 'utf8'), '{"imageLayoutVersion":"1.0.0"}')

  const layout = await readLayout(path)
  t.same(await namesOf(layout), await namesOf(source))
  const there = openRegistry(`${directory}/there`)
  t.match(await copyAll(layout, storeTarget(there, 'there')), { counts: { failed: 0, incomplete: 0 } })
  t.equal(there.store.tags.resolve(APP, 'v1' as Tag), digest)
  t.ok(there.store.tags.resolve(APP, cosign))
  for (const manifest of [amd64, referrer]) t.ok(there.store.manifests.resolve(APP, digestOf(manifest)))

  const again = await ociTarget({ writer: writeDirectory(path), before: await openDirectoryTree(path), name: path })
  const second = await copyAll(source, again)
  t.match(second, { counts: { copied: 0, failed: 0 }, bytes: 0 })
  t.same(await namesOf(await readLayout(path)), await namesOf(source), 'what was there stays listed')
})

t.test('an archive has the same size whenever it is made, and gives the same back', async (t) => {
  const directory = t.testdir({ here: {}, there: {} })
  const here = openRegistry(`${directory}/here`)
  const { digest } = await pushFull(here, APP, 'v1')
  const archives = []
  for (const path of [`${directory}/1.tar`, `${directory}/2.tar`]) {
    const target = await ociTarget({ writer: await writeTar(path), name: path })
    t.match(await copyAll(storeSource(here, 'here'), target), { counts: { failed: 0 } })
    archives.push(readFileSync(path).length)
  }
  t.equal(archives[0], archives[1])
  const there = openRegistry(`${directory}/there`)
  await copyAll(await readLayout(`${directory}/1.tar`), storeTarget(there, 'there'))
  t.equal(there.store.tags.resolve(APP, 'v1' as Tag), digest)
})

/** A layout of one image under each of these names. */
function makeLayout(path: string, names: readonly Readonly<Record<string, string>>[]) {
  const config = Buffer.from('{}')
  const image = imageOf(partOf(config))
  mkdirSync(`${path}/blobs/sha256`, { recursive: true })
  for (const blob of [config, image]) writeFileSync(`${path}/${blobPath(digestOf(blob))}`, blob)
  const mediaType = 'application/vnd.oci.image.manifest.v1+json'
  const manifests = names.map((annotations) => ({ mediaType, ...partOf(image), annotations }))
  writeFileSync(`${path}/oci-layout`, '{"imageLayoutVersion":"1.0.0"}')
  writeFileSync(`${path}/index.json`, JSON.stringify({ schemaVersion: 2, manifests }))
  return { image, config, digest: digestOf(image) }
}

t.test('names are a tag, a full reference, or what containerd and hauler write', async (t) => {
  const path = t.testdir()
  const { digest } = makeLayout(path, [
    { [REF_NAME]: 'v1' },
    { [REF_NAME]: 'docker.io/library/busybox:1.36' },
    { [REF_NAME]: '1.37', 'io.containerd.image.name': 'quay.io/team/app:1.37' },
    { [REF_NAME]: 'library/alpine:3', kind: 'dev.hauler/image' },
    { [REF_NAME]: 'library/alpine:3', kind: 'dev.hauler/sigs' },
  ])
  const source = await readLayout(path)
  t.same(await namesOf(source), [
    ':v1',
    'library/alpine:3',
    `library/alpine:sha256-${digest.slice(7)}.sig`,
    'library/busybox:1.36',
    'team/app:1.37',
  ])
  t.match(await source.readManifest(undefined, { kind: 'tag', tag: 'v1' as Tag }), { digest })
})

t.test('a blob or a manifest with other bytes than its digest says is not taken', async (t) => {
  const directory = t.testdir({ layout: {}, there: {} })
  const path = `${directory}/layout`
  const { config, digest } = makeLayout(path, [{ [REF_NAME]: 'team/app:v1' }])
  writeFileSync(`${path}/${blobPath(digestOf(config))}`, '[]')
  const there = openRegistry(`${directory}/there`)
  t.match(await copyAll(await readLayout(path), storeTarget(there, 'there')), {
    images: [{ state: 'failed', why: digestOf(config) }],
  })
  writeFileSync(`${path}/${blobPath(digest)}`, '{"schemaVersion":2}')
  t.match(await copyAll(await readLayout(path), storeTarget(there, 'there')), {
    images: [{ state: 'failed', why: 'have another digest' }],
  })
  rmSync(`${path}/${blobPath(digest)}`)
  t.match(await copyAll(await readLayout(path), storeTarget(there, 'there')), {
    images: [{ state: 'failed', why: 'it is not in' }],
  })
  t.notOk(there.store.repositories.exists(APP))
})
