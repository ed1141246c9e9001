// Manifests: image-spec "Image Manifest" and "Image Index", Docker's schema 2 and manifest list, and schema 1
// for reading only. Reads meaning out of the bytes; never changes, re-serialises or converts them.
import type { Descriptor } from './descriptor.ts'
import { readDescriptor, readDigest } from './descriptor.ts'
import type { Digest } from './digest.ts'
import { isDigest } from './digest.ts'
import { registryError } from './errors.ts'
import type { Fields, Place } from './field.ts'
import { nameFields, openFields, readArray, readString, readStringMap, stepInto } from './field.ts'
import { makeInvalid, parseJson, quoteText } from './json.ts'
import {
  DOCKER_LAYER,
  MANIFEST_TYPES,
  OCI_INDEX,
  OCI_MANIFEST,
  SCHEMA1_SIGNED,
  isDockerType,
  isIndexType,
  parseMediaType,
} from './media-type.ts'

export interface Manifest {
  readonly kind: 'image' | 'index' | 'schema1'
  readonly mediaType: string
  readonly config?: Descriptor
  readonly layers: readonly Descriptor[]
  readonly manifests: readonly Descriptor[]
  readonly subject?: Descriptor
  readonly artifactType?: string
  readonly annotations?: Readonly<Record<string, string>>
  /**
   * Only of a stored one: it names something by a digest that Tarn does not know (sha384, which registry:2 takes), and
   * that is left out above. So it needs more than it seems to.
   */
  readonly doubtful?: true
}

const MOST_LAYERS = 4096
const MOST_CHILDREN = 10_000

const TOP = nameFields(
  'schemaVersion',
  'mediaType',
  'config',
  'layers',
  'manifests',
  'subject',
  'artifactType',
  'annotations',
  'fsLayers',
)
const FS_LAYER = nameFields('blobSum')
const NAMED = nameFields('digest', 'blobSum')

/**
 * Reads a manifest that is pushed (distribution-spec "Pushing Manifests"); `contentType` is the header as it came.
 * Throws MANIFEST_INVALID for a type that is not taken and for a document that readers could take differently;
 * DIGEST_INVALID and SIZE_INVALID as readDescriptor does; 413 SIZE_INVALID for too many layers or children.
 */
export function parseManifest(bytes: Uint8Array, contentType: string | undefined): Manifest {
  // An empty header says as little as a missing one.
  const declared = contentType ? chooseType(parseMediaType(contentType) ?? contentType) : undefined
  const place: Place = { path: '', strictness: 'strict' }
  const fields = openDocument(place, bytes)
  const written = readString(place, fields, 'mediaType') || undefined
  const mediaType = declared ?? chooseType(written)
  if (written === undefined && isDockerType(mediaType)) throw makeInvalid(`mediaType must be ${mediaType}`)
  if (written !== undefined && written !== mediaType)
    throw makeInvalid(`mediaType is ${quoteText(written)} and the Content-Type is ${mediaType}`)
  if (fields['schemaVersion'] !== 2) throw makeInvalid('schemaVersion must be 2')
  checkShape(fields, mediaType)
  checkCount(fields, 'layers', MOST_LAYERS)
  checkCount(fields, 'manifests', MOST_CHILDREN)
  const manifest = assemble(place, fields, mediaType)
  if (manifest.kind === 'image' && manifest.config === undefined) throw makeInvalid('config is missing')
  return manifest
}

/**
 * Reads a manifest that is stored, whichever program wrote it: what a registry:2 served is served, so doubtful
 * members count as absent, and case variants of names as those names. A two-shaped document keeps its declared
 * kind and shows all that it names. Throws MANIFEST_INVALID only when the bytes are no manifest at all.
 */
export function readManifest(bytes: Uint8Array): Manifest {
  const place: Place = { path: '', strictness: 'tolerant' }
  const fields = openDocument(place, bytes)
  if (fields['schemaVersion'] === 1 && Array.isArray(fields['fsLayers'])) return readSchema1(place, fields['fsLayers'])
  const written = readString(place, fields, 'mediaType') || undefined
  // Without this an image's configuration, which has a member "config" too, would pass for a manifest.
  if (fields['schemaVersion'] !== 2) throw makeInvalid('schemaVersion is neither 1 nor 2')
  if (written !== undefined) return assemble(place, fields, chooseType(written))
  if (isPresent(fields, 'manifests')) return assemble(place, fields, OCI_INDEX)
  if (isPresent(fields, 'config') || isPresent(fields, 'layers')) return assemble(place, fields, OCI_MANIFEST)
  // Go writes null for an empty list; a push of such a document is taken, so it must be read again too.
  if (fields['manifests'] !== undefined) return assemble(place, fields, OCI_INDEX)
  if (fields['layers'] !== undefined) return assemble(place, fields, OCI_MANIFEST)
  throw makeInvalid('it has neither layers nor manifests')
}

/**
 * The entry of a manifest in the referrers list of its subject (distribution-spec "Listing Referrers"); `size` in
 * bytes. An image without an artifactType goes by its config's type, an index without one has none.
 */
export function describeReferrer(manifest: Manifest, digest: Digest, size: number): Descriptor {
  const configType = manifest.kind === 'image' ? manifest.config?.mediaType : undefined
  const artifactType = manifest.artifactType || configType
  const { mediaType, annotations } = manifest
  return {
    mediaType,
    digest,
    size,
    ...(artifactType && { artifactType }),
    ...(annotations && { annotations }),
  }
}

