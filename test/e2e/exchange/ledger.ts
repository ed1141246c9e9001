// What was pushed, in the words of HTTP alone, and the pushing itself: the same calls go to Tarn and to the real
// registries, and what one took in the other must give back. It must never read a data directory.
import { createHash } from 'node:crypto'
import type { Answer, Client } from '../../helpers/client.ts'
import { addQuery, locationOf } from '../../helpers/client.ts'

export const TYPES = {
  dockerImage: 'application/vnd.docker.distribution.manifest.v2+json',
  dockerList: 'application/vnd.docker.distribution.manifest.list.v2+json',
  ociImage: 'application/vnd.oci.image.manifest.v1+json',
  ociIndex: 'application/vnd.oci.image.index.v1+json',
} as const

export type Algorithm = 'sha256' | 'sha512'

export interface Held {
  readonly mediaType: string
  readonly bytes: Buffer
}

/** What one repository holds: the truth that every reader is measured by. */
export interface Repository {
  readonly tags: Map<string, string>
  readonly manifests: Map<string, Held>
  readonly blobs: Map<string, Buffer>
}

export type Ledger = Map<string, Repository>

export interface Descriptor {
  readonly mediaType: string
  readonly digest: string
  readonly size: number
}

export function digestOf(bytes: Uint8Array, algorithm: Algorithm = 'sha256'): string {
  return `${algorithm}:${createHash(algorithm).update(bytes).digest('hex')}`
}

/** Bytes that are the same in every run and different for every label; incompressible. */
export function makeBytes(label: string, size: number): Buffer {
  const parts: Buffer[] = []
  for (let at = 0; at * 32 < size; at += 1) parts.push(createHash('sha256').update(`${label} ${at}`).digest())
  return Buffer.concat(parts).subarray(0, size)
}

/** Throws with the server's words unless the answer has one of these statuses. */
export function expectStatus(answer: Answer, what: string, ...statuses: number[]): Answer {
  if (statuses.includes(answer.status)) return answer
  throw new Error(
    `${what}: status ${answer.status} instead of ${statuses.join(' or ')}: ${answer.body.toString().slice(0, 400)}`,
  )
}

function openRepository(ledger: Ledger, name: string): Repository {
  const there = ledger.get(name)
  if (there !== undefined) return there
  const made: Repository = { tags: new Map(), manifests: new Map(), blobs: new Map() }
  ledger.set(name, made)
  return made
}

/** Pushes a blob by POST, PATCH and PUT, under the digest of `algorithm`, and notes it. */
export async function pushBlob(
  client: Client,
  ledger: Ledger,
  name: string,
  bytes: Buffer,
  algorithm: Algorithm = 'sha256',
): Promise<Descriptor> {
  const digest = digestOf(bytes, algorithm)
  const begun = expectStatus(await client.send('POST', `/v2/${name}/blobs/uploads/`), `POST upload of ${name}`, 202)
  const sent = await client.send('PATCH', locationOf(begun), {
    body: bytes,
    headers: { 'content-type': 'application/octet-stream' },
  })
  expectStatus(sent, `PATCH upload of ${name}`, 202)
  const done = await client.send('PUT', addQuery(locationOf(sent), { digest }))
  expectStatus(done, `PUT ${digest} to ${name}`, 201)
  openRepository(ledger, name).blobs.set(digest, bytes)
  return { mediaType: 'application/octet-stream', digest, size: bytes.length }
}

/** Pushes manifest bytes by tag, or by digest when no tag is given, and notes them; gives their descriptor. */
export async function pushManifest(
  client: Client,
  ledger: Ledger,
  name: string,
  held: Held,
  target: { tag?: string; algorithm?: Algorithm } = {},
): Promise<Descriptor> {
  const digest = digestOf(held.bytes, target.algorithm)
  const answer = await client.send('PUT', `/v2/${name}/manifests/${target.tag ?? digest}`, {
    body: held.bytes,
    headers: { 'content-type': held.mediaType },
  })
  expectStatus(answer, `PUT manifest ${target.tag ?? digest} of ${name}`, 201)
  const repository = openRepository(ledger, name)
  repository.manifests.set(digest, held)
  if (target.tag !== undefined) repository.tags.set(target.tag, digest)
  return { mediaType: held.mediaType, digest, size: held.bytes.length }
}

/** Deletes a manifest by digest, which takes the tags that point to it along. */
export async function deleteManifest(client: Client, ledger: Ledger, name: string, digest: string): Promise<void> {
  expectStatus(await client.send('DELETE', `/v2/${name}/manifests/${digest}`), `DELETE ${digest} of ${name}`, 202)
  const repository = openRepository(ledger, name)
  repository.manifests.delete(digest)
  for (const [tag, target] of repository.tags) if (target === digest) repository.tags.delete(tag)
}

/** Takes a blob out of one repository. */
export async function deleteBlob(client: Client, ledger: Ledger, name: string, digest: string): Promise<void> {
  expectStatus(await client.send('DELETE', `/v2/${name}/blobs/${digest}`), `DELETE ${digest} of ${name}`, 202)
  openRepository(ledger, name).blobs.delete(digest)
}

/** A copy that later pushes do not change. */
export function copyLedger(ledger: Ledger): Ledger {
  return new Map(
    [...ledger].map(([name, { tags, manifests, blobs }]) => [
      name,
      { tags: new Map(tags), manifests: new Map(manifests), blobs: new Map(blobs) },
    ]),
  )
}

/** Manifest bytes as a client writes them; `mediaType` stands inside unless `bare`. */
export function writeManifest(mediaType: string, body: object, bare = false): Held {
  const head = bare ? { schemaVersion: 2 } : { schemaVersion: 2, mediaType }
  return { mediaType, bytes: Buffer.from(JSON.stringify({ ...head, ...body }, null, 3)) }
}
