// Images that real clients unpack, byte for byte known, pushed over HTTP. Layers are gzipped tars of one file of random
// bytes, or plain random bytes where nobody unpacks them.
import { randomBytes } from 'node:crypto'
import { gzipSync } from 'node:zlib'
import type { Client } from '../../helpers/client.ts'
import { addQuery, locationOf } from '../../helpers/client.ts'
import type { Blob, StoredManifest } from '../helpers/image-fixture.ts'
import { digestOf } from '../helpers/image-fixture.ts'

export interface Image {
  readonly manifest: StoredManifest
  readonly config: Blob
  readonly layers: readonly Blob[]
}

/** An image for several platforms, in the order in which they were given. */
export interface Index {
  readonly manifest: StoredManifest
  readonly images: readonly Image[]
}

export interface Layer extends Blob {
  /** Digest of what a client unpacks. */
  readonly diffId: string
}

export const TYPES = {
  image: 'application/vnd.oci.image.manifest.v1+json',
  index: 'application/vnd.oci.image.index.v1+json',
  config: 'application/vnd.oci.image.config.v1+json',
  layer: 'application/vnd.oci.image.layer.v1.tar+gzip',
} as const

const BLOCK = 512

/** A layer with one file `name` of `size` random bytes; level 0 packs without trying, for large ones. */
export function makeLayer(name: string, size: number, level = 1): Layer {
  const content = randomBytes(size)
  const header = Buffer.alloc(BLOCK)
  header.write(name, 0)
  const octal = (value: number, at: number, width: number): void =>
    void header.write(`${value.toString(8).padStart(width - 1, '0')}\0`, at)
  octal(0o644, 100, 8)
  octal(0, 108, 8)
  octal(0, 116, 8)
  octal(size, 124, 12)
  octal(1, 136, 12)
  header.write('        ', 148)
  header.write('0', 156)
  header.write('ustar\0', 257)
  header.write('00', 263)
  octal(
    header.reduce((sum, byte) => sum + byte, 0),
    148,
    7,
  )
  const padding = Buffer.alloc((BLOCK - (size % BLOCK)) % BLOCK)
  const tar = Buffer.concat([header, content, padding, Buffer.alloc(2 * BLOCK)])
  // Random bytes do not shrink; a low level saves the time.
  const bytes = gzipSync(tar, { level })
  return { digest: digestOf(bytes), bytes, diffId: digestOf(tar) }
}

/** An image of these layers; a label makes it its own. */
export function makeImage(layers: readonly Layer[], architecture = 'amd64', more: object = {}): Image {
  const config = blobOf({
    created: '2026-01-01T00:00:00Z',
    architecture,
    os: 'linux',
    author: randomBytes(8).toString('hex'),
    config: { Cmd: ['/none'] },
    rootfs: { type: 'layers', diff_ids: layers.map(({ diffId }) => diffId) },
  })
  const bytes = Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: TYPES.image,
      config: { mediaType: TYPES.config, digest: config.digest, size: config.bytes.length },
      layers: layers.map((each) => ({ mediaType: TYPES.layer, digest: each.digest, size: each.bytes.length })),
      ...more,
    }),
  )
  return { manifest: { digest: digestOf(bytes), bytes, mediaType: TYPES.image }, config, layers }
}

/** An index of images by platform. */
export function makeIndex(images: Readonly<Record<string, Image>>): Index {
  const manifests = Object.entries(images).map(([architecture, { manifest }]) => ({
    mediaType: manifest.mediaType,
    digest: manifest.digest,
    size: manifest.bytes.length,
    platform: { architecture, os: 'linux' },
  }))
  const bytes = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: TYPES.index, manifests }))
  return { manifest: { digest: digestOf(bytes), bytes, mediaType: TYPES.index }, images: Object.values(images) }
}

export async function pushBlob(client: Client, repository: string, { digest, bytes }: Blob): Promise<void> {
  const begun = await client.send('POST', `/v2/${repository}/blobs/uploads/`)
  if (begun.status !== 202) throw new Error(`an upload to ${repository} was answered ${begun.status}`)
  const put = await client.send('PUT', addQuery(locationOf(begun), { digest }), {
    headers: { 'content-type': 'application/octet-stream' },
    body: bytes,
  })
  if (put.status !== 201) throw new Error(`the push of ${digest} was answered ${put.status}: ${put.body.toString()}`)
}

export async function putManifest(
  client: Client,
  repository: string,
  reference: string,
  { bytes, mediaType }: StoredManifest,
): Promise<void> {
  const put = await client.send('PUT', `/v2/${repository}/manifests/${reference}`, {
    headers: { 'content-type': mediaType },
    body: bytes,
  })
  if (put.status !== 201)
    throw new Error(`the push of ${repository}:${reference} was answered ${put.status}: ${put.body.toString()}`)
}

/** Pushes all of an image; under its digest when no tag is given. */
export async function pushImage(client: Client, repository: string, image: Image, tag?: string): Promise<void> {
  for (const blob of [image.config, ...image.layers]) await pushBlob(client, repository, blob)
  await putManifest(client, repository, tag ?? image.manifest.digest, image.manifest)
}

export async function pushIndex(client: Client, repository: string, index: Index, tag: string): Promise<void> {
  for (const image of index.images) await pushImage(client, repository, image)
  await putManifest(client, repository, tag, index.manifest)
}

function blobOf(value: object): Blob {
  const bytes = Buffer.from(JSON.stringify(value))
  return { digest: digestOf(bytes), bytes }
}
