// A client of the soak: its connection, its own repositories, and the small requests that its acts are made of. Each
// request that says "it exists" gives back when it was sent, because from then on its promise is good for a lease.
import type { Client, Reply } from '../durability/client.ts'
import { describeReply } from '../durability/client.ts'
import type { Style } from '../durability/push.ts'
import { digestOf, mountBlob, pushBlob, putManifest } from '../durability/push.ts'
import type { Random } from '../durability/random.ts'
import type { BuiltImage } from './files.ts'
import type { Findings, Timed } from './findings.ts'
import type { Image, Repository } from './promised.ts'

export interface Desk {
  readonly client: Client
  readonly random: Random
  readonly findings: Findings
  /** Milliseconds for which an answer that says "it exists" is good. */
  readonly lease: number
  /** Repositories that this client alone changes. */
  readonly own: readonly Repository[]
  /** All repositories, for reading and mounting. */
  readonly all: readonly Repository[]
  /** Layers that images of all repositories share. */
  readonly layers: readonly Buffer[]
  /** Longest pause in milliseconds between the answers that a push rests on and its manifest; 0 for none. */
  readonly pause: number
}

const STYLES: readonly Style[] = ['monolithic', 'chunked', 'single post']
const OCTETS = { 'Content-Type': 'application/octet-stream' }

export const now = (): number => performance.now()

/** Waits somewhere between nothing and the desk's longest pause, in every second case not at all. */
export async function think({ pause, random }: Desk): Promise<void> {
  const wait = pause === 0 || random.number(2) === 0 ? 0 : random.number(pause)
  if (wait > 0) await new Promise((resolve) => setTimeout(resolve, wait))
}

/** Sends a request and counts its answer. An answer that only a broken server gives is complained about. */
export async function count(desk: Desk, act: string, what: string, send: () => Promise<Reply>): Promise<Reply> {
  const reply = await send()
  desk.findings.count(act)
  if (reply.status === 0 || reply.status >= 500) desk.findings.complain(`${act} ${what}: ${describeReply(reply)}`)
  return reply
}

/** As clients push a blob: HEAD, else mount, else upload. Undefined when the server refused all of it. */
export async function ensureBlob(
  desk: Desk,
  { name }: Repository,
  bytes: Buffer,
  digest: string,
): Promise<Timed | undefined> {
  const { client, random } = desk
  const asked = now()
  const path = `/v2/${name}/blobs/${digest}`
  const head = await count(desk, 'HEAD', path, () => client.send({ method: 'HEAD', path }))
  if (head.status === 200) return { sentAt: asked }
  const source = random.number(2) === 0 ? undefined : random.pick(desk.all.filter((each) => each.blobs().has(digest)))
  if (source !== undefined) {
    const sentAt = now()
    const mounted = await count(desk, 'mount', path, () => mountBlob(client, name, digest, source.name))
    if (mounted.status === 201) return { sentAt }
    // The blob went away in the source; the answer has opened an upload.
    const location = mounted.headers['location'] ?? ''
    return upload(desk, path, () =>
      client.send({
        method: 'PUT',
        path: `${location}${location.includes('?') ? '&' : '?'}digest=${digest}`,
        headers: OCTETS,
        body: bytes,
      }),
    )
  }
  const style = random.pick(STYLES)
  return upload(desk, path, () => pushBlob(client, name, bytes, style, digest))
}

async function upload(desk: Desk, what: string, send: () => Promise<Reply>): Promise<Timed | undefined> {
  const sentAt = now()
  const reply = await count(desk, 'blob push', what, send)
  if (reply.status === 201) return { sentAt }
  desk.findings.complain(`blob push ${what}: ${describeReply(reply)}`)
  return undefined
}

/**
 * Sends a manifest and notes what the server owes from its answer on. `oldest` is when the oldest of the promises on
 * which it rests was asked for: only when that was a lease ago may the server not know them any more (`late`).
 */
export async function sendManifest(
  desk: Desk,
  repository: Repository,
  image: Image,
  reference: string,
  oldest: number,
): Promise<'done' | 'late' | 'refused'> {
  const { client, findings, lease } = desk
  const what = `${repository.name}:${reference}`
  return repository.change(async () => {
    const reply = await count(desk, 'manifest push', what, () =>
      putManifest(client, repository.name, reference, image.bytes),
    )
    if (reply.status === 201) {
      repository.keep(image, reference.includes(':') ? undefined : reference)
      return 'done'
    }
    const age = Math.round(now() - oldest)
    if (/_UNKNOWN/.test(reply.body.toString('latin1')) && age >= lease) {
      findings.late++
      return 'late'
    }
    findings.complain(`manifest push ${what}: ${describeReply(reply)}, ${age} ms after what it names was asked for`)
    return 'refused'
  })
}

const MOST_TRIES = 20

/** Pushes an image as clients do, again from the beginning when it was too slow; gives when its last PUT was sent. */
export async function pushWhole(
  desk: Desk,
  repository: Repository,
  { image, parts }: BuiltImage,
  reference: string,
): Promise<Timed | undefined> {
  for (let tries = 0; tries < MOST_TRIES; tries++) {
    const found = await Promise.all([...parts].map(([digest, bytes]) => ensureBlob(desk, repository, bytes, digest)))
    const oldest = Math.min(...found.map((each) => each?.sentAt ?? Number.NaN))
    if (Number.isNaN(oldest)) return undefined
    await think(desk)
    const sentAt = now()
    const sent = await sendManifest(desk, repository, image, reference, oldest)
    if (sent !== 'late') return sent === 'done' ? { sentAt } : undefined
  }
  desk.findings.complain(`manifest push ${repository.name}:${reference}: too slow ${MOST_TRIES} times`)
  return undefined
}

/** Fresh bytes with their digest, small but for one in fifty. */
export function makeBytes({ random }: Desk): { bytes: Buffer; digest: string } {
  const bytes = random.bytes(100 + (random.number(50) === 0 ? random.number(500_000) : random.number(4000)))
  return { bytes, digest: digestOf(bytes) }
}
