// Docker's archives as a place to put images into: what `docker load`, `podman load` and skopeo's docker-archive: read. They
// hold one platform of an image, its layers uncompressed, and nothing that refers to it.
import { createHash } from 'node:crypto'
import type { Hash } from 'node:crypto'
import type { Duplex } from 'node:stream'
import { Readable } from 'node:stream'
import { createGunzip, createZstdDecompress } from 'node:zlib'
import type { Digest } from '../oci/digest.ts'
import { hexOf } from '../oci/digest.ts'
import { readManifest } from '../oci/manifest.ts'
import type { Manifest } from '../oci/manifest.ts'
import { DOCKER_CONFIG, OCI_CONFIG } from '../oci/media-type.ts'
import type { RepositoryName } from '../oci/name.ts'
import type { Tag } from '../oci/reference.ts'
import type { ImageManifest } from './image-source.ts'
import type { ImageTarget } from './image-target.ts'
import type { TreeWriter } from './tree-writer.ts'
import { UnusableImage } from './read-closure.ts'

const LARGEST_CONFIG = 8 * 1024 * 1024
const CONFIGS: ReadonlySet<string> = new Set([OCI_CONFIG, DOCKER_CONFIG])

/** Closing it writes the list of images. Images without a tag are in it without a name. */
export function dockerTarget(writer: TreeWriter, name: string): ImageTarget {
  /** Of layers, what they unpack to. */
  const diffIds = new Map<Digest, string>()
  const configs = new Map<Digest, Buffer>()
  const puts = new Map<Digest, Manifest>()
  const tags = new Map<string, Digest>()
  return {
    name,
    hasBlob: async (_repository, { digest }) => diffIds.has(digest) || configs.has(digest),
    async putBlob(_repository, { digest, mediaType, size }, open) {
      const bytes = await open()
      try {
        if (CONFIGS.has(mediaType) && size <= LARGEST_CONFIG) configs.set(digest, await gather(bytes))
        else {
          const hash = createHash('sha256')
          await writer.write(layerPath(digest), unpacked(bytes, hash))
          diffIds.set(digest, `sha256:${hash.digest('hex')}`)
        }
      } finally {
        bytes.destroy()
      }
      return 'sent'
    },
    hasManifest: async (_repository, digest) => puts.has(digest),
    async putManifest(repository, manifest, tag) {
      const parsed = readManifest(manifest.bytes)
      if (parsed.kind === 'image') checkImage(parsed, configs, diffIds)
      puts.set(manifest.digest, parsed)
      if (tag !== undefined) tags.set(`${repository}:${tag}`, chooseImage(manifest, parsed, puts))
    },
    readTag: async (repository: RepositoryName, tag: Tag) => tags.get(`${repository}:${tag}`),
    async close() {
      const list = listImages(puts, tags)
      for (const { config } of list) await writer.write(configPath(config), configs.get(config) ?? Buffer.alloc(0))
      const text = list.map(({ config, layers, names }) => ({
        Config: configPath(config),
        RepoTags: names.length === 0 ? null : names,
        Layers: layers.map(layerPath),
      }))
      await writer.write('manifest.json', Buffer.from(JSON.stringify(text)))
      await writer.close()
    },
    discard: () => writer.discard(),
  }
}

function configPath(digest: Digest): string {
  return `${hexOf(digest)}.json`
}

function layerPath(digest: Digest): string {
  return `${hexOf(digest).slice(0, 64)}.tar`
}

async function gather(bytes: Readable): Promise<Buffer> {
  const pieces: Buffer[] = []
  for await (const piece of bytes) pieces.push(piece as Buffer)
  return Buffer.concat(pieces)
}

/** What a layer is by its first bytes: its media type may say something else, and readers go by the bytes. */
function unpacked(bytes: Readable, hash: Hash): Readable {
  const open = async function* (): AsyncGenerator<Uint8Array> {
    const chunks = (bytes as AsyncIterable<Buffer>)[Symbol.asyncIterator]()
    const first = await chunks.next()
    if (first.done === true) return
    const rest = Readable.from(rejoin(first.value, chunks), { objectMode: false })
    const through = decompressor(first.value)
    yield* count(through === undefined ? rest : rest.compose(through), hash)
  }
  return Readable.from(open(), { objectMode: false, highWaterMark: 512 * 1024 })
}

function decompressor(first: Buffer): Duplex | undefined {
  if (first.length >= 2 && first.readUInt16BE(0) === 0x1f8b) return createGunzip()
  return first.length >= 4 && first.readUInt32BE(0) === 0x28b52ffd ? createZstdDecompress() : undefined
}

async function* rejoin(first: Buffer, rest: AsyncIterator<Buffer>): AsyncGenerator<Buffer> {
  yield first
  for (let next = await rest.next(); next.done !== true; next = await rest.next()) yield next.value
}

async function* count(source: AsyncIterable<Uint8Array>, hash: Hash): AsyncGenerator<Uint8Array> {
  for await (const chunk of source) {
    hash.update(chunk)
    yield chunk
  }
}

/** Docker and podman look for the layers by what the config says of them. */
function checkImage(
  { config, layers }: Manifest,
  configs: ReadonlyMap<Digest, Buffer>,
  diffIds: ReadonlyMap<Digest, string>,
): void {
  const bytes = config && configs.get(config.digest)
  if (bytes === undefined) throw new UnusableImage('it is no image of a container: an archive of docker cannot hold it')
  let said: unknown
  try {
    said = (JSON.parse(bytes.toString('utf8')) as { rootfs?: { diff_ids?: unknown } }).rootfs?.diff_ids
  } catch {
    said = undefined
  }
  const real = layers.map(({ digest }) => diffIds.get(digest))
  if (JSON.stringify(said ?? []) !== JSON.stringify(real))
    throw new UnusableImage('its layers are not those that its config names: an archive of docker cannot hold it')
}

function chooseImage(
  { digest }: ImageManifest,
  { kind, manifests }: Manifest,
  puts: ReadonlyMap<Digest, Manifest>,
): Digest {
  if (kind !== 'index') return digest
  const here = manifests.filter((child) => puts.get(child.digest)?.kind === 'image')
  const [only, ...others] = here
  if (only !== undefined && others.length === 0) return only.digest
  throw new UnusableImage('it is for several platforms, and an archive of docker holds one: choose it with --platform')
}

interface Listed {
  readonly config: Digest
  readonly layers: readonly Digest[]
  readonly names: readonly string[]
}

function listImages(puts: ReadonlyMap<Digest, Manifest>, tags: ReadonlyMap<string, Digest>): readonly Listed[] {
  const listed: Listed[] = []
  for (const [digest, { kind, config, layers }] of puts) {
    if (kind !== 'image' || config === undefined) continue
    const names = [...tags].flatMap(([name, to]) => (to === digest ? [name] : [])).toSorted()
    listed.push({ config: config.digest, layers: layers.map((layer) => layer.digest), names })
  }
  // Images end up here in the order in which they were ready.
  const keyOf = ({ names, config }: Listed): string => `${names[0] ?? '\uffff'} ${config}`
  return listed.toSorted((a, b) => (keyOf(a) < keyOf(b) ? -1 : 1))
}
