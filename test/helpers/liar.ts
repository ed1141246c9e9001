// An upstream that lies: it has images in memory and answers as a registry does, but for what a test twists. And the Tarn
// that mirrors it, with an image of its own that nothing may take away.
import { existsSync, readdirSync } from 'node:fs'
import type { ServerResponse } from 'node:http'
import { join } from 'node:path'
import { pino } from 'pino'
import type { Test } from 'tap'
import type { UpstreamOptions } from '../../src/upstream/client.ts'
import type { Client } from './client.ts'
import { hashOf } from './digest.ts'
import type { StartedMirror } from './mirror.ts'
import { startMirror, UP } from './mirror.ts'
import type { Pushed } from './push.ts'
import { OCI_CONFIG, OCI_INDEX, OCI_MANIFEST, pushImage } from './push.ts'
import type { FakeUpstream, SeenRequest } from './upstream.ts'
import { FAKE_CA, startFake } from './upstream.ts'

export const NAME = 'team/app'
/** The repository here. */
export const HERE = `${UP}/${NAME}`

export interface Descriptor {
  readonly mediaType: string
  readonly digest: string
  readonly size: number
}

interface Thing {
  readonly bytes: Buffer
  readonly type: string
}

/** Answers in the liar's own way; gives true when it did. */
export type Twist = (request: SeenRequest, response: ServerResponse) => boolean

/** What the upstream has, by path; `twist` comes before it. */
export class Stock {
  readonly #things = new Map<string, Thing>()
  twist: Twist | undefined

  blob(bytes: Buffer, mediaType = 'application/vnd.oci.image.layer.v1.tar'): Descriptor {
    const digest = hashOf(bytes)
    this.#things.set(`/v2/${NAME}/blobs/${digest}`, { bytes, type: 'application/octet-stream' })
    return { mediaType, digest, size: bytes.length }
  }

  /** A document under its digest and these tags, whatever it says. */
  manifest(body: object | string | Buffer, tags: readonly string[] = [], type = OCI_MANIFEST): Descriptor {
    const isText = typeof body === 'string'
    const bytes = Buffer.isBuffer(body) ? body : Buffer.from(isText ? body : JSON.stringify(body))
    const digest = hashOf(bytes)
    for (const reference of [digest, ...tags]) this.#things.set(`/v2/${NAME}/manifests/${reference}`, { bytes, type })
    return { mediaType: type, digest, size: bytes.length }
  }

  image(tags: readonly string[], layers: readonly Descriptor[], more: object = {}): Descriptor {
    const config = this.blob(Buffer.from(JSON.stringify({ os: 'linux', tags, layers })), OCI_CONFIG)
    return this.manifest({ schemaVersion: 2, mediaType: OCI_MANIFEST, config, layers, ...more }, tags)
  }

  index(tags: readonly string[], manifests: readonly object[], more: object = {}): Descriptor {
    return this.manifest({ schemaVersion: 2, mediaType: OCI_INDEX, manifests, ...more }, tags, OCI_INDEX)
  }

  readonly answer = (request: SeenRequest, response: ServerResponse): void => {
    if (this.twist?.(request, response) === true) return
    const { method, url, headers } = request
    const path = url.replace(/\?.*/, '').replaceAll('%3A', ':')
    const found = this.#things.get(path)
    if (found === undefined) {
      const isList = path.includes('/referrers/')
      const empty = JSON.stringify({ schemaVersion: 2, mediaType: OCI_INDEX, manifests: [] })
      response.writeHead(isList ? 200 : 404, { 'content-type': isList ? OCI_INDEX : 'application/json' })
      response.end(isList ? empty : '{}')
      return
    }
    const from = Number(/^bytes=(\d+)-$/.exec(headers.range ?? '')?.[1] ?? 0)
    const { bytes, type } = found
    const part = from > 0 ? { 'content-range': `bytes ${from}-${bytes.length - 1}/${bytes.length}` } : undefined
    response.writeHead(part ? 206 : 200, {
      'content-type': type,
      'content-length': bytes.length - from,
      'docker-content-digest': path.slice(path.lastIndexOf('/') + 1).startsWith('sha256:')
        ? path.slice(path.lastIndexOf('/') + 1)
        : hashOf(bytes),
      ...part,
    })
    response.end(method === 'HEAD' ? undefined : bytes.subarray(from))
  }
}

