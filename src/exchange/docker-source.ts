// Docker's archives (`docker save`, `podman save`, skopeo's docker-archive:) as a place to read images from. They hold configs
// and layers and no manifests: these are made here, always the same from the same archive. Layers stay as they are, mostly
// uncompressed, so that their digests are those that the config names.
import { createHash } from 'node:crypto'
import { pipeline } from 'node:stream/promises'
import { createGunzip, createZstdDecompress } from 'node:zlib'
import type { Digest } from '../oci/digest.ts'
import { digestOf, isDigest } from '../oci/digest.ts'
import { quoteText } from '../oci/json.ts'
import { OCI_CONFIG, OCI_MANIFEST } from '../oci/media-type.ts'
import { checkFile } from './check-file.ts'
import type { FileTree } from './file-tree.ts'
import { UnreadableTree, joinInside, readJson, readSmall } from './file-tree.ts'
import type { ImageName } from './image-name.ts'
import { parseImageName } from './image-name.ts'
import type { ImageManifest, ImageSource, SourceImage } from './image-source.ts'

// OCI's types and not docker's: all clients of these years read them, and they can be exported to a layout again.
const LAYER = 'application/vnd.oci.image.layer.v1.tar'

const LARGEST_LIST = 16 * 1024 * 1024
const LARGEST_CONFIG = 8 * 1024 * 1024
const MOST_IMAGES = 10_000
const MOST_LAYERS = 4096
/** Each is described in memory as often as it is listed. */
const MOST_LAYERS_IN_ALL = 100_000
// A layer that unpacks to more than this many times its size is no layer.
const MOST_TIMES = 1000

export async function isDockerArchive(tree: FileTree): Promise<boolean> {
  return (await tree.size('manifest.json')) !== undefined
}

interface ListedImage {
  readonly config: string
  readonly tags: readonly string[]
  readonly layers: readonly string[]
}

/** Closing it closes the tree. Throws an UnreadableTree for an archive that is none, or that contradicts itself. */
export async function dockerSource(tree: FileTree, name: string): Promise<ImageSource> {
  /** Where each blob lies in the tree. */
  const contents = new Map<Digest, string>()
  const layers = new Map<string, Promise<LayerFacts>>()
  const manifests = new Map<Digest, ImageManifest>()
  const images: SourceImage[] = []
  const named = new Map<string, Digest>()
  for (const listed of await readList(tree)) {
    const manifest = await makeManifest(tree, listed, contents, layers)
    manifests.set(manifest.digest, manifest)
    const names: ImageName[] = listed.tags.map((tag) => {
      const parsed = parseImageName(tag)
      if (parsed?.repository !== undefined && parsed.tag !== undefined) return parsed
      throw new UnreadableTree(`${tree.name}: ${quoteText(tag)} is no name of an image`)
    })
    for (const { host, repository, tag } of names.length === 0 ? [{} as ImageName] : names) {
      const { digest } = manifest
      if (tag !== undefined) named.set(`${repository ?? ''}:${tag}`, digest)
      images.push({ repository, digest, ...(host !== undefined && { host }), ...(tag !== undefined && { tag }) })
    }
  }
  return {
    name,
    async *images() {
      yield* images
    },
    async readManifest(repository, reference) {
      const digest = reference.kind === 'digest' ? reference.digest : named.get(`${repository ?? ''}:${reference.tag}`)
      return digest === undefined ? undefined : manifests.get(digest)
    },
    async openBlob(_repository, { digest }) {
      const path = contents.get(digest)
      if (path === undefined) throw new UnreadableTree(`${tree.name}: ${digest} is not in it`)
      return tree.open(path)
    },
    async checkBlob(_repository, blob) {
      const path = contents.get(blob.digest)
      if (path !== undefined) await checkFile(tree, path, blob)
    },
    listReferrers: async () => [],
    close: () => tree.close(),
  }
}

async function readList(tree: FileTree): Promise<readonly ListedImage[]> {
  const list = await readJson(tree, 'manifest.json', LARGEST_LIST)
  if (list === undefined) {
    throw new UnreadableTree(`${tree.name} is no archive of docker's: manifest.json is not in it`, {
      hint: 'docker before 1.10 wrote none: load it there, and save it anew',
    })
  }
  const wrong = (what: string): UnreadableTree => new UnreadableTree(`${tree.name}: manifest.json ${what}`)
  if (!Array.isArray(list)) throw wrong('is no list of images')
  if (list.length > MOST_IMAGES) throw wrong(`lists ${list.length} images, and ${MOST_IMAGES} are the most`)
  let all = 0
  return list.map((entry: unknown) => {
    const { Config: config, RepoTags: tags, Layers: layers } = (entry ?? {}) as Readonly<Record<string, unknown>>
    if (typeof config !== 'string' || !isTexts(layers)) throw wrong('has an image without a config or without layers')
    if (tags !== undefined && tags !== null && !isTexts(tags)) throw wrong('has an image whose RepoTags are no list')
    if (layers.length > MOST_LAYERS) throw wrong(`has an image of ${layers.length} layers`)
    all += layers.length
    if (all > MOST_LAYERS_IN_ALL) throw wrong(`lists images of more than ${MOST_LAYERS_IN_ALL} layers`)
    return { config, layers, tags: isTexts(tags) ? tags : [] }
  })
}

