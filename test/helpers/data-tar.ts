// Tars for tests, written byte by byte, so that a test can put anything into them that a stranger could.
import { createHash } from 'node:crypto'
import type { Digest } from '../../src/oci/digest.ts'
import { digestOf } from '../../src/oci/digest.ts'

const BLOCK = 512
export const TAR_END = Buffer.alloc(2 * BLOCK)

export interface RawHeader {
  readonly name: string
  readonly size?: number | undefined
  /** The twelve bytes of the size field, in the place of `size`. */
  readonly sizeField?: Buffer
  readonly type?: string
  readonly link?: string
  readonly magic?: string
  readonly prefix?: string
  /** In the place of the right one. */
  readonly checksum?: number
}

/** One header block. */
export function rawHeader(facts: RawHeader): Buffer {
  const { name, size = 0, sizeField, type = '0', link = '', magic = 'ustar\x0000', prefix = '' } = facts
  const block = Buffer.alloc(BLOCK)
  block.write(name, 0, 100)
  block.write('0000644\0', 100)
  block.write('0000000\0', 108)
  block.write('0000000\0', 116)
  block.write(`${size.toString(8).padStart(11, '0')}\0`, 124)
  sizeField?.copy(block, 124)
  block.write('00000000000\0', 136)
  block.write('        ', 148)
  block.write(type, 156, 1, 'latin1')
  block.write(link, 157, 100)
  block.write(magic, 257, 'latin1')
  block.write(prefix, 345, 155)
  const sum = facts.checksum ?? block.reduce((total, byte) => total + byte, 0)
  block.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148)
  return block
}

/** Bytes filled up to whole blocks. */
export function filled(bytes: Uint8Array): Buffer {
  return Buffer.concat([bytes, Buffer.alloc((BLOCK - (bytes.byteLength % BLOCK)) % BLOCK)])
}

/** A header with its bytes; a long name is announced as GNU tar does. */
export function rawEntry(facts: RawHeader, bytes: Uint8Array | string = ''): Buffer {
  const content = Buffer.from(bytes as Uint8Array)
  const header = rawHeader({ size: content.byteLength, ...facts })
  const long =
    facts.name.length <= 100
      ? []
      : [
          rawHeader({ name: '././@LongLink', type: 'L', size: facts.name.length + 1 }),
          filled(Buffer.from(`${facts.name}\0`)),
        ]
  return Buffer.concat([...long, header, filled(content)])
}

/** A pax header with `records`, each `KEY=VALUE`. */
export function paxEntry(records: readonly string[], type = 'x'): Buffer {
  const text = records.map((record) => {
    // The length counts itself.
    let length = record.length + 3
    while (`${length} ${record}\n`.length !== length) length += 1
    return `${length} ${record}\n`
  })
  return rawEntry({ name: 'PaxHeaders/x', type }, text.join(''))
}

const V2 = 'docker/registry/v2'

export function blobPath(digest: string): string {
  const [algorithm = '', hex = ''] = digest.split(':')
  return `${V2}/blobs/${algorithm}/${hex.slice(0, 2)}/${hex}/data`
}

const slashed = (digest: string): string => digest.replace(':', '/')

export const layerPath = (repository: string, digest: string): string =>
  `${V2}/repositories/${repository}/_layers/${slashed(digest)}/link`
export const revisionPath = (repository: string, digest: string): string =>
  `${V2}/repositories/${repository}/_manifests/revisions/${slashed(digest)}/link`
export const tagPath = (repository: string, tag: string): string =>
  `${V2}/repositories/${repository}/_manifests/tags/${tag}/current/link`

export interface TestImage {
  readonly repository: string
  readonly tag: string
  readonly digest: Digest
  readonly manifest: Buffer
  readonly config: Buffer
  readonly layers: readonly Buffer[]
}

const OCI = 'application/vnd.oci.image'

/** An image whose bytes follow from `seed`. */
export function testImage(
  repository: string,
  tag: string,
  seed: string,
  sizes: readonly (number | Buffer)[] = [3000, 70_000],
): TestImage {
  const layers = sizes.map((size, at) => (typeof size === 'number' ? bytesOf(`${seed} layer ${at}`, size) : size))
  const config = Buffer.from(
    JSON.stringify({ architecture: 'amd64', os: 'linux', comment: seed, rootfs: { type: 'layers', diff_ids: [] } }),
  )
  const describe = (bytes: Buffer, type: string): object => ({
    mediaType: `${OCI}.${type}`,
    digest: digestOf(bytes),
    size: bytes.byteLength,
  })
  const manifest = Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: `${OCI}.manifest.v1+json`,
      config: describe(config, 'config.v1+json'),
      layers: layers.map((layer) => describe(layer, 'layer.v1.tar')),
    }),
  )
  return { repository, tag, digest: digestOf(manifest), manifest, config, layers }
}

/** Bytes that nobody else has, `size` of them. */
export function bytesOf(seed: string, size: number): Buffer {
  const parts: Buffer[] = []
  for (let at = 0; at * 32 < size; at++) parts.push(createHash('sha256').update(`${seed} ${at}`).digest())
  return Buffer.concat(parts).subarray(0, size)
}

/** The entries of an image as a data directory has them: blobs, links, tag. */
export function imageEntries(image: TestImage, root = 'data/'): Buffer[] {
  const { repository, tag, digest, manifest, config, layers } = image
  const blobs = [...layers, config, manifest].map((bytes) =>
    rawEntry({ name: `${root}${blobPath(digestOf(bytes))}` }, bytes),
  )
  const links = [...layers, config].map((bytes) =>
    rawEntry({ name: `${root}${layerPath(repository, digestOf(bytes))}` }, digestOf(bytes)),
  )
  return [
    ...blobs,
    ...links,
    rawEntry({ name: `${root}${revisionPath(repository, digest)}` }, digest),
    rawEntry({ name: `${root}${tagPath(repository, tag)}` }, digest),
  ]
}

/** A whole tar. */
export function tarOf(...entries: readonly Uint8Array[]): Buffer {
  return Buffer.concat([...entries, TAR_END])
}

/** In pieces of odd sizes, as a line brings them. */
export async function* inPieces(bytes: Uint8Array, size = 1000): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.byteLength; at += size) yield bytes.subarray(at, at + size)
}
