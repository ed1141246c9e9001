// What is measured: one image of eight layers under 1,200 tags, and large blobs. The same bytes go to every
// peer, by HTTP, as a client pushes them.
import { createHash, randomFillSync } from 'node:crypto'
import { open } from 'node:fs/promises'
import type { Client } from '../../helpers/client.ts'
import { addQuery, locationOf } from '../../helpers/client.ts'
import type { Peer } from './peers.ts'
import { openPeer } from './peers.ts'

export const REPOSITORY = 'bench/image'
export const MANIFEST_TYPE = 'application/vnd.oci.image.manifest.v1+json'
export const TAGS = 1200

export interface Image {
  /** Digest of the manifest. */
  readonly manifest: string
  /** Digest of one of its layers. */
  readonly layer: string
}

/** A file of random bytes to be pushed as a blob. */
export interface LargeFile {
  readonly path: string
  /** Bytes. */
  readonly size: number
  readonly digest: string
}

const LAYERS = 8
const LAYER_BYTES = 64 * 1024
const PIECE = 1024 * 1024
const AT_ONCE = 4

/** Makes the image and pushes it to all peers. */
export async function pushImage(peers: readonly Peer[]): Promise<Image> {
  const layers = Array.from({ length: LAYERS }, () => randomFillSync(Buffer.alloc(LAYER_BYTES)))
  const config = Buffer.from(JSON.stringify({ architecture: 'amd64', os: 'linux', rootfs: { type: 'layers' } }))
  const describe = (mediaType: string, bytes: Buffer) => ({ mediaType, digest: digestOf(bytes), size: bytes.length })
  const manifest = Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: MANIFEST_TYPE,
      config: describe('application/vnd.oci.image.config.v1+json', config),
      layers: layers.map((layer) => describe('application/vnd.oci.image.layer.v1.tar+gzip', layer)),
    }),
  )
  for (const peer of peers) {
    const client = openPeer(peer)
    try {
      for (const bytes of [config, ...layers]) await pushSmall(client, bytes)
      const tags = Array.from({ length: TAGS }, (_, index) => `v${index}`)
      const pushNext = async (): Promise<void> => {
        for (let tag = tags.pop(); tag !== undefined; tag = tags.pop()) await pushTag(client, tag, manifest)
      }
      await Promise.all(Array.from({ length: AT_ONCE }, pushNext))
    } finally {
      client.close()
    }
  }
  return { manifest: digestOf(manifest), layer: digestOf(layers[0] ?? config) }
}

/** Begins an upload; gives the URL that takes the whole blob with a PUT. */
export async function beginUpload(peer: Peer, digest: string): Promise<string> {
  const client = openPeer(peer)
  try {
    return `${peer.url}${await begin(client, digest)}`
  } finally {
    client.close()
  }
}

/** Writes a file of `size` random bytes, a multiple of 1 MiB; no two of its pieces are equal. */
export async function makeLargeFile(path: string, size: number): Promise<LargeFile> {
  const piece = randomFillSync(Buffer.alloc(PIECE))
  const hash = createHash('sha256')
  const handle = await open(path, 'w')
  try {
    for (let written = 0; written < size; written += PIECE) {
      piece.writeDoubleLE(written, 0)
      hash.update(piece)
      await handle.write(piece)
    }
  } finally {
    await handle.close()
  }
  return { path, size, digest: `sha256:${hash.digest('hex')}` }
}

async function begin(client: Client, digest: string): Promise<string> {
  const answer = await client.send('POST', `/v2/${REPOSITORY}/blobs/uploads/`)
  if (answer.status !== 202)
    throw new Error(`the begin of an upload was answered ${answer.status}: ${answer.body.toString()}`)
  return addQuery(locationOf(answer), { digest })
}

async function pushSmall(client: Client, bytes: Buffer): Promise<void> {
  const answer = await client.send('PUT', await begin(client, digestOf(bytes)), {
    headers: { 'content-type': 'application/octet-stream' },
    body: bytes,
  })
  if (answer.status !== 201)
    throw new Error(`the push of a blob was answered ${answer.status}: ${answer.body.toString()}`)
}

async function pushTag(client: Client, tag: string, manifest: Buffer): Promise<void> {
  const answer = await client.send('PUT', `/v2/${REPOSITORY}/manifests/${tag}`, {
    headers: { 'content-type': MANIFEST_TYPE },
    body: manifest,
  })
  if (answer.status !== 201)
    throw new Error(`the push of a manifest was answered ${answer.status}: ${answer.body.toString()}`)
}

function digestOf(bytes: Buffer): string {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`
}