function isTexts(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every((each) => typeof each === 'string')
}

async function makeManifest(
  tree: FileTree,
  { config, layers }: ListedImage,
  contents: Map<Digest, string>,
  known: Map<string, Promise<LayerFacts>>,
): Promise<ImageManifest> {
  const wrong = (what: string): UnreadableTree => new UnreadableTree(`${tree.name}: ${what}`)
  const configPath = placeOf(config) ?? ''
  const configBytes = await readSmall(tree, configPath, LARGEST_CONFIG)
  if (configBytes === undefined) throw wrong(`${quoteText(config)} is not in it`)
  const configDigest = digestOf(configBytes)
  const claimed = /(?:^|\/)([0-9a-f]{64})(?:\.json)?$/.exec(config)?.[1]
  if (claimed !== undefined && configDigest !== `sha256:${claimed}`)
    throw wrong(`the bytes of ${quoteText(config)} have another digest`)
  const diffIds = readDiffIds(configBytes)
  if (diffIds?.length !== layers.length)
    throw wrong(`${quoteText(config)} names ${diffIds?.length ?? 'no'} layers, manifest.json ${layers.length}`)
  contents.set(configDigest, configPath)
  const described = []
  for (const [index, layer] of layers.entries()) {
    const path = placeOf(layer) ?? ''
    const diffId = diffIds[index] as Digest
    const key = `${path} ${diffId}`
    const reading = known.get(key) ?? readLayer(tree, path, diffId)
    known.set(key, reading)
    const facts = await reading
    contents.set(facts.digest, path)
    described.push({ mediaType: facts.mediaType, size: facts.size, digest: facts.digest })
  }
  const bytes = Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: OCI_MANIFEST,
      config: { mediaType: OCI_CONFIG, size: configBytes.byteLength, digest: configDigest },
      layers: described,
    }),
  )
  return { bytes, digest: digestOf(bytes), mediaType: OCI_MANIFEST }
}

/** Windows writes them with its own separator. */
function placeOf(path: string): string | undefined {
  return path.startsWith('/') ? undefined : joinInside('', path.replaceAll('\\', '/'))
}

function readDiffIds(config: Buffer): readonly Digest[] | undefined {
  try {
    const { rootfs } = JSON.parse(config.toString('utf8')) as { rootfs?: { diff_ids?: unknown } }
    const ids = rootfs?.diff_ids ?? []
    return isTexts(ids) && ids.every(isDigest) ? ids : undefined
  } catch {
    return undefined
  }
}

interface LayerFacts {
  readonly mediaType: string
  readonly digest: Digest
  readonly size: number
}

async function readLayer(tree: FileTree, path: string, diffId: Digest): Promise<LayerFacts> {
  const size = await tree.size(path)
  if (size === undefined) throw new UnreadableTree(`${tree.name}: ${quoteText(path)} is not in it`)
  const kind = await peek(tree, path)
  // Whether the bytes are these is found out when they are copied.
  if (kind === 'plain') return { mediaType: LAYER, digest: diffId, size }
  return { mediaType: `${LAYER}+${kind}`, digest: await hashPacked(tree, path, kind, diffId, size), size }
}

async function peek(tree: FileTree, path: string): Promise<'plain' | 'gzip' | 'zstd'> {
  const stream = await tree.open(path)
  try {
    for await (const chunk of stream) {
      const first = chunk as Buffer
      if (first.length >= 2 && first.readUInt16BE(0) === 0x1f8b) return 'gzip'
      return first.length >= 4 && first.readUInt32BE(0) === 0x28b52ffd ? 'zstd' : 'plain'
    }
    return 'plain'
  } finally {
    stream.destroy()
  }
}

/** The digest of a compressed layer as it is; what is in it must be what the config says. */
async function hashPacked(
  tree: FileTree,
  path: string,
  kind: 'gzip' | 'zstd',
  diffId: Digest,
  size: number,
): Promise<Digest> {
  const [outer, inner] = [createHash('sha256'), createHash('sha256')]
  let unpacked = 0
  await pipeline(
    await tree.open(path),
    async function* (chunks: AsyncIterable<Buffer>) {
      for await (const chunk of chunks) {
        outer.update(chunk)
        yield chunk
      }
    },
    kind === 'gzip' ? createGunzip() : createZstdDecompress(),
    async (chunks: AsyncIterable<Buffer>) => {
      for await (const chunk of chunks) {
        unpacked += chunk.byteLength
        if (unpacked > MOST_TIMES * size + 1_048_576)
          throw new UnreadableTree(`${tree.name}: ${quoteText(path)} unpacks to more than ${MOST_TIMES} times its size`)
        inner.update(chunk)
      }
    },
  )
  if (`sha256:${inner.digest('hex')}` !== diffId)
    throw new UnreadableTree(`${tree.name}: ${quoteText(path)} does not unpack to ${diffId}, as its config says`)
  return `sha256:${outer.digest('hex')}` as Digest
}
