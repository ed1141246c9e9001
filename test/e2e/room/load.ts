// Clients at work while the disk is filled and freed. Each knows what it must be answered, and notes what it was
// answered instead.
import type { Client, Reply } from '../durability/client.ts'
import { describeReply } from '../durability/client.ts'
import {
  TYPES,
  deleteBlob,
  deleteManifest,
  describe,
  digestOf,
  getBlob,
  getManifest,
  imageManifest,
  pushBlob,
  putManifest,
} from '../durability/push.ts'
import type { Random } from '../durability/random.ts'

export interface Image {
  readonly repository: string
  readonly tag: string
  readonly manifest: Buffer
  readonly blob: string
}

export interface Load {
  readonly client: Client
  readonly random: Random
  readonly faults: string[]
  /** Answers by kind of act and status. */
  readonly answers: Map<string, number>
}

const STYLES = ['monolithic', 'chunked', 'single post'] as const

/** Pushes an image of one blob; undefined when there was no room for it. Any other refusal is a fault. */
export async function pushImage(load: Load, repository: string, tag: string, size: number): Promise<Image | undefined> {
  const { client, random } = load
  const bytes = random.bytes(size)
  const style = random.pick(STYLES) ?? 'monolithic'
  if (!isTaken(load, `push of a blob (${style})`, await pushBlob(client, repository, bytes, style))) return undefined
  const manifest = imageManifest(describe(TYPES.config, bytes), [], tag)
  if (!isTaken(load, 'push of a manifest', await putManifest(client, repository, tag, manifest))) return undefined
  return { repository, tag, manifest, blob: digestOf(bytes) }
}

/** Pulls the image by GET and HEAD; anything but all of it is a fault. */
export async function pullImage(load: Load, { repository, tag, manifest, blob }: Image): Promise<void> {
  const { client } = load
  const served = await getManifest(client, repository, tag)
  expect(load, 'GET of a manifest', served, 200, `sha256:${served.sha256}` === digestOf(manifest))
  const bytes = await getBlob(client, repository, blob)
  expect(load, 'GET of a blob', bytes, 200, `sha256:${bytes.sha256}` === blob)
  for (const path of [`/v2/${repository}/manifests/${tag}`, `/v2/${repository}/blobs/${blob}`]) {
    expect(load, 'HEAD', await client.send({ method: 'HEAD', path }), 200)
  }
}

/** Deletes the tag, the manifest and the blob of the image; a refusal is a fault. */
export async function deleteImage(load: Load, { repository, tag, manifest, blob }: Image): Promise<void> {
  const { client } = load
  expect(load, 'DELETE of a tag', await deleteManifest(client, repository, tag), 202)
  expect(load, 'DELETE of a manifest', await deleteManifest(client, repository, digestOf(manifest)), 202)
  expect(load, 'DELETE of a blob', await deleteBlob(client, repository, blob), 202)
  expect(load, 'GET of a deleted tag', await getManifest(client, repository, tag), 404)
}

function isTaken(load: Load, act: string, reply: Reply): boolean {
  const isRefused = reply.status === 503 && reply.clean && reply.headers['retry-after'] !== undefined
  note(load, act, reply, reply.status === 201 || (isRefused && reply.body.includes('UNAVAILABLE')))
  return reply.status === 201
}

function expect(load: Load, act: string, reply: Reply, status: number, isRight = true): void {
  note(load, act, reply, reply.status === status && reply.clean && isRight)
}

function note({ faults, answers }: Load, act: string, reply: Reply, isRight: boolean): void {
  const key = `${act}: ${reply.status}`
  answers.set(key, (answers.get(key) ?? 0) + 1)
  if (!isRight) faults.push(`${act}: ${describeReply(reply)}`)
}
