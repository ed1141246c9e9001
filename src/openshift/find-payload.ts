// From the name of a release image to what its payload says. Looks through the layers from the last backwards, since the
// payload is in the last one of every release that was ever built; a base layer is read only where it is not.
import type { ImageManifest, ImageSource } from '../exchange/image-source.ts'
import type { Descriptor } from '../oci/descriptor.ts'
import { algorithmOf, digestOf } from '../oci/digest.ts'
import type { Digest } from '../oci/digest.ts'
import { parseJson } from '../oci/json.ts'
import type { Manifest } from '../oci/manifest.ts'
import { readManifest } from '../oci/manifest.ts'
import type { RepositoryName } from '../oci/name.ts'
import type { Reference } from '../oci/reference.ts'
import type { ImageReferences, ReleaseMetadata } from './payload.ts'
import { parseImageReferences, parseReleaseMetadata, wrong } from './payload.ts'
import type { LayerBounds, PayloadFiles } from './payload-layer.ts'
import { readPayloadLayer } from './payload-layer.ts'
import type { Verification } from './verification-map.ts'
import { findVerification } from './verification-map.ts'

export interface Payload extends ImageReferences {
  /** Of the image or the list that was asked for. */
  readonly digest: Digest
  /** Whether that is a list of images for several architectures. */
  readonly isList: boolean
  /** Architectures of the images of the list; of the one image. */
  readonly architectures: readonly string[]
  /** Of the image whose payload was read, by its configuration: `amd64`, `linux`. */
  readonly architecture: string
  readonly os: string
  readonly imageCreated: string | undefined
  readonly metadata: ReleaseMetadata | undefined
  readonly verification: Verification | undefined
  /** Files of the payload, as `oc adm release info` counts them. */
  readonly files: { readonly manifests: number; readonly metadata: number }
  /** The image whose payload was read; one of the list's where there is a list. */
  readonly image: Digest
}

export interface FindOptions {
  readonly signal?: AbortSignal | undefined
  readonly bounds?: LayerBounds
  /** Layers above this size in bytes, packed, are not looked into. */
  readonly largestLayer?: number
}

const LARGEST_LAYER = 512 * 1024 ** 2
const MOST_CONFIG = 4 * 1024 ** 2

/**
 * Reads the payload of a release image out of any source. `release` names it in messages. Throws a Problem when the
 * image is not there or is no release, and what the source throws.
 */
export async function findPayload(
  source: ImageSource,
  { repository, reference }: { repository: RepositoryName | undefined; reference: Reference },
  release: string,
  options: FindOptions = {},
): Promise<Payload> {
  const { signal } = options
  const top = await source.readManifest(repository, reference, { signal })
  if (top === undefined) throw wrong(release, `${source.name} does not have it`)
  const manifest = open(top, release)
  const child = manifest.kind === 'index' ? chooseChild(manifest.manifests) : undefined
  if (manifest.kind === 'index' && child === undefined) throw wrong(release, 'it is a list of no images')
  const image = child === undefined ? top : await readChild(source, repository, child, release, options)
  const parsed = child === undefined ? manifest : open(image, release)
  if (parsed.kind !== 'image' || parsed.config === undefined) throw wrong(release, 'it is no image with layers')
  const config = await readConfig(source, repository, parsed.config, release, options)
  const files = await findFiles(source, repository, parsed.layers, release, options)
  const listed = manifest.manifests.flatMap(({ platform }) => platform?.architecture ?? [])
  return {
    ...parseImageReferences(files.imageReferences, release),
    digest: top.digest,
    isList: manifest.kind === 'index',
    architectures: manifest.kind === 'index' ? [...new Set(listed)] : [config.architecture],
    architecture: config.architecture,
    os: config.os,
    imageCreated: config.created,
    metadata: files.releaseMetadata === undefined ? undefined : parseReleaseMetadata(files.releaseMetadata, release),
    verification: findVerification(files.marked, release),
    files: { manifests: files.manifests, metadata: files.metadataFiles },
    image: image.digest,
  }
}

function open({ bytes }: ImageManifest, release: string): Manifest {
  try {
    return readManifest(bytes)
  } catch (cause) {
    throw wrong(release, (cause as Error).message, cause)
  }
}

// As `oc`: the payload does not differ between architectures, and that of linux/amd64 is read where there is one.
function chooseChild(children: readonly Descriptor[]): Descriptor | undefined {
  const isUsual = ({ platform }: Descriptor): boolean => platform?.os === 'linux' && platform.architecture === 'amd64'
  return children.find(isUsual) ?? children[0]
}

async function readChild(
  source: ImageSource,
  repository: RepositoryName | undefined,
  { digest }: Descriptor,
  release: string,
  { signal }: FindOptions,
): Promise<ImageManifest> {
  const found = await source.readManifest(repository, { kind: 'digest', digest }, { signal })
  if (found === undefined) throw wrong(release, `${source.name} does not have ${digest}, which its list names`)
  return found
}

async function readConfig(
  source: ImageSource,
  repository: RepositoryName | undefined,
  config: Descriptor,
  release: string,
  { signal }: FindOptions,
): Promise<{ architecture: string; os: string; created: string | undefined }> {
  if (config.size > MOST_CONFIG) throw wrong(release, `its configuration has ${config.size} bytes`)
  const pieces: Buffer[] = []
  let length = 0
  for await (const piece of await source.openBlob(repository, config, { signal })) {
    pieces.push(piece as Buffer)
    length += (piece as Buffer).length
    if (length > MOST_CONFIG) throw wrong(release, `its configuration has more than ${MOST_CONFIG} bytes`)
  }
  const bytes = Buffer.concat(pieces)
  if (digestOf(bytes, algorithmOf(config.digest)) !== config.digest)
    throw wrong(release, `its configuration ${config.digest} has other bytes than its digest says`)
  const value = parseJson(bytes, 'tolerant') as Readonly<Record<string, unknown>> | null
  const text = (name: string): string | undefined => {
    const member = value?.[name]
    return typeof member === 'string' && member !== '' ? member : undefined
  }
  return { architecture: text('architecture') ?? 'amd64', os: text('os') ?? 'linux', created: text('created') }
}

async function findFiles(
  source: ImageSource,
  repository: RepositoryName | undefined,
  layers: readonly Descriptor[],
  release: string,
  { signal, bounds, largestLayer = LARGEST_LAYER }: FindOptions,
): Promise<PayloadFiles & { readonly imageReferences: Buffer }> {
  for (const layer of layers.toReversed()) {
    if (layer.size > largestLayer) continue
    const bytes = await source.openBlob(repository, layer, { signal })
    const files = await readPayloadLayer(bytes, layer, release, { signal, ...(bounds && { bounds }) })
    const { imageReferences } = files
    if (imageReferences !== undefined) return { ...files, imageReferences }
  }
  throw wrong(release, 'no layer of it has release-manifests/image-references')
}
