// Archives of strangers in every format that `tarn import` reads.
import { gzipSync, zstdCompressSync } from 'node:zlib'
import { digestOf, hexOf } from '../../src/oci/digest.ts'
import type { TarPart } from './make-tar.ts'
import { makeTar, paxRecord } from './make-tar.ts'
import { imageOf, indexOf, partOf } from './plant.ts'

export const LAYER = Buffer.from('a layer')
export const CONFIG = Buffer.from(JSON.stringify({ rootfs: { type: 'layers', diff_ids: [digestOf(LAYER)] } }))
export const IMAGE = imageOf(partOf(CONFIG), [partOf(LAYER)])
const REF = 'org.opencontainers.image.ref.name'

const blob = (bytes: Buffer, content: Buffer | string = bytes): TarPart => ({
  name: `blobs/sha256/${hexOf(digestOf(bytes))}`,
  bytes: content,
})
export const entry = (bytes: Buffer, name = 'evil/app:1', more: object = {}) => ({
  mediaType: 'application/vnd.oci.image.manifest.v1+json',
  ...partOf(bytes),
  annotations: { [REF]: name },
  ...more,
})
export const index = (...manifests: readonly unknown[]): TarPart => ({
  name: 'index.json',
  bytes: JSON.stringify({ schemaVersion: 2, manifests }),
})
export const layout = (...parts: readonly (TarPart | Buffer)[]): Buffer =>
  makeTar([{ name: 'oci-layout', bytes: '{}' }, ...parts])
export const GOOD: readonly TarPart[] = [blob(CONFIG), blob(LAYER), blob(IMAGE), index(entry(IMAGE))]
const pax = (key: string, value: string): TarPart => ({ name: 'pax', type: 'x', bytes: paxRecord(key, value) })
export const docker = (list: unknown, ...more: readonly TarPart[]): Buffer =>
  makeTar([
    { name: `${hexOf(digestOf(CONFIG))}.json`, bytes: CONFIG },
    { name: 'l.tar', bytes: LAYER },
    ...more,
    { name: 'manifest.json', bytes: typeof list === 'string' ? list : JSON.stringify(list) },
  ])
export const listed = { Config: `${hexOf(digestOf(CONFIG))}.json`, RepoTags: ['evil/app:1'], Layers: ['l.tar'] }

export function nested(depth: number): Buffer {
  const parts: TarPart[] = GOOD.slice(0, 3)
  let inner = IMAGE
  for (let level = 0; level < depth; level++) {
    inner = indexOf([partOf(inner)])
    parts.push(blob(inner))
  }
  return layout(...parts, index(entry(inner)))
}

/** An image of two layers that are too large to be looked at first, of which one is wrong. */
function largeAndWrong(): Buffer {
  const layers = [5_000_000, 6_000_000].map((size) => Buffer.alloc(size, `${size} `))
  const [right = LAYER, wrong = LAYER] = layers
  const image = imageOf(partOf(CONFIG), layers.map(partOf))
  const other = Buffer.from(wrong)
  other[5_500_000] = 0
  return layout(blob(CONFIG), blob(right), blob(wrong, other), blob(image), index(entry(image)))
}

