// Small images built by hand, byte for byte known: Docker schema 2 and OCI, single and multi-arch,
// gzip and zstd layers. Written as a skopeo `dir:` folder and as an OCI archive, so that every client
// can take one in without a registry. Nothing here uses code of src/.

import { createHash, randomBytes } from 'node:crypto'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { gzipSync, zstdCompressSync } from 'node:zlib'
import type { Machine } from './machine.ts'

/** The columns of the client matrix. */
export const FORMATS = ['docker', 'docker-list', 'oci', 'oci-index', 'oci-zstd', 'oci-zstd-index'] as const
export type Format = (typeof FORMATS)[number]

/** Whether a format is a list of images for several platforms. */
export function isList(format: Format): boolean {
  return format.endsWith('-list') || format.endsWith('-index')
}

/** Whether a format has zstd layers. */
export function isZstd(format: Format): boolean {
  return format.includes('zstd')
}

export interface Blob {
  digest: string
  bytes: Buffer
}

export interface StoredManifest extends Blob {
  mediaType: string
}

/** One image (or list) in every form that clients read. */
export interface Fixture {
  format: Format
  /** The manifest that a tag names; `children` are the images of a list, amd64 first. */
  top: StoredManifest
  children: StoredManifest[]
  /** Layers and configs. */
  blobs: Blob[]
  /** Folder in skopeo's `dir:` form. */
  dir: string
  /** The `dir:` folders of the children, amd64 first; for a single image its own folder. */
  childDirs: string[]
  /** Folder with an OCI layout; the image's name in it is `fixture`. */
  layout: string
  /** The same as a tar file. */
  archive: string
  /** Uncompressed layers, one an image, amd64 first. */
  layers: Buffer[]
}

const ARCHITECTURES = ['amd64', 'arm64'] as const

const DOCKER = {
  image: 'application/vnd.docker.distribution.manifest.v2+json',
  list: 'application/vnd.docker.distribution.manifest.list.v2+json',
  config: 'application/vnd.docker.container.image.v1+json',
  layer: 'application/vnd.docker.image.rootfs.diff.tar.gzip',
}
const OCI = {
  image: 'application/vnd.oci.image.manifest.v1+json',
  list: 'application/vnd.oci.image.index.v1+json',
  config: 'application/vnd.oci.image.config.v1+json',
  layer: 'application/vnd.oci.image.layer.v1.tar+gzip',
}
const ZSTD_LAYER = 'application/vnd.oci.image.layer.v1.tar+zstd'

