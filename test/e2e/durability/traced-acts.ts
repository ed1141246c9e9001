// What the strace checker has a server do: each of the six acknowledging acts, in a fresh repository, in one
// that is there, and on bytes that came by tar. One after the other, so that each answer stands alone.
import { join } from 'node:path'
import type { Client, Reply } from './client.ts'
import type { Style } from './push.ts'
import {
  TYPES,
  deleteBlob,
  deleteManifest,
  describe,
  digestOf,
  emptyIndex,
  imageManifest,
  mountBlob,
  pushBlob,
  putManifest,
} from './push.ts'

export interface TracedAct {
  readonly name: string
  /** Method and path with which the acknowledged request begins. */
  readonly request: string
  /** Paths below the data directory that must exist and be safe when the answer leaves. */
  readonly promises: readonly string[]
  /** The promised files came from another program: nobody knows whether it made them durable. */
  readonly isHeld?: boolean
  /** docker-registry 2.8.2 cannot do it. */
  readonly isNew?: boolean
  run(client: Client): Promise<Reply>
}

const CONFIG = Buffer.from('{"architecture":"amd64","os":"linux"}')
const LAYER = Buffer.alloc(70_000, 'layer')
const LOOSE = Buffer.from('a blob that no manifest names')
const IMAGE = imageManifest(describe(TYPES.config, CONFIG), [describe(TYPES.layer, LAYER)], 'first')
const MOVED = imageManifest(describe(TYPES.config, CONFIG), [describe(TYPES.layer, LAYER)], 'second')
const SIGNATURE = imageManifest(describe(TYPES.config, CONFIG), [], 'about the first', describe(TYPES.manifest, IMAGE))

/** Pushes the image `held/image:latest`, which the traced server then finds on its disk. */
export async function pushHeld(client: Client): Promise<Reply[]> {
  return [
    await pushBlob(client, 'held/image', CONFIG),
    await pushBlob(client, 'held/image', LAYER),
    await pushBlob(client, 'held/image', LOOSE),
    await putManifest(client, 'held/image', 'latest', IMAGE),
    await putManifest(client, 'held/image', 'old', MOVED),
  ]
}

const V2 = 'docker/registry/v2'
const split = (digest: string): string => digest.replace(':', '/')
const blobPath = (digest: string): string => {
  const [algorithm = '', hex = ''] = digest.split(':')
  return join(V2, 'blobs', algorithm, hex.slice(0, 2), hex, 'data')
}
const inRepository = (name: string, ...rest: string[]): string => join(V2, 'repositories', name, ...rest, 'link')
const layerPath = (name: string, digest: string): string => inRepository(name, '_layers', split(digest))
const revisionPath = (name: string, digest: string): string =>
  inRepository(name, '_manifests', 'revisions', split(digest))
const tagPath = (name: string, tag: string): string => inRepository(name, '_manifests', 'tags', tag, 'current')

function blob(name: string, repository: string, bytes: Buffer, style: Style, more: Partial<TracedAct> = {}): TracedAct {
  const digest = digestOf(bytes)
  return {
    name: `blob ${name}`,
    request: `${style === 'single post' ? 'POST' : 'PUT'} /v2/${repository}/blobs/uploads/`,
    promises: [blobPath(digest), layerPath(repository, digest)],
    run: (client) => pushBlob(client, repository, bytes, style, digest),
    ...more,
  }
}

function mount(
  name: string,
  repository: string,
  bytes: Buffer,
  from: string,
  more: Partial<TracedAct> = {},
): TracedAct {
  const digest = digestOf(bytes)
  return {
    name: `mount ${name}`,
    request: `POST /v2/${repository}/blobs/uploads/`,
    promises: [blobPath(digest), layerPath(repository, digest)],
    run: (client) => mountBlob(client, repository, digest, from),
    ...more,
  }
}

function manifest(
  name: string,
  repository: string,
  tag: string,
  bytes: Buffer,
  more: Partial<TracedAct> = {},
): TracedAct {
  const digest = digestOf(bytes)
  const byTag = tag === '' ? [] : [tagPath(repository, tag)]
  const reference = tag === '' ? digest : tag
  return {
    name: `manifest ${name}`,
    request: `PUT /v2/${repository}/manifests/${reference}`,
    promises: [blobPath(digest), revisionPath(repository, digest), ...byTag],
    run: (client) => putManifest(client, repository, reference, bytes),
    ...more,
  }
}

