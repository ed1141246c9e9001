// Images as plain files in distribution's layout, written past every registry: what a tar brings. Synchronous, because
// the bench writes a million of them. It must never use code of src/: the layout is what is being tested.
import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import type { Descriptor } from '../durability/push.ts'
import { TYPES, describe, digestOf } from '../durability/push.ts'
import type { Image } from './promised.ts'

export const V2 = 'docker/registry/v2'

export interface BuiltImage {
  readonly image: Image
  /** Bytes of all its blobs, by digest. */
  readonly parts: ReadonlyMap<string, Buffer>
}

/** Builds an OCI image of these layers. `config` makes it unlike others. */
export function buildImage(config: Buffer, layers: readonly Buffer[], subject?: Descriptor): BuiltImage {
  const blobs = [describe(TYPES.config, config), ...layers.map((layer) => describe(TYPES.layer, layer))]
  const [first, ...rest] = blobs
  const bytes = Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: TYPES.manifest,
      ...(subject === undefined ? {} : { artifactType: 'application/vnd.example.note' }),
      config: first,
      layers: rest,
      ...(subject === undefined ? {} : { subject }),
    }),
  )
  const parts = new Map([config, ...layers].map((part, at) => [blobs[at]?.digest ?? '', part]))
  return { image: { digest: digestOf(bytes), bytes, blobs, children: [], subject: subject?.digest }, parts }
}

/** Builds an index of these images; `note` makes it unlike others. */
export function buildIndex(children: readonly Image[], note: string): Image {
  const platforms = ['amd64', 'arm64', 's390x', 'ppc64le']
  const manifests = children.map(({ bytes }, at) => ({
    ...describe(TYPES.manifest, bytes),
    platform: { architecture: platforms[at % platforms.length], os: 'linux' },
  }))
  const bytes = Buffer.from(
    JSON.stringify({ schemaVersion: 2, mediaType: TYPES.index, manifests, annotations: { note } }),
  )
  return { digest: digestOf(bytes), bytes, blobs: [], children: children.map(({ digest }) => digest) }
}

const split = (digest: string): string => digest.replace(':', '/')

export function blobFile(data: string, digest: string, name: 'data' | 'trashed' = 'data'): string {
  const [algorithm = '', hex = ''] = digest.split(':')
  return join(data, V2, 'blobs', algorithm, hex.slice(0, 2), hex, name)
}

export function repositoryFolder(data: string, name: string): string {
  return join(data, V2, 'repositories', name)
}

export function layerLink(data: string, name: string, digest: string): string {
  return join(repositoryFolder(data, name), '_layers', split(digest), 'link')
}

export function revisionLink(data: string, name: string, digest: string): string {
  return join(repositoryFolder(data, name), '_manifests/revisions', split(digest), 'link')
}

export function tagFolder(data: string, name: string, tag: string): string {
  return join(repositoryFolder(data, name), '_manifests/tags', tag)
}

export function put(path: string, bytes: Uint8Array | string): void {
  mkdirSync(dirname(path), { recursive: true })
  writeFileSync(path, bytes)
}

export function putBlob(data: string, bytes: Uint8Array): string {
  const digest = digestOf(bytes)
  put(blobFile(data, digest), bytes)
  return digest
}

/** Writes the image with its blobs and links, and its tag. */
export function putImage(data: string, name: string, { image, parts }: BuiltImage, tag?: string): void {
  for (const [digest, bytes] of parts) {
    put(blobFile(data, digest), bytes)
    put(layerLink(data, name, digest), digest)
  }
  putManifest(data, name, image, tag)
}

/** Writes a manifest or an index alone. */
export function putManifest(data: string, name: string, { digest, bytes }: Image, tag?: string): void {
  put(blobFile(data, digest), bytes)
  put(revisionLink(data, name, digest), digest)
  mkdirSync(join(repositoryFolder(data, name), '_layers'), { recursive: true })
  mkdirSync(join(repositoryFolder(data, name), '_manifests/tags'), { recursive: true })
  if (tag === undefined) return
  put(join(tagFolder(data, name, tag), 'index', split(digest), 'link'), digest)
  put(join(tagFolder(data, name, tag), 'current/link'), digest)
}
