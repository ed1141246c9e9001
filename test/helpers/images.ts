// Small real images in a data directory, pushed as clients push them, for tests that copy them elsewhere.
import type { Digest } from '../../src/oci/digest.ts'
import { digestOf } from '../../src/oci/digest.ts'
import { readManifest } from '../../src/oci/manifest.ts'
import type { RepositoryName } from '../../src/oci/name.ts'
import type { Tag } from '../../src/oci/reference.ts'
import { subjectTagOf } from '../../src/oci/subject-tag.ts'
import { beginUpload, finishUpload } from '../../src/registry/push-blob.ts'
import { pushManifest } from '../../src/registry/push-manifest.ts'
import type { Context } from '../../src/registry/context.ts'
import { makeContext, makeStore, streamOf } from './store.ts'
import { imageOf, indexOf, partOf } from './plant.ts'

export const APP = 'team/app' as RepositoryName
export const OTHER = 'team/other' as RepositoryName

/** A fresh registry over a directory. */
export function openRegistry(directory: string): Context {
  return makeContext(makeStore(directory))
}

export async function pushBlob(context: Context, name: RepositoryName, bytes: Uint8Array): Promise<void> {
  const key = await beginUpload(context, name, undefined, 'sha256')
  await finishUpload(context, key, digestOf(bytes), { source: streamOf(bytes) })
}

export async function push(context: Context, name: RepositoryName, bytes: Uint8Array, tag?: string): Promise<Digest> {
  const digest = digestOf(bytes)
  const reference =
    tag === undefined ? ({ kind: 'digest', digest } as const) : { kind: 'tag' as const, tag: tag as Tag }
  const contentType = readManifest(bytes).mediaType
  await pushManifest(context, { name, reference, tags: [], bytes, contentType })
  return digest
}

/** An image of these layers; its config says for which architecture it is. */
export async function pushImage(
  context: Context,
  name: RepositoryName,
  layers: readonly string[],
  more: { readonly tag?: string; readonly architecture?: string; readonly subject?: Uint8Array } = {},
): Promise<Buffer> {
  const { tag, architecture = 'amd64', subject } = more
  const config = Buffer.from(JSON.stringify({ architecture, os: 'linux', rootfs: { type: 'layers', diff_ids: [] } }))
  const bytes = layers.map((layer) => Buffer.from(layer))
  for (const blob of [config, ...bytes]) await pushBlob(context, name, blob)
  const about = subject && { subject: { mediaType: readManifest(subject).mediaType, ...partOf(subject) } }
  const image = imageOf(partOf(config), bytes.map(partOf), about)
  await push(context, name, image, tag)
  return image
}

/** What a multi-arch image with its signatures looks like: index, two children, a referrer and a tag of cosign's. */
export async function pushFull(context: Context, name: RepositoryName, tag: string) {
  const amd64 = await pushImage(context, name, ['base', `amd64 of ${tag}`])
  const arm64 = await pushImage(context, name, ['base', `arm64 of ${tag}`], { architecture: 'arm64' })
  const index = indexOf([
    { ...partOf(amd64), platform: { os: 'linux', architecture: 'amd64' } },
    { ...partOf(arm64), platform: { os: 'linux', architecture: 'arm64' } },
  ] as never)
  const digest = await push(context, name, index, tag)
  const referrer = await pushImage(context, name, [`sbom of ${tag}`], { subject: index })
  const cosign = `${subjectTagOf(digestOf(amd64))}.sig`
  const signature = await pushImage(context, name, [`signature of ${tag}`], { tag: cosign })
  return { amd64, arm64, index, digest, referrer, signature, cosign: cosign as Tag }
}
