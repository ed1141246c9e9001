import { readFileSync, writeFileSync } from 'node:fs'
import { gzipSync } from 'node:zlib'
import t from 'tap'
import { dockerSource } from '../../src/exchange/docker-source.ts'
import { dockerTarget } from '../../src/exchange/docker-target.ts'
import { openTree } from '../../src/exchange/open-tree.ts'
import { storeSource } from '../../src/exchange/store-source.ts'
import { storeTarget } from '../../src/exchange/store-target.ts'
import { writeTar } from '../../src/exchange/write-tar.ts'
import { digestOf, hexOf } from '../../src/oci/digest.ts'
import { readManifest } from '../../src/oci/manifest.ts'
import type { RepositoryName } from '../../src/oci/name.ts'
import type { Tag } from '../../src/oci/reference.ts'
import { copyAll, listSource, namesOf } from '../helpers/exchanged.ts'
import { APP, openRegistry, push, pushBlob } from '../helpers/images.ts'
import type { TarPart } from '../helpers/make-tar.ts'
import { makeTar } from '../helpers/make-tar.ts'
import { imageOf, indexOf, partOf } from '../helpers/plant.ts'

const LAYER = Buffer.from('a layer, as good as any')
const configOf = (...layers: readonly Buffer[]): Buffer =>
  Buffer.from(
    JSON.stringify({
      architecture: 'amd64',
      os: 'linux',
      rootfs: { type: 'layers', diff_ids: layers.map((each) => digestOf(each)) },
    }),
  )

interface Wish {
  readonly list?: unknown
  readonly config?: Buffer
  readonly layer?: Buffer
  readonly more?: readonly TarPart[]
}

function archive({ list, config = configOf(LAYER), layer = LAYER, more = [] }: Wish = {}): Buffer {
  const name = `${hexOf(digestOf(config))}.json`
  const image = { Config: name, RepoTags: ['docker.io/library/app:1', 'app:latest'], Layers: ['1/layer.tar'] }
  return makeTar([
    { name, bytes: config },
    { name: '1/layer.tar', bytes: layer },
    ...more,
    { name: 'manifest.json', bytes: JSON.stringify(list ?? [image]) },
  ])
}

t.test('an archive becomes images whose layers have the digests that their config names', async (t) => {
  const directory = t.testdir({ 'a.tar': archive(), there: {} })
  const source = await dockerSource(await openTree(`${directory}/a.tar`), 'a')
  t.same(await namesOf(source), ['app:latest', 'library/app:1'])
  const there = openRegistry(`${directory}/there`)
  t.match(await copyAll(source, storeTarget(there, 'there')), { counts: { failed: 0 } })
  const name = 'library/app' as RepositoryName
  const digest = there.store.tags.resolve(name, '1' as Tag)
  const stored = digest && (await there.store.manifests.load(digest, digest))
  t.match(stored?.manifest, {
    config: { digest: digestOf(configOf(LAYER)), mediaType: 'application/vnd.oci.image.config.v1+json' },
    layers: [{ digest: digestOf(LAYER), mediaType: 'application/vnd.oci.image.layer.v1.tar' }],
  })
})

t.test('a layer may be another name of a file, and compressed', async (t) => {
  const packed = gzipSync(LAYER)
  const config = configOf(LAYER, LAYER)
  const name = `${hexOf(digestOf(config))}.json`
  const list = [{ Config: name, RepoTags: null, Layers: ['1/layer.tar', '2/layer.tar'] }]
  const more = [{ name: '2/layer.tar', type: '2', link: '../1/layer.tar' }]
  const directory = t.testdir({ 'a.tar': archive({ list, config, layer: packed, more }) })
  const source = await dockerSource(await openTree(`${directory}/a.tar`), 'a')
  const [{ digest } = { digest: digestOf(config) }] = await listSource(source)
  const manifest = await source.readManifest(undefined, { kind: 'digest', digest })
  t.match(readManifest(manifest?.bytes ?? new Uint8Array()).layers, [
    { digest: digestOf(packed), mediaType: 'application/vnd.oci.image.layer.v1.tar+gzip' },
    { digest: digestOf(packed) },
  ])
})

