// The cases of the exchange as pushes: each function fills one kind of repository through HTTP. The same
// content goes to every writer; what only one of them takes is marked so.
import type { Client } from '../../helpers/client.ts'
import type { Algorithm, Descriptor, Held, Ledger } from './ledger.ts'
import { TYPES, deleteBlob, deleteManifest, makeBytes, pushBlob, pushManifest, writeManifest } from './ledger.ts'

export interface Writer {
  readonly client: Client
  readonly ledger: Ledger
}

interface ImageOptions {
  readonly docker?: boolean
  readonly architecture?: string
  readonly layer?: Buffer
  readonly algorithm?: Algorithm
  readonly bare?: boolean
  readonly tag?: string
}

/** Pushes config, one layer and the manifest; `label` makes the bytes unique. */
export async function pushImage(
  writer: Writer,
  name: string,
  label: string,
  options: ImageOptions = {},
): Promise<Descriptor> {
  const held = await pushParts(writer, name, label, options)
  return pushManifest(writer.client, writer.ledger, name, held, options.tag === undefined ? {} : { tag: options.tag })
}

async function pushParts(
  { client, ledger }: Writer,
  name: string,
  label: string,
  options: ImageOptions,
): Promise<Held> {
  const kind = options.docker === true ? 'docker' : 'oci'
  const config = Buffer.from(
    JSON.stringify({
      architecture: options.architecture ?? 'amd64',
      os: 'linux',
      author: label,
      rootfs: { type: 'layers', diff_ids: [] },
    }),
  )
  const layer = options.layer ?? makeBytes(label, 5000)
  const pushedConfig = await pushBlob(client, ledger, name, config)
  const pushedLayer = await pushBlob(client, ledger, name, layer, options.algorithm)
  const types =
    kind === 'docker'
      ? ['application/vnd.docker.container.image.v1+json', 'application/vnd.docker.image.rootfs.diff.tar.gzip']
      : ['application/vnd.oci.image.config.v1+json', 'application/vnd.oci.image.layer.v1.tar+gzip']
  return writeManifest(
    kind === 'docker' ? TYPES.dockerImage : TYPES.ociImage,
    {
      config: { ...pushedConfig, mediaType: types[0] },
      layers: [{ ...pushedLayer, mediaType: types[1] }],
    },
    options.bare,
  )
}

/** A list or index of two images under `tag`; the children themselves carry no tag. */
export async function pushMultiArch(writer: Writer, name: string, tag: string, docker: boolean): Promise<Descriptor> {
  const manifests = []
  for (const architecture of ['amd64', 'arm64']) {
    const child = await pushImage(writer, name, `${tag} ${architecture}`, { docker, architecture })
    manifests.push({ ...child, platform: { architecture, os: 'linux' } })
  }
  const held = writeManifest(docker ? TYPES.dockerList : TYPES.ociIndex, { manifests })
  return pushManifest(writer.client, writer.ledger, name, held, { tag })
}

/** An artifact without tag that names `subject`. */
async function pushReferrer(writer: Writer, name: string, subject: Descriptor): Promise<Descriptor> {
  const empty = await pushBlob(writer.client, writer.ledger, name, Buffer.from('{}'))
  const config = { ...empty, mediaType: 'application/vnd.oci.empty.v1+json' }
  const held = writeManifest(TYPES.ociImage, {
    artifactType: 'application/vnd.example.signature',
    config,
    layers: [config],
    subject,
  })
  return pushManifest(writer.client, writer.ledger, name, held)
}

export const NESTED = ['p', 'p/0x', 'p/b', 'p-q'] as const

/** Everything that both kinds of writer take and in which nothing is without an owner. */
export async function pushCommon(writer: Writer): Promise<void> {
  await pushImage(writer, 'solo', 'schema 2', { docker: true, tag: '1' })
  await pushImage(writer, 'solo', 'oci', { tag: 'oci' })
  await pushImage(writer, 'solo', 'no media type inside', { bare: true, tag: 'bare' })
  await pushMultiArch(writer, 'team/multi', 'list', true)
  await pushMultiArch(writer, 'team/multi', 'index', false)
  for (const name of NESTED) await pushImage(writer, name, `nested ${name}`, { tag: 'v1' })
  await pushImage(writer, 'empty/blob', 'empty blob', { layer: Buffer.alloc(0), tag: 'v1' })
  await pushImage(writer, 'large', 'large', { layer: makeBytes('large', 3 << 20), tag: 'v1' })
}

/** A blob pushed by its sha512 and named so in the manifest: an alias at docker-registry, native at Tarn. */
export async function pushSha512(writer: Writer): Promise<Descriptor> {
  return pushImage(writer, 'sum/sha512', 'sha512', { algorithm: 'sha512', tag: 'v1' })
}

/** A manifest by its sha512 digest, which docker-registry never takes but serves. */
export async function pushSha512Manifest(writer: Writer): Promise<Descriptor> {
  const held = await pushParts(writer, 'sum/manifest', 'sha512 manifest', { algorithm: 'sha512' })
  return pushManifest(writer.client, writer.ledger, 'sum/manifest', held, { algorithm: 'sha512' })
}

/** A repository that holds nothing but an index without children: docker-registry makes no `_layers` for it. */
export async function pushIndexOnly({ client, ledger }: Writer): Promise<Descriptor> {
  return pushManifest(client, ledger, 'empty/index', writeManifest(TYPES.ociIndex, { manifests: [] }), {
    tag: 'v1',
  })
}

/** Moves a tag; the image that it left stays as a revision without tag. */
export async function pushRetag(writer: Writer): Promise<Descriptor> {
  const old = await pushImage(writer, 'team/retag', 'retag old', { tag: 'latest' })
  await pushImage(writer, 'team/retag', 'retag new', { tag: 'latest' })
  return old
}

/** An image with an untagged artifact that has it as its subject. */
export async function pushSigned(writer: Writer): Promise<Descriptor> {
  const subject = await pushImage(writer, 'team/signed', 'signed', { tag: 'v1' })
  return pushReferrer(writer, 'team/signed', subject)
}

/** A repository that loses its only image and blobs, and one that loses one of two images; gives what was deleted. */
export async function pushAndDelete(writer: Writer): Promise<string[]> {
  const { client, ledger } = writer
  const only = await pushImage(writer, 'emptied', 'emptied', { tag: 'v1' })
  const blobs = [...(ledger.get('emptied')?.blobs.keys() ?? [])]
  await deleteManifest(client, ledger, 'emptied', only.digest)
  for (const digest of blobs) await deleteBlob(client, ledger, 'emptied', digest)
  const one = await pushImage(writer, 'thinned', 'thinned one', { tag: 'one' })
  // Its blobs stay linked in the repository and readable; no manifest names them any more.
  const left = [...(ledger.get('thinned')?.blobs.keys() ?? [])]
  await pushImage(writer, 'thinned', 'thinned two', { tag: 'two' })
  await deleteManifest(client, ledger, 'thinned', one.digest)
  return [only.digest, ...blobs, one.digest, ...left]
}
