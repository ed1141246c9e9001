// Small pushes that tests begin with. They throw unless the registry took them.
import type { Client } from './client.ts'
import { addQuery } from './client.ts'
import { hashOf } from './digest.ts'

export const DOCKER_MANIFEST = 'application/vnd.docker.distribution.manifest.v2+json'
export const DOCKER_LIST = 'application/vnd.docker.distribution.manifest.list.v2+json'
export const DOCKER_CONFIG = 'application/vnd.docker.container.image.v1+json'
export const OCI_MANIFEST = 'application/vnd.oci.image.manifest.v1+json'
export const OCI_INDEX = 'application/vnd.oci.image.index.v1+json'
export const OCI_CONFIG = 'application/vnd.oci.image.config.v1+json'

export interface Pushed {
  readonly digest: string
  readonly body: Buffer
  readonly mediaType: string
}

/** Pushes a blob in one POST; gives its digest. */
export async function pushBlob(client: Client, repo: string, bytes: Buffer): Promise<string> {
  const digest = hashOf(bytes)
  const answer = await client.send('POST', addQuery(`/v2/${repo}/blobs/uploads/`, { digest }), {
    body: bytes,
  })
  if (answer.status !== 201) throw new Error(`push of a blob answered ${answer.status}: ${answer.body.toString()}`)
  return digest
}

/** Pushes a manifest body as it is under `reference`, or under its own digest. */
export async function pushManifest(
  client: Client,
  repo: string,
  mediaType: string,
  body: Buffer,
  reference = hashOf(body),
): Promise<Pushed> {
  const answer = await client.send('PUT', `/v2/${repo}/manifests/${reference}`, {
    headers: { 'content-type': mediaType },
    body,
  })
  if (answer.status !== 201) throw new Error(`push of a manifest answered ${answer.status}: ${answer.body.toString()}`)
  return { digest: hashOf(body), body, mediaType }
}

/** Pushes an image of one config and no layer, told apart by `note`; Docker's or OCI's. */
export async function pushImage(
  client: Client,
  repo: string,
  note: string,
  options: { readonly reference?: string; readonly docker?: boolean } = {},
): Promise<Pushed> {
  const config = Buffer.from(JSON.stringify({ os: 'linux', architecture: 'amd64', note }))
  const digest = await pushBlob(client, repo, config)
  const mediaType = options.docker === true ? DOCKER_MANIFEST : OCI_MANIFEST
  const configType = options.docker === true ? DOCKER_CONFIG : OCI_CONFIG
  const body = Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType,
      config: { mediaType: configType, digest, size: config.length },
      layers: [],
    }),
  )
  return pushManifest(client, repo, mediaType, body, options.reference)
}