t.test('what contradicts itself is refused with the file and the reason', async (t) => {
  const config = configOf(LAYER)
  const name = `${hexOf(digestOf(config))}.json`
  const image = { Config: name, RepoTags: ['app:1'], Layers: ['1/layer.tar'] }
  const cases: readonly (readonly [Buffer, RegExp])[] = [
    [archive({ list: {} }), /is no list of images/],
    [archive({ list: [{}] }), /without a config or without layers/],
    [archive({ list: [{ ...image, RepoTags: [7] }] }), /RepoTags are no list/],
    [archive({ list: [{ ...image, RepoTags: ['../../etc:x'] }] }), /is no name of an image/],
    [archive({ list: [{ ...image, Config: '../../../etc/passwd' }] }), /etc\/passwd" is not in it/],
    [archive({ list: [{ ...image, Layers: [] }] }), /names 1 layers, manifest.json 0/],
    [archive({ list: [{ ...image, Layers: ['/etc/passwd'] }] }), /"" is not in it/],
    [
      archive({
        list: [{ ...image, Config: `${'0'.repeat(64)}.json` }],
        more: [{ name: `${'0'.repeat(64)}.json`, bytes: config }],
      }),
      /have another digest/,
    ],
    [archive({ layer: gzipSync(Buffer.from('another layer')) }), /does not unpack to sha256:/],
    [makeTar([{ name: 'manifest.json', bytes: '[' }]), /is not JSON/],
    [makeTar([{ name: 'repositories', bytes: '{}' }]), /manifest.json is not in it/],
  ]
  for (const [bytes, why] of cases) {
    const directory = t.testdir({ 'a.tar': bytes })
    await t.rejects(dockerSource(await openTree(`${directory}/a.tar`), 'a'), { message: why }, String(why))
  }
})

t.test('a layer that is not what the config says fails as it is copied', async (t) => {
  const directory = t.testdir({ 'a.tar': archive({ layer: Buffer.from('A layer, as good as any') }), there: {} })
  const source = await dockerSource(await openTree(`${directory}/a.tar`), 'a')
  const report = await copyAll(source, storeTarget(openRegistry(`${directory}/there`), 'there'))
  t.match(report, { counts: { failed: 2, copied: 0 }, images: [{ why: digestOf(LAYER) }] })
})

t.test('an archive that is written reads back with the same config and uncompressed layers', async (t) => {
  const directory = t.testdir({ here: {} })
  const here = openRegistry(`${directory}/here`)
  const [config, packed] = [configOf(LAYER), gzipSync(LAYER)]
  for (const blob of [config, packed]) await pushBlob(here, APP, blob)
  const image = imageOf(partOf(config), [
    { ...partOf(packed), mediaType: 'application/vnd.oci.image.layer.v1.tar+gzip' },
  ])
  await push(here, APP, image)
  const platform = { os: 'linux', architecture: 'amd64' }
  await push(here, APP, indexOf([{ ...partOf(image), platform } as never]), 'v1')

  const path = `${directory}/out.tar`
  const target = dockerTarget(await writeTar(path), path)
  const source = storeSource(here, 'here')
  t.match(await copyAll(source, target, { referrers: false }), { counts: { failed: 0, copied: 1 } })
  const back = await dockerSource(await openTree(path), path)
  t.same(await namesOf(back), [`${APP}:v1`])
  const made = await back.readManifest(APP, { kind: 'tag', tag: 'v1' as Tag })
  t.match(readManifest(made?.bytes ?? new Uint8Array()), {
    config: { digest: digestOf(config) },
    layers: [{ digest: digestOf(LAYER), size: LAYER.length }],
  })
})

t.test('an archive that is there is not written over, and one that is not ended is not there', async (t) => {
  const directory = t.testdir({ 'a.tar': 'mine' })
  await t.rejects(writeTar(`${directory}/a.tar`), { message: /is there already/ })
  const writer = await writeTar(`${directory}/b.tar`)
  await writer.write('x', Buffer.from('x'))
  t.throws(() => readFileSync(`${directory}/b.tar`))
  await writer.discard()
  writeFileSync(`${directory}/b.tar`, 'free')
})