export interface Victim {
  readonly stock: Stock
  readonly fake: FakeUpstream
  readonly mirror: StartedMirror
  /** An image that was pushed here, under the tag `mine`. */
  readonly mine: Pushed
  /** Everything that was logged. */
  readonly log: () => string
}

export interface VictimOptions {
  readonly tls?: boolean
  /** The name of the upstream in its url; 127.0.0.1 unless told. */
  readonly named?: string
  /** Keys of the upstream in the configuration. */
  readonly upstream?: Record<string, unknown>
  readonly client?: Partial<UpstreamOptions>
}

/** A liar and the Tarn that mirrors it, with short timeouts. */
export async function startVictim(t: Test, options: VictimOptions = {}): Promise<Victim> {
  const { tls = false, named, client = {} } = options
  const stock = new Stock()
  const fake = await startFake(t, stock.answer, { tls })
  let log = ''
  const logger = pino({ level: 'trace' }, { write: (line: string) => void (log += line) })
  const mirror = await startMirror(t, [{ origin: named === undefined ? fake.origin : fake.named(named) }], {
    upstream: { insecure: !tls, ...options.upstream },
    parts: {
      logger,
      upstream: {
        client: {
          ca: FAKE_CA,
          breaker: { first: 50, longest: 200 },
          timeouts: { connect: 1000, headers: 1000, idle: 1000, whole: 2000 },
          ...client,
        },
        patience: { first: 500, later: 1000 },
      },
    },
  })
  const mine = await pushImage(mirror.client, HERE, 'pushed here', { reference: 'mine' })
  return { stock, fake, mirror, mine, log: () => log }
}

export interface Outcome {
  /** Whether an answer came to its end as HTTP has it. */
  readonly clean: boolean
  readonly status: number
  readonly body: Buffer
  readonly text: string
}

/** What a client is given for a path of the mirrored repository, as `manifests/latest`. */
export async function ask(client: Client, path: string, method = 'GET'): Promise<Outcome> {
  try {
    const accept = [OCI_MANIFEST, OCI_INDEX].join(', ')
    const { status, body, headers } = await client.send(method, `/v2/${HERE}/${path}`, { headers: { accept } })
    return { clean: true, status, body, text: `${JSON.stringify(headers)} ${body.toString()}` }
  } catch (error) {
    return { clean: false, status: 0, body: Buffer.alloc(0), text: String(error) }
  }
}

/** What was pushed here is here, unchanged. */
export async function checkMine(t: Test, { mirror, mine }: Victim): Promise<void> {
  const { status, body } = await ask(mirror.client, 'manifests/mine')
  t.equal(status, 200, 'what was pushed here is still here')
  t.same(body, mine.body, 'and is what was pushed')
}

/** Whether the blob store has anything under the digest. */
export function isStored({ mirror }: Victim, digest: string): boolean {
  const hex = digest.replace(/^sha256:/, '')
  const folder = join(mirror.data, 'docker', 'registry', 'v2', 'blobs', 'sha256', hex.slice(0, 2))
  try {
    return readdirSync(folder).includes(hex)
  } catch {
    return false
  }
}

/** Tags of the repository that are linked on the disk. */
export function tagsHere({ mirror }: Victim): string[] {
  const folder = join(mirror.data, 'docker', 'registry', 'v2', 'repositories', HERE, '_manifests', 'tags')
  return readdirSync(folder)
    .filter((tag) => existsSync(join(folder, tag, 'current', 'link')))
    .toSorted()
}