/** Kind, archive, and what is said of it; without a sentence each image of it must fail. */
export const HOSTILE_EXCHANGE: Readonly<Record<string, readonly [string, Buffer, RegExp?]>> = {
  'nothing at all': ['oci-archive', Buffer.alloc(0), /is no tar/],
  'one block of zeros': ['oci-archive', Buffer.alloc(512), /is no tar/],
  text: ['docker-archive', Buffer.from('hello'.repeat(200)), /is no tar/],
  'a name that climbs': ['oci-archive', layout(...GOOD, { name: '../../../etc/cron.d/x', bytes: 'x' }), /lies outside/],
  'a name that climbs in the middle': [
    'oci-archive',
    layout(...GOOD, { name: 'blobs/../../x', bytes: 'x' }),
    /lies outside/,
  ],
  'an absolute name': ['oci-archive', layout(...GOOD, { name: '/etc/passwd', bytes: 'x' }), /lies outside/],
  'a pax name that climbs': ['oci-archive', layout(...GOOD, pax('path', '../x'), { name: 'x' }), /lies outside/],
  'a GNU name that climbs': [
    'oci-archive',
    layout(...GOOD, { name: 'L', type: 'L', bytes: '../../x\0' }, { name: 'x' }),
    /lies outside/,
  ],
  'a name twice': ['oci-archive', layout(...GOOD, index()), /has "index.json" twice/],
  'a name twice, once with a dot': ['oci-archive', layout(...GOOD, { ...index(), name: './index.json' }), /twice/],
  'a link and a file of one name': [
    'oci-archive',
    layout({ name: 'index.json', type: '2', link: '/etc/passwd' }, ...GOOD),
    /twice/,
  ],
  'a wrong checksum': [
    'oci-archive',
    layout({ name: 'x', checksum: '0000000\0' }, ...GOOD),
    /checksum of its header is wrong/,
  ],
  'a size that is no number': ['oci-archive', layout({ name: 'x', size: 'abc' }, ...GOOD), /no number/],
  'a size past the end': ['oci-archive', layout(...GOOD, { name: 'x', size: 9_999_999 }), /cut short/],
  'a pax size past the end': ['oci-archive', layout(...GOOD, pax('size', '99999999999'), { name: 'x' }), /cut short/],
  'a pax size that is no number': ['oci-archive', layout(...GOOD, pax('size', '-1'), { name: 'x' }), /no number/],
  'a sparse file': ['oci-archive', layout(...GOOD, pax('GNU.sparse.size', '1'), { name: 'x' }), /sparse/],
  'an old sparse file': ['oci-archive', layout(...GOOD, { name: 'x', type: 'S' }), /sparse/],
  'a kind from nowhere': ['oci-archive', layout(...GOOD, { name: 'x', type: '!' }), /kind that is not known/],
  'a header for all that follows': [
    'oci-archive',
    layout({ name: 'g', type: 'g', bytes: paxRecord('size', '1') }, ...GOOD),
    /would change all entries after it/,
  ],
  'torn pax records': ['oci-archive', layout({ name: 'p', type: 'x', bytes: '7 a=b' }, ...GOOD), /torn/],
  'a name of a megabyte': [
    'oci-archive',
    layout({ name: 'L', type: 'L', bytes: 'a'.repeat(1_000_000) }, ...GOOD),
    /1000000 bytes/,
  ],
  'directories without number': [
    'oci-archive',
    gzipSync(
      layout(
        ...Array.from({ length: 300 }, (_, at) => [pax('path', `${at}${'/a'.repeat(2000)}`), { name: 'x' }]).flat(),
      ),
    ),
    /more directories than can be true/,
  ],
  'no end': ['oci-archive', layout(...GOOD).subarray(0, -1024), /end of the archive is missing/],
  'a second archive behind the first': [
    'oci-archive',
    Buffer.concat([layout(...GOOD), layout(...GOOD)]),
    /follows the end/,
  ],
  'a gzip bomb': ['oci-archive', gzipSync(Buffer.alloc(200_000_000)), /200 times/],
  'a zstd bomb': ['hauler', zstdCompressSync(Buffer.alloc(200_000_000)), /200 times/],
  'gzip that is cut short': ['docker-archive', gzipSync(layout(...GOOD)).subarray(0, 200), /damaged or cut short/],
  'no index': ['oci-archive', layout(...GOOD.slice(0, 3)), /index.json is not in it/],
  'an index that is no JSON': ['oci-archive', layout({ name: 'index.json', bytes: '{' }), /is no index/],
  'an index that is a list': ['oci-archive', layout({ name: 'index.json', bytes: '[]' }), /is no index/],
  'an index that is an image': ['oci-archive', layout({ name: 'index.json', bytes: IMAGE }), /is no index/],
  'an index of nothing': ['oci-archive', layout(index()), /has no images/],
  'an index that is nested without end': [
    'oci-archive',
    layout({ name: 'index.json', bytes: '['.repeat(100_000) }),
    /is no index/,
  ],
  'an index of 100 megabytes': [
    'oci-archive',
    layout({ name: 'index.json', bytes: Buffer.alloc(100_000_000, 0x20) }),
    /is the most/,
  ],
  'an index that is a link out': [
    'oci-archive',
    layout({ name: 'index.json', type: '2', link: '../../../../etc/passwd' }),
    /is not in it/,
  ],
  'an index that is a link to itself': [
    'oci-archive',
    layout({ name: 'index.json', type: '2', link: 'index.json' }),
    /is not in it/,
  ],
  'a blob that is a link out': [
    'oci-archive',
    layout(blob(LAYER), blob(IMAGE), { ...blob(CONFIG, ''), type: '2', link: '/etc/passwd' }, index(entry(IMAGE))),
  ],
  'a blob that is a hard link out': [
    'oci-archive',
    layout(blob(LAYER), blob(IMAGE), { ...blob(CONFIG, ''), type: '1', link: '../../etc/passwd' }, index(entry(IMAGE))),
  ],
  'a blob that is a device': [
    'oci-archive',
    layout(blob(LAYER), blob(IMAGE), { ...blob(CONFIG, ''), type: '3' }, index(entry(IMAGE))),
  ],
  'a manifest with other bytes': [
    'oci-archive',
    layout(blob(CONFIG), blob(LAYER), blob(IMAGE, CONFIG), index(entry(IMAGE))),
  ],
  'a manifest that is missing': ['oci-archive', layout(blob(CONFIG), blob(LAYER), index(entry(IMAGE)))],
  'a config with other bytes': [
    'oci-archive',
    layout(blob(CONFIG, 'x'.repeat(CONFIG.length)), blob(LAYER), blob(IMAGE), index(entry(IMAGE))),
  ],
  'a layer that is longer than it says': [
    'oci-archive',
    layout(blob(CONFIG), blob(LAYER, 'a layer and more'), blob(IMAGE), index(entry(IMAGE))),
  ],
  'a layer that is shorter than it says': [
    'oci-archive',
    layout(blob(CONFIG), blob(LAYER, 'a'), blob(IMAGE), index(entry(IMAGE))),
  ],
  'a large layer with other bytes': ['oci-archive', largeAndWrong()],
  'a layer that is missing': ['oci-archive', layout(blob(CONFIG), blob(IMAGE), index(entry(IMAGE)))],
  'a layer of a size that is none': [
    'oci-archive',
    layout(
      ...GOOD.slice(0, 2),
      blob(Buffer.from(IMAGE.toString().replace('"size":7', '"size":-7'))),
      index(entry(Buffer.from(IMAGE.toString().replace('"size":7', '"size":-7')))),
    ),
  ],
  'an image that is an archive of docker': ['oci-archive', layout(blob(CONFIG), index(entry(CONFIG)))],
  'an index whose children are not there': [
    'oci-archive',
    layout(blob(indexOf([partOf(IMAGE)])), index(entry(indexOf([partOf(IMAGE)])))),
  ],
  'a tag that climbs': [
    'oci-archive',
    layout(...GOOD.slice(0, 3), index(entry(IMAGE, '../../../x:1'))),
    /does not say the repository/,
  ],
  'a name of a terminal': [
    'oci-archive',
    layout(...GOOD.slice(0, 3), index(entry(IMAGE, 'a\u001b[2Jb'))),
    /does not say the repository/,
  ],
  'a name of 10,000 letters': [
    'oci-archive',
    layout(...GOOD.slice(0, 3), index(entry(IMAGE, 'a'.repeat(10_000)))),
    /does not say the repository/,
  ],
  'a list that is no list': ['docker-archive', docker({}), /no list of images/],
  'a list that is no JSON': ['docker-archive', docker('[{'), /not JSON/],
  'a list of nothing': ['docker-archive', docker([]), /has no images/],
  'a list of 20,000 images': [
    'docker-archive',
    docker(Array.from({ length: 20_000 }, () => listed)),
    /10000 are the most/,
  ],
  'an image of 5,000 layers': [
    'docker-archive',
    docker([{ ...listed, Layers: Array.from({ length: 5000 }, () => 'l.tar') }]),
    /5000 layers/,
  ],
  'a thousand images of a hundred layers and one more': [
    'docker-archive',
    docker([
      ...Array.from({ length: 1000 }, () => ({ ...listed, Layers: Array.from({ length: 100 }, () => 'l.tar') })),
      listed,
    ]),
    /more than 100000 layers/,
  ],
  'an image without a config': ['docker-archive', docker([{ ...listed, Config: undefined }]), /without a config/],
  'a config that climbs': ['docker-archive', docker([{ ...listed, Config: '../../../etc/passwd' }]), /is not in it/],
  'a layer that climbs': ['docker-archive', docker([{ ...listed, Layers: ['../../../etc/passwd'] }]), /is not in it/],
  'a layer that is a directory': ['docker-archive', docker([{ ...listed, Layers: ['.'] }]), /is not in it/],
  'layers that the config does not name': [
    'docker-archive',
    docker([{ ...listed, Layers: ['l.tar', 'l.tar'] }]),
    /names 1 layers/,
  ],
  'a layer with other bytes': [
    'docker-archive',
    makeTar([
      { name: listed.Config, bytes: CONFIG },
      { name: 'l.tar', bytes: 'A LAYER' },
      { name: 'manifest.json', bytes: JSON.stringify([listed]) },
    ]),
  ],
  'a compressed layer with other bytes': [
    'docker-archive',
    makeTar([
      { name: listed.Config, bytes: CONFIG },
      { name: 'l.tar', bytes: gzipSync('x') },
      { name: 'manifest.json', bytes: JSON.stringify([listed]) },
    ]),
    /does not unpack to/,
  ],
  'a compressed layer that is a bomb': [
    'docker-archive',
    makeTar([
      { name: listed.Config, bytes: CONFIG },
      { name: 'l.tar', bytes: gzipSync(Buffer.alloc(100_000_000)) },
      { name: 'manifest.json', bytes: JSON.stringify([listed]) },
    ]),
    /times its size|does not unpack/,
  ],
  'a name that climbs in RepoTags': [
    'docker-archive',
    docker([{ ...listed, RepoTags: ['../../x:1'] }]),
    /no name of an image/,
  ],
  'a config of 10 megabytes': [
    'docker-archive',
    makeTar([
      { name: 'c', bytes: Buffer.alloc(10_000_000, 0x20) },
      { name: 'manifest.json', bytes: JSON.stringify([{ ...listed, Config: 'c' }]) },
    ]),
    /is the most/,
  ],
  'a tree without repositories': [
    'oc-mirror',
    makeTar([{ name: 'docker/registry/v2/blobs/x', bytes: 'x' }]),
    /has no images of a registry/,
  ],
  'a link of a tag that is no digest': [
    'oc-mirror',
    makeTar([
      { name: 'docker/registry/v2/repositories/evil/_manifests/tags/1/current/link', bytes: '../../../etc/passwd' },
    ]),
    /has no images/,
  ],
  'a link of a tag of a megabyte': [
    'oc-mirror',
    makeTar([
      {
        name: 'docker/registry/v2/repositories/evil/_manifests/tags/1/current/link',
        bytes: Buffer.alloc(1_000_000, 0x61),
      },
    ]),
    /is the most/,
  ],
  'a directory of something else': [
    'dir',
    makeTar([{ name: 'v2/evil/manifests/1', bytes: 'x' }]),
    /no directory that oc wrote/,
  ],
  'a tag that is a link out': [
    'dir',
    makeTar([
      { name: 'v2/evil/manifests/1', type: '2', link: '../../../../etc/passwd' },
      { name: 'v2/evil/blobs/x', bytes: 'x' },
    ]),
    /has no images/,
  ],
  'a tag with the bytes of nothing': [
    'dir',
    makeTar([
      { name: 'v2/evil/manifests/1', bytes: 'no manifest' },
      { name: 'v2/evil/blobs/x', bytes: 'x' },
    ]),
  ],
}
