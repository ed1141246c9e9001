// Many images at once in the data directory of a registry:2 that does not run yet: as fast as the disk writes them. Layers
// are gzip of random bytes, so that clients take them as they are; of all layers of an image a share is common to many.
import { createHash, randomBytes } from 'node:crypto'
import { mkdir, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { TYPES } from '../mirror/images.ts'

export interface PlantPlan {
  /** Of the registry. */
  readonly data: string
  readonly images: number
  readonly repositories: number
  /** Bytes of all blobs, each once, about. */
  readonly bytes: number
  readonly layers?: number
  /** 0 to 1: of the layers of each image that many others have too. */
  readonly shared?: number
  /** What names of repositories begin with. */
  readonly prefix?: string
}

export interface PlantedImage {
  readonly repository: string
  readonly tag: string
  readonly digest: string
  /** Of the manifest. */
  readonly size: number
  readonly layers: readonly string[]
}

export interface Planted {
  readonly images: readonly PlantedImage[]
  /** Of all blobs that are no manifests, each once. */
  readonly bytes: number
  readonly blobs: number
}

const OCI = { manifest: TYPES.image, config: TYPES.config, layer: TYPES.layer } as const
// So many images share their layers.
const OF_ONE_BASE = 20

export async function plantImages(plan: PlantPlan): Promise<Planted> {
  const { images: count, repositories, layers = 5, shared = 0.6, prefix = 'team' } = plan
  const common = Math.round(layers * shared)
  const bases = Math.max(1, Math.ceil(count / OF_ONE_BASE))
  const size = Math.floor(plan.bytes / (bases * common + count * (layers - common)))
  const planter = new Planter(plan.data)
  const baseLayers: PlantedLayer[][] = []
  for (let base = 0; base < bases; base += 1) {
    const list: PlantedLayer[] = []
    for (let at = 0; at < common; at += 1) list.push(await planter.layer(size))
    baseLayers.push(list)
  }
  const images: PlantedImage[] = []
  for (let at = 0; at < count; at += 1) {
    const repository = `${prefix}/app${at % repositories}`
    const own: PlantedLayer[] = []
    for (let each = common; each < layers; each += 1) own.push(await planter.layer(size))
    const all = [...(baseLayers[at % bases] ?? []), ...own]
    images.push(await planter.image(repository, `v1.0.${Math.floor(at / repositories)}`, all))
  }
  return { images, bytes: planter.bytes, blobs: planter.blobs }
}

interface PlantedLayer {
  readonly digest: string
  readonly size: number
  readonly diffId: string
}

/** Writes blobs, manifests and tags as distribution lays them out. */
export class Planter {
  readonly #root: string
  bytes = 0
  blobs = 0

  constructor(data: string) {
    this.#root = join(data, 'docker', 'registry', 'v2')
  }

  async layer(size: number): Promise<PlantedLayer> {
    const content = randomBytes(size)
    const bytes = gzipSync(content, { level: 0 })
    return { digest: await this.blob(bytes), size: bytes.length, diffId: digestOf(content) }
  }

  async image(
    repository: string,
    tag: string | undefined,
    layers: readonly PlantedLayer[],
    more: object = {},
    types: { readonly manifest: string; readonly config: string; readonly layer: string } = OCI,
  ): Promise<PlantedImage> {
    const config = Buffer.from(
      JSON.stringify({
        created: '2026-01-01T00:00:00Z',
        architecture: 'amd64',
        os: 'linux',
        author: randomBytes(8).toString('hex'),
        rootfs: { type: 'layers', diff_ids: layers.map(({ diffId }) => diffId) },
      }),
    )
    const described = [{ digest: await this.blob(config), size: config.length }, ...layers]
    for (const { digest } of described)
      await this.#link(`repositories/${repository}/_layers/${pathOf(digest)}/link`, digest)
    const [of, ...rest] = described.map(({ digest, size }, at) => ({
      mediaType: at === 0 ? types.config : types.layer,
      digest,
      size,
    }))
    const document = { schemaVersion: 2, mediaType: types.manifest, config: of, layers: rest, ...more }
    const digest = await this.manifest(repository, document, tag)
    const size = Buffer.byteLength(JSON.stringify(document))
    return { repository, tag: tag ?? '', digest, size, layers: layers.map((each) => each.digest) }
  }

  async manifest(repository: string, document: object, tag?: string): Promise<string> {
    const bytes = Buffer.from(JSON.stringify(document))
    const digest = digestOf(bytes)
    await this.#write(`blobs/${blobPathOf(digest)}/data`, bytes)
    await this.#link(`repositories/${repository}/_manifests/revisions/${pathOf(digest)}/link`, digest)
    if (tag !== undefined) {
      await this.#link(`repositories/${repository}/_manifests/tags/${tag}/index/${pathOf(digest)}/link`, digest)
      await this.#link(`repositories/${repository}/_manifests/tags/${tag}/current/link`, digest)
    }
    return digest
  }

  async blob(bytes: Buffer): Promise<string> {
    const digest = digestOf(bytes)
    await this.#write(`blobs/${blobPathOf(digest)}/data`, bytes)
    this.bytes += bytes.length
    this.blobs += 1
    return digest
  }

  async #link(path: string, digest: string): Promise<void> {
    await this.#write(path, Buffer.from(digest))
  }

  async #write(path: string, bytes: Uint8Array): Promise<void> {
    const whole = join(this.#root, path)
    await mkdir(dirname(whole), { recursive: true })
    await writeFile(whole, bytes)
  }
}

function digestOf(bytes: Uint8Array): string {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`
}

function pathOf(digest: string): string {
  return digest.replace(':', '/')
}

function blobPathOf(digest: string): string {
  return `sha256/${digest.slice(7, 9)}/${digest.slice(7)}`
}
