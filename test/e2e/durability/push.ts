// The six acknowledging acts as a client does them, and what they are made of. Each gives the reply that
// acknowledges (or refuses) and leaves the judgement to its caller.
import { createHash } from 'node:crypto'
import type { Client, Reply } from './client.ts'

export const TYPES = {
  manifest: 'application/vnd.oci.image.manifest.v1+json',
  index: 'application/vnd.oci.image.index.v1+json',
  config: 'application/vnd.oci.image.config.v1+json',
  layer: 'application/vnd.oci.image.layer.v1.tar',
} as const

export interface Descriptor {
  readonly mediaType: string
  readonly digest: string
  readonly size: number
}

export type Style = 'monolithic' | 'chunked' | 'single post'

const STREAM = { 'Content-Type': 'application/octet-stream' }

export function digestOf(bytes: Uint8Array, algorithm = 'sha256'): string {
  return `${algorithm}:${createHash(algorithm).update(bytes).digest('hex')}`
}

export function describe(mediaType: string, bytes: Uint8Array): Descriptor {
  return { mediaType, digest: digestOf(bytes), size: bytes.byteLength }
}

/** The bytes of an OCI image manifest; `note` makes it unlike any other. */
export function imageManifest(
  config: Descriptor,
  layers: readonly Descriptor[],
  note: string,
  subject?: Descriptor,
): Buffer {
  return Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: TYPES.manifest,
      config,
      layers,
      ...(subject === undefined ? {} : { subject }),
      annotations: { note },
    }),
  )
}

/** The bytes of an OCI index without children: the only manifest that needs nothing else. */
export function emptyIndex(note: string): Buffer {
  return Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: TYPES.index,
      manifests: [],
      annotations: { note },
    }),
  )
}

/** Uploads `bytes`; the reply is that of the closing request, or of the one that failed before it. */
export async function pushBlob(
  client: Client,
  repository: string,
  bytes: Uint8Array,
  style: Style = 'monolithic',
  digest: string = digestOf(bytes),
): Promise<Reply> {
  const uploads = `/v2/${repository}/blobs/uploads/`
  if (style === 'single post') {
    return client.send({
      method: 'POST',
      path: `${uploads}?digest=${digest}`,
      headers: STREAM,
      body: bytes,
    })
  }
  const started = await client.send({ method: 'POST', path: uploads })
  if (started.status !== 202) return started
  let location = started.headers['location'] ?? ''
  let rest = bytes
  if (style === 'chunked') {
    const half = Math.ceil(bytes.byteLength / 2)
    for (const [from, to] of [
      [0, half],
      [half, bytes.byteLength],
    ] as const) {
      if (to === from) continue
      const headers = { ...STREAM, 'Content-Range': `${from}-${to - 1}` }
      const patched = await client.send({
        method: 'PATCH',
        path: location,
        headers,
        body: bytes.subarray(from, to),
      })
      if (patched.status !== 202) return patched
      location = patched.headers['location'] ?? location
    }
    rest = bytes.subarray(bytes.byteLength)
  }
  const path = `${location}${location.includes('?') ? '&' : '?'}digest=${digest}`
  return client.send({ method: 'PUT', path, headers: STREAM, body: rest })
}

export function mountBlob(client: Client, repository: string, digest: string, from: string): Promise<Reply> {
  return client.send({
    method: 'POST',
    path: `/v2/${repository}/blobs/uploads/?mount=${digest}&from=${from}`,
  })
}

export function putManifest(client: Client, repository: string, reference: string, bytes: Buffer): Promise<Reply> {
  const { mediaType } = JSON.parse(bytes.toString()) as { mediaType: string }
  const path = `/v2/${repository}/manifests/${reference}`
  return client.send({ method: 'PUT', path, headers: { 'Content-Type': mediaType }, body: bytes })
}

export function deleteManifest(client: Client, repository: string, reference: string): Promise<Reply> {
  return client.send({ method: 'DELETE', path: `/v2/${repository}/manifests/${reference}` })
}

export function deleteBlob(client: Client, repository: string, digest: string): Promise<Reply> {
  return client.send({ method: 'DELETE', path: `/v2/${repository}/blobs/${digest}` })
}

const ANY_MANIFEST = {
  Accept: [
    TYPES.manifest,
    TYPES.index,
    'application/vnd.docker.distribution.manifest.v2+json',
    'application/vnd.docker.distribution.manifest.list.v2+json',
  ].join(', '),
}

export function getManifest(client: Client, repository: string, reference: string): Promise<Reply> {
  return client.get(`/v2/${repository}/manifests/${reference}`, ANY_MANIFEST)
}

export function getBlob(client: Client, repository: string, digest: string): Promise<Reply> {
  return client.get(`/v2/${repository}/blobs/${digest}`)
}
