// What `oc adm release mirror` was seen to ask of a registry, request for request, for machines without an `oc`: manifests
// first, each blob in one chunked PATCH without a length, an untimely DELETE, manifests once a tag, children by digest.
import { Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import type { FixtureRelease } from '../../fixtures/release.ts'
import type { FixtureBlob } from '../../fixtures/release-content.ts'
import type { FixtureImage } from '../../fixtures/release-images.ts'
import type { Answer, Client } from '../../helpers/client.ts'
import { addQuery, headerOf, locationOf } from '../../helpers/client.ts'

const ACCEPT = [
  'application/vnd.docker.distribution.manifest.v2+json',
  'application/vnd.docker.distribution.manifest.list.v2+json',
  'application/vnd.docker.distribution.manifest.v1+prettyjws',
  'application/vnd.oci.image.manifest.v1+json',
  'application/vnd.oci.image.index.v1+json',
]

export interface Replayed {
  /** Blobs that went over. */
  readonly sent: number
}

/** Mirrors as `oc` does; throws on an answer that it would not take. */
export async function replayOc(
  client: Client,
  release: FixtureRelease,
  repository: string,
  tags: ReadonlyMap<string, string>,
): Promise<Replayed> {
  expect(await client.send('GET', '/v2/'), 200)
  const images = new Map<string, FixtureImage>([[release.image.top.digest, release.image]])
  for (const { digest, image } of release.components) images.set(digest, image)
  let sent = 0
  for (const [digest, image] of images) {
    const there = await client.send('GET', `/v2/${repository}/manifests/${digest}`, { headers: { accept: ACCEPT } })
    // 200 means to oc that all its layers are there.
    if (there.status === 200) continue
    expect(there, 404)
    for (const blob of image.blobs) if (await pushBlob(client, repository, blob)) sent += 1
    for (const child of image.manifests.filter((each) => each !== image.top))
      await putManifest(client, repository, child.digest, child)
  }
  for (const [tag, digest] of tags) {
    const image = images.get(digest)
    if (image !== undefined) await putManifest(client, repository, tag, image.top)
  }
  return { sent }
}

async function pushBlob(client: Client, repository: string, blob: FixtureBlob): Promise<boolean> {
  const head = await client.send('HEAD', `/v2/${repository}/blobs/${blob.digest}`)
  if (head.status === 200) {
    if (headerOf(head, 'content-length') !== String(blob.size)) throw new Error('a HEAD of a blob without its length')
    return false
  }
  // As oc 4.4 has it, with an empty type.
  const begun = await client.send('POST', `/v2/${repository}/blobs/uploads/`, { headers: { 'content-type': '' } })
  expect(begun, 202)
  const bytes = await buffer(Readable.from(blob.open()))
  const half = Math.ceil(bytes.length / 2)
  const chunks = [bytes.subarray(0, half), bytes.subarray(half)].filter((chunk) => chunk.length > 0)
  const patched = await client.send('PATCH', locationOf(begun), { chunks })
  expect(patched, 202)
  const range = headerOf(patched, 'range')
  if (range !== `0-${blob.size - 1}`) throw new Error(`the Range of a PATCH is ${range}`)
  expect(await client.send('PUT', addQuery(locationOf(patched), { digest: blob.digest })), 201)
  expect(await client.send('HEAD', `/v2/${repository}/blobs/${blob.digest}`), 200)
  const late = await client.send('DELETE', locationOf(patched))
  if (late.status !== 404 && late.status !== 204) throw new Error(`a late DELETE was answered ${late.status}`)
  return true
}

async function putManifest(
  client: Client,
  repository: string,
  reference: string,
  { bytes, mediaType, digest }: { bytes: Buffer; mediaType: string; digest: string },
): Promise<void> {
  const headers = { 'content-type': mediaType }
  const put = await client.send('PUT', `/v2/${repository}/manifests/${reference}`, { headers, body: bytes })
  expect(put, 201)
  if (headerOf(put, 'docker-content-digest') !== digest) throw new Error('a PUT of a manifest without its digest')
}

function expect(answer: Answer, status: number): void {
  if (answer.status !== status) throw new Error(`answered ${answer.status} for ${status}: ${answer.body.toString()}`)
}