function removal(kind: 'tag' | 'manifest' | 'blob', name: string, repository: string, reference: string): TracedAct {
  const isBlob = kind === 'blob'
  return {
    name: `${kind} delete ${name}`,
    request: `DELETE /v2/${repository}/${isBlob ? 'blobs' : 'manifests'}/${reference}`,
    promises: [],
    isNew: kind === 'tag',
    run: (client) => (isBlob ? deleteBlob : deleteManifest)(client, repository, reference),
  }
}

const SHA512 = Buffer.from('a blob by its sha512')
const SHA512_DIGEST = digestOf(SHA512, 'sha512')
const held = { isHeld: true }

/** The acts in their order; later ones stand on earlier ones. */
export const TRACED_ACTS: readonly TracedAct[] = [
  blob('pushed in one PUT to a fresh repository', 'fresh/one', CONFIG, 'monolithic'),
  blob('pushed in chunks to a fresh repository', 'fresh/two', LAYER, 'chunked'),
  blob('pushed in chunks to a repository that is there', 'fresh/one', LAYER, 'chunked'),
  blob('pushed in one PUT to a repository that is there', 'fresh/one', Buffer.from('more'), 'monolithic'),
  blob('pushed in one POST', 'fresh/three', Buffer.from('at once'), 'single post', { isNew: true }),
  blob('of no bytes', 'fresh/one', Buffer.alloc(0), 'monolithic'),
  blob('pushed again', 'fresh/one', CONFIG, 'monolithic'),
  {
    ...blob('by sha512', 'fresh/one', SHA512, 'monolithic', { isNew: true }),
    promises: [blobPath(SHA512_DIGEST), layerPath('fresh/one', SHA512_DIGEST)],
    run: (client) => pushBlob(client, 'fresh/one', SHA512, 'monolithic', SHA512_DIGEST),
  },
  mount('into a fresh repository', 'fresh/mounted', CONFIG, 'fresh/one'),
  mount('into a repository that is there', 'fresh/mounted', LAYER, 'fresh/one'),
  manifest('by tag in a fresh repository', 'fresh/index', 'latest', emptyIndex('alone')),
  manifest('by tag in a repository that is there', 'fresh/one', 'latest', IMAGE),
  manifest('by a second tag', 'fresh/one', 'stable', IMAGE),
  manifest('under a tag that moves', 'fresh/one', 'latest', MOVED),
  manifest('by digest', 'fresh/mounted', '', IMAGE),
  manifest('with a subject', 'fresh/one', '', SIGNATURE),
  removal('tag', 'of one of two tags', 'fresh/one', 'latest'),
  removal('manifest', 'with a tag on it', 'fresh/one', digestOf(IMAGE)),
  removal('manifest', 'without a tag', 'fresh/mounted', digestOf(IMAGE)),
  removal('blob', 'from a repository that is there', 'fresh/mounted', digestOf(CONFIG)),
  blob('pushed again after its deletion', 'fresh/mounted', CONFIG, 'monolithic'),
  mount('of a blob that came by tar', 'fresh/from-tar', LOOSE, 'held/image', held),
  blob('that came by tar, pushed again', 'held/image', LAYER, 'monolithic', held),
  {
    // A client that finds the blobs there (HEAD) sends only the manifest: its answer promises them all.
    ...manifest('that came by tar, pushed again', 'held/image', 'latest', IMAGE),
    isHeld: true,
    promises: [
      blobPath(digestOf(IMAGE)),
      revisionPath('held/image', digestOf(IMAGE)),
      tagPath('held/image', 'latest'),
      ...[CONFIG, LAYER].flatMap((bytes) => [blobPath(digestOf(bytes)), layerPath('held/image', digestOf(bytes))]),
    ],
  },
  removal('tag', 'that came by tar', 'held/image', 'old'),
  removal('blob', 'that came by tar', 'held/image', digestOf(LOOSE)),
]
