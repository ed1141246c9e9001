// Makes the content that the conformance checks push: layers, configs, manifests, indexes, and what the
// registry must answer about them. Every byte is new in each run, so no answer can come from an earlier one.
import { randomBytes } from 'node:crypto'
import { gzipSync } from 'node:zlib'
import { hashOf } from '../../helpers/digest.ts'

export const OCI_MANIFEST = 'application/vnd.oci.image.manifest.v1+json'
export const OCI_INDEX = 'application/vnd.oci.image.index.v1+json'
export const OCI_CONFIG = 'application/vnd.oci.image.config.v1+json'
export const OCI_EMPTY = 'application/vnd.oci.empty.v1+json'
export const OCI_LAYER = 'application/vnd.oci.image.layer.v1.tar'
export const OCTETS = 'application/octet-stream'
export const KIND_ONE = 'application/vnd.example.conformance.one+json'
export const KIND_TWO = 'application/vnd.example.conformance.two'

export type Algorithm = 'sha256' | 'sha512'

export interface Descriptor {
  readonly mediaType: string
  readonly digest: string
  readonly size: number
  readonly artifactType?: string
  readonly annotations?: Readonly<Record<string, string>>
  readonly platform?: { readonly os: string; readonly architecture: string }
  readonly urls?: readonly string[]
  readonly data?: string
}

export interface PushedManifest {
  readonly digest: string
  readonly mediaType: string
  readonly body: Buffer
  readonly subject: string | undefined
}

/** What one data variant pushes, in order, and what must be listed afterwards. */
export interface Content {
  readonly name: string
  readonly blobs: Map<string, Buffer>
  readonly manifests: PushedManifest[]
  readonly tags: Map<string, string>
  /** Referrers by the digest of their subject, as the referrers API must show them. */
  readonly referrers: Map<string, Descriptor[]>
  /** Digests that manifests name and nobody pushes. */
  readonly absent: string[]
}

export function makeContent(name: string): Content {
  return {
    name,
    blobs: new Map(),
    manifests: [],
    tags: new Map(),
    referrers: new Map(),
    absent: [],
  }
}

export interface BlobOptions {
  readonly algorithm?: Algorithm
  /** Also puts the content itself into the descriptor's `data`. */
  readonly inline?: boolean
}

/** Adds a blob and returns its descriptor. */
export function addBlob(content: Content, bytes: Buffer, mediaType: string, options: BlobOptions = {}): Descriptor {
  const digest = hashOf(bytes, options.algorithm)
  content.blobs.set(digest, bytes)
  return {
    mediaType,
    digest,
    size: bytes.length,
    ...(options.inline === true ? { data: bytes.toString('base64') } : {}),
  }
}

/** Adds a layer: one file in a tar of one entry, gzipped unless `plain`. */
export function addLayer(content: Content, options: BlobOptions & { readonly plain?: boolean } = {}): Descriptor {
  const tar = makeTar('./lucky.txt', Buffer.from(`lucky number ${randomBytes(16).toString('hex')}\n`))
  return options.plain === true
    ? addBlob(content, tar, OCI_LAYER, options)
    : addBlob(content, gzipSync(tar), `${OCI_LAYER}+gzip`, options)
}

export interface ManifestOptions {
  readonly algorithm?: Algorithm
  readonly artifactType?: string
  readonly annotations?: Readonly<Record<string, string>>
  readonly subject?: Descriptor
  readonly tag?: string
  /** Members that no specification knows. */
  readonly extra?: Readonly<Record<string, unknown>>
}

/** Adds an image or artifact manifest over blobs that were added before. */
export function addManifest(
  content: Content,
  config: Descriptor,
  layers: readonly Descriptor[],
  options: ManifestOptions = {},
): Descriptor {
  return finishManifest(content, OCI_MANIFEST, { config, layers }, options, options.artifactType ?? config.mediaType)
}

/** Adds an index over manifests that were added before. */
export function addIndex(
  content: Content,
  manifests: readonly Descriptor[],
  options: ManifestOptions = {},
): Descriptor {
  return finishManifest(content, OCI_INDEX, { manifests }, options, options.artifactType)
}

function finishManifest(
  content: Content,
  mediaType: string,
  members: Readonly<Record<string, unknown>>,
  options: ManifestOptions,
  listedType: string | undefined,
): Descriptor {
  const { artifactType, annotations, subject } = options
  const body = Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType,
      artifactType,
      ...members,
      subject,
      annotations,
      ...options.extra,
    }),
  )
  const digest = hashOf(body, options.algorithm)
  content.manifests.push({ digest, mediaType, body, subject: subject?.digest })
  if (options.tag !== undefined) content.tags.set(options.tag, digest)
  const descriptor = { mediaType, digest, size: body.length }
  if (subject !== undefined) {
    const listed = content.referrers.get(subject.digest) ?? []
    listed.push({
      ...descriptor,
      ...(listedType === undefined ? {} : { artifactType: listedType }),
      ...(annotations === undefined ? {} : { annotations }),
    })
    content.referrers.set(subject.digest, listed)
  }
  return descriptor
}

// ustar, one regular file; the header's checksum is counted with its own field as spaces.
function makeTar(name: string, data: Buffer): Buffer {
  const header = Buffer.alloc(512)
  header.write(name, 0)
  header.write('0000644\0', 100)
  header.write('0000000\0', 108)
  header.write('0000000\0', 116)
  header.write(`${data.length.toString(8).padStart(11, '0')}\0`, 124)
  header.write('00000000000\0', 136)
  header.write('        ', 148)
  header.write('0', 156)
  header.write('ustar\x0000', 257)
  const sum = header.reduce((total, byte) => total + byte, 0)
  header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148)
  return Buffer.concat([header, data, Buffer.alloc((512 - (data.length % 512)) % 512), Buffer.alloc(1024)])
}