/** The blobs without which the manifest is not whole, each once: config, and layers that have no urls. */
export function requiredBlobs(manifest: Manifest): readonly Descriptor[] {
  if (manifest.kind === 'index') return []
  const owned = manifest.layers.filter(({ urls = [] }) => urls.length === 0)
  const all = manifest.config === undefined ? owned : [manifest.config, ...owned]
  // A size that differs is another claim about the blob, to be checked for itself.
  return [...new Map(all.map((blob) => [`${blob.digest} ${blob.size}`, blob])).values()]
}

function openDocument(place: Place, bytes: Uint8Array): Fields {
  const fields = openFields(place, parseJson(bytes, place.strictness), TOP)
  if (fields === undefined) throw makeInvalid('the document must be an object')
  return fields
}

function chooseType(type: string | undefined): string {
  if (type !== undefined && MANIFEST_TYPES.includes(type)) return type
  const problem =
    type === undefined ? 'no Content-Type and no mediaType' : `manifests of type ${quoteText(type)} are not taken`
  throw makeInvalid(`${problem}; use one of ${MANIFEST_TYPES.join(', ')}`)
}

/** CVE-2021-41190: one document must not be an image to one reader and an index to another. */
function checkShape(fields: Fields, mediaType: string): void {
  const isIndex = isIndexType(mediaType)
  const own = isIndex ? 'manifests' : 'layers'
  const foreign = isIndex ? ['layers', 'config', 'fsLayers'] : ['manifests', 'fsLayers']
  const found = foreign.find((name) => isPresent(fields, name))
  if (found !== undefined) throw makeInvalid(`${found} does not belong in ${mediaType}`)
  if (fields[own] === undefined) throw makeInvalid(`${own} is missing`)
}

// A client cannot mend this by converting the manifest, so it is answered like a body that is too large.
function checkCount(fields: Fields, name: string, most: number): void {
  const value = fields[name]
  if (!Array.isArray(value) || value.length <= most) return
  const message = `manifest too large: ${name} has ${value.length} entries, at most ${most} are taken`
  throw registryError('SIZE_INVALID', { status: 413, message })
}

function isPresent(fields: Fields, name: string): boolean {
  return fields[name] !== undefined && fields[name] !== null
}

function assemble(place: Place, fields: Fields, mediaType: string): Manifest {
  const config = readOptional(place, fields, 'config')
  const subject = readOptional(place, fields, 'subject')
  const artifactType = readString(place, fields, 'artifactType')
  const annotations = readStringMap(place, fields, 'annotations')
  const [layers, manifests] = [readList(place, fields, 'layers'), readList(place, fields, 'manifests')]
  const leftOut = [
    ...(config === undefined ? [fields['config']] : []),
    ...(subject === undefined ? [fields['subject']] : []),
    ...(isShorter(layers, fields['layers']) ? fields['layers'] : []),
    ...(isShorter(manifests, fields['manifests']) ? fields['manifests'] : []),
  ]
  return {
    kind: isIndexType(mediaType) ? 'index' : 'image',
    mediaType,
    layers,
    manifests,
    ...(leftOut.some(namesUnknown) && { doubtful: true }),
    ...(config && { config }),
    ...(subject && { subject }),
    ...(artifactType !== undefined && { artifactType }),
    ...(annotations && { annotations }),
  }
}

function readOptional(place: Place, fields: Fields, name: string): Descriptor | undefined {
  return isPresent(fields, name) ? readDescriptor(stepInto(place, name), fields[name]) : undefined
}

function readList(place: Place, fields: Fields, name: string): readonly Descriptor[] {
  const inside = stepInto(place, name)
  return (readArray(place, fields, name) ?? [])
    .map((value, index) => readDescriptor(stepInto(inside, index), value))
    .filter((descriptor) => descriptor !== undefined)
}

function isShorter(list: readonly Descriptor[], value: unknown): value is readonly unknown[] {
  return Array.isArray(value) && value.length > list.length
}

/** Whether what the tolerant reader left out has a digest all the same, of a kind that it does not understand. */
function namesUnknown(value: unknown): boolean {
  const fields = openFields({ path: '', strictness: 'tolerant' }, value, NAMED)
  const text = fields?.['digest'] ?? fields?.['blobSum']
  return typeof text === 'string' && text !== '' && !isDigest(text)
}

/** Docker's "Image Manifest Version 2, Schema 1": layers by digest only, without sizes. */
function readSchema1(place: Place, fsLayers: readonly unknown[]): Manifest {
  const layers = fsLayers.flatMap((value, index) => {
    const inside = stepInto(stepInto(place, 'fsLayers'), index)
    const fields = openFields(inside, value, FS_LAYER)
    const digest = fields && readDigest(inside, fields, 'blobSum')
    return digest === undefined ? [] : [{ mediaType: DOCKER_LAYER, digest, size: 0 }]
  })
  const isDoubtful = layers.length < fsLayers.length && fsLayers.some(namesUnknown)
  return { kind: 'schema1', mediaType: SCHEMA1_SIGNED, layers, manifests: [], ...(isDoubtful && { doubtful: true }) }
}