/** The digest of bytes as registries write it. */
export function digestOf(bytes: Uint8Array): string {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`
}

/** Builds one fixture below `folder`; its layers are unique, so that no client can skip an upload. */
export async function buildFixture(machine: Machine, folder: string, format: Format): Promise<Fixture> {
  const root = join(folder, format)
  await mkdir(root, { recursive: true })
  const types = format.startsWith('docker') ? DOCKER : OCI
  const wanted = isList(format) ? ARCHITECTURES : (['amd64'] as const)
  const images = []
  const layers: Buffer[] = []
  for (const architecture of wanted) {
    const layer = await buildLayer(machine, join(root, architecture))
    layers.push(layer)
    images.push(
      buildImage(layer, architecture, {
        ...types,
        ...(isZstd(format) ? { layer: ZSTD_LAYER } : {}),
      }),
    )
  }
  const children = images.map((image) => image.manifest)
  const blobs = images.flatMap((image) => image.blobs)
  const top = isList(format) ? buildList(children, types.list) : children[0]
  if (top === undefined) throw new Error(`no image in ${format}`)
  const childDirs = await Promise.all(
    images.map((image, at) => writeDir(join(root, `dir-${at}`), image.manifest, [], image.blobs)),
  )
  const dir = isList(format) ? await writeDir(join(root, 'dir'), top, children, blobs) : (childDirs[0] ?? root)
  const layout = await writeLayout(join(root, 'layout'), top, [...(isList(format) ? children : []), ...blobs])
  const archive = join(root, 'archive.tar')
  await machine.run('tar', ['-cf', archive, '-C', layout, 'oci-layout', 'index.json', 'blobs'])
  return { format, top, children, blobs, dir, childDirs, layout, archive, layers }
}

/** Makes one tar with a file of fresh random bytes; gives the uncompressed tar. */
export async function buildLayer(machine: Machine, folder: string): Promise<Buffer> {
  const tree = join(folder, 'tree')
  await mkdir(tree, { recursive: true })
  await writeFile(join(tree, 'hello.txt'), `hello from ${randomBytes(8).toString('hex')}\n`)
  await writeFile(join(tree, 'payload.bin'), randomBytes(300_000))
  const made = await machine.run('tar', ['-cf', '-', '--owner=0', '--group=0', '--mtime=@1', '-C', tree, '.'])
  return made.stdout
}

function buildImage(
  tar: Buffer,
  architecture: string,
  types: { image: string; config: string; layer: string },
): { manifest: StoredManifest; blobs: Blob[] } {
  const packed = types.layer === ZSTD_LAYER ? zstdCompressSync(tar) : gzipSync(tar)
  const config = Buffer.from(
    JSON.stringify({
      created: '2026-01-01T00:00:00Z',
      architecture,
      os: 'linux',
      config: { Cmd: ['/hello'] },
      rootfs: { type: 'layers', diff_ids: [digestOf(tar)] },
      history: [{ created: '2026-01-01T00:00:00Z', created_by: 'fixture' }],
    }),
  )
  const describe = (mediaType: string, bytes: Buffer) => ({
    mediaType,
    size: bytes.length,
    digest: digestOf(bytes),
  })
  const bytes = Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: types.image,
      config: describe(types.config, config),
      layers: [describe(types.layer, packed)],
    }),
  )
  return {
    manifest: { digest: digestOf(bytes), bytes, mediaType: types.image },
    blobs: [config, packed].map((each) => ({ digest: digestOf(each), bytes: each })),
  }
}

function buildList(children: StoredManifest[], mediaType: string): StoredManifest {
  const manifests = children.map((child, at) => ({
    mediaType: child.mediaType,
    size: child.bytes.length,
    digest: child.digest,
    platform: { architecture: ARCHITECTURES[at], os: 'linux' },
  }))
  const bytes = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType, manifests }))
  return { digest: digestOf(bytes), bytes, mediaType }
}

/** containers/image's `dir:` form: manifest.json, HEX.manifest.json for children, blobs by hex. */
async function writeDir(
  folder: string,
  top: StoredManifest,
  children: StoredManifest[],
  blobs: Blob[],
): Promise<string> {
  await mkdir(folder, { recursive: true })
  await writeFile(join(folder, 'version'), 'Directory Transport Version: 1.1\n')
  await writeFile(join(folder, 'manifest.json'), top.bytes)
  for (const child of children) await writeFile(join(folder, `${hexOf(child)}.manifest.json`), child.bytes)
  for (const blob of blobs) await writeFile(join(folder, hexOf(blob)), blob.bytes)
  return folder
}

async function writeLayout(layout: string, top: StoredManifest, rest: Blob[]): Promise<string> {
  await mkdir(join(layout, 'blobs', 'sha256'), { recursive: true })
  for (const each of [top, ...rest]) await writeFile(join(layout, 'blobs', 'sha256', hexOf(each)), each.bytes)
  await writeFile(join(layout, 'oci-layout'), '{"imageLayoutVersion":"1.0.0"}')
  const entry = {
    mediaType: top.mediaType,
    digest: top.digest,
    size: top.bytes.length,
    annotations: { 'org.opencontainers.image.ref.name': 'fixture' },
  }
  await writeFile(join(layout, 'index.json'), JSON.stringify({ schemaVersion: 2, manifests: [entry] }))
  return layout
}

function hexOf(blob: Blob): string {
  return blob.digest.slice('sha256:'.length)
}
