// Data directories as years with registry:2 leave them: written by docker-registry 2.8.2 through its API (images, lists,
// sha512, mounts, moved tags, deletions, an upload that was broken off), then aged by hand (stray files, hollow tags,
// blobs without an owner) and, where wanted, damaged (torn links, lost and rotten manifests).
import { appendFileSync, existsSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import type { Client, Reply } from '../durability/client.ts'
import { connectTo, describeReply } from '../durability/client.ts'
import type { Descriptor } from '../durability/push.ts'
import {
  TYPES,
  deleteBlob,
  deleteManifest,
  describe,
  digestOf,
  mountBlob,
  pushBlob,
  putManifest,
} from '../durability/push.ts'
import type { Random } from '../durability/random.ts'
import { serve } from '../durability/serve.ts'
import type { E2EContext } from '../helpers/suite.ts'
import type { BuiltImage } from './files.ts'
import {
  V2,
  blobFile,
  buildImage,
  buildIndex,
  layerLink,
  putBlob,
  repositoryFolder,
  revisionLink,
  tagFolder,
} from './files.ts'
import { readTree } from './tree.ts'

const REPOSITORIES = ['p', 'p/0x', 'p/b', 'team/app', 'team/app/debug', 'solo', 'fleet/one', 'fleet/two']
const TAGS = ['latest', 'v1', 'v2', 'v3']
const ACTS = 45
const OCTETS = { 'Content-Type': 'application/octet-stream' }

interface Writer {
  readonly client: Client
  readonly random: Random
  readonly layers: readonly Buffer[]
  /** What was pushed to each repository and may have been deleted since. */
  readonly pushed: Map<string, BuiltImage[]>
  readonly names: readonly string[]
}

/** Fills the empty directory `data` with docker-registry; throws when it refuses something that it should take. */
export async function writeDirectory(
  context: E2EContext,
  data: string,
  configFile: string,
  random: Random,
): Promise<void> {
  const served = await serve(context, configFile, { binary: 'docker-registry' })
  const client = connectTo(served.origin)
  const layers = Array.from({ length: 6 }, (_, at) => random.bytes(200 + 700 * at))
  const names = REPOSITORIES.filter(() => random.number(2) === 0)
  const writer: Writer = { client, random, layers, pushed: new Map(), names: names.length > 0 ? names : ['solo'] }
  try {
    for (let at = 0; at < ACTS; at++) await (random.pick(WEIGHTED) as (writer: Writer) => Promise<void>)(writer)
  } finally {
    client.close()
    await served.kill('SIGTERM')
  }
  age(data, random)
}

function make({ random, layers }: Writer, subject?: Descriptor): BuiltImage {
  const config = Buffer.from(JSON.stringify({ os: 'linux', note: random.bytes(6).toString('hex') }))
  const chosen = Array.from({ length: 1 + random.number(3) }, () => random.pick(layers) as Buffer)
  return buildImage(config, [...new Set(chosen)], subject)
}

async function send(writer: Writer, built: BuiltImage, reference: string, name = pickName(writer)): Promise<void> {
  for (const bytes of built.parts.values()) expect(await pushBlob(writer.client, name, bytes, style(writer)), 201)
  expect(await putManifest(writer.client, name, reference, built.image.bytes), 201)
  writer.pushed.set(name, [...(writer.pushed.get(name) ?? []), built])
}

const pickName = ({ random, names }: Writer): string => random.pick(names) as string
const pickTag = ({ random }: Writer): string => random.pick(TAGS) as string
const style = ({ random }: Writer): 'monolithic' | 'chunked' => (random.number(2) === 0 ? 'monolithic' : 'chunked')

function expect(reply: Reply, ...statuses: number[]): Reply {
  if (!statuses.includes(reply.status)) throw new Error(`docker-registry: ${describeReply(reply)}`)
  return reply
}

const pushImage = async (writer: Writer): Promise<void> => send(writer, make(writer), pickTag(writer))

async function pushMultiArch(writer: Writer): Promise<void> {
  const name = pickName(writer)
  const children = [make(writer), make(writer)]
  for (const child of children) await send(writer, child, child.image.digest, name)
  const images = children.map(({ image }) => image)
  await send(writer, { image: buildIndex(images, name), parts: new Map() }, pickTag(writer), name)
}

/** An artifact without a tag about an image that is, or was, there. */
async function pushReferrer(writer: Writer): Promise<void> {
  const name = pickName(writer)
  const subject = writer.random.pick(writer.pushed.get(name) ?? [])?.image
  if (subject === undefined) return pushImage(writer)
  const built = make(writer, describe(TYPES.manifest, subject.bytes))
  await send(writer, built, built.image.digest, name)
}

/** A layer that was pushed by its sha512, which docker-registry stores as an alias of its sha256, and is named so. */
async function pushSha512(writer: Writer): Promise<void> {
  const { client, random } = writer
  const name = pickName(writer)
  const layer = random.number(2) === 0 ? random.bytes(900) : (random.pick(writer.layers) as Buffer)
  const config = random.bytes(60)
  const digest = digestOf(layer, 'sha512')
  expect(await pushBlob(client, name, config, 'monolithic'), 201)
  expect(await pushBlob(client, name, layer, 'monolithic', digest), 201)
  const bytes = Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: TYPES.manifest,
      config: describe(TYPES.config, config),
      layers: [{ mediaType: TYPES.layer, digest, size: layer.byteLength }],
    }),
  )
  expect(await putManifest(client, name, pickTag(writer), bytes), 201)
}

async function retag(writer: Writer): Promise<void> {
  const name = pickName(writer)
  const built = writer.random.pick(writer.pushed.get(name) ?? [])
  if (built === undefined) return pushImage(writer)
  // It may have been deleted, with its blobs even.
  expect(await putManifest(writer.client, name, pickTag(writer), built.image.bytes), 201, 400)
}

async function deleteAManifest(writer: Writer): Promise<void> {
  const name = pickName(writer)
  const built = writer.random.pick(writer.pushed.get(name) ?? [])
  if (built !== undefined) expect(await deleteManifest(writer.client, name, built.image.digest), 202, 404)
}

/** Takes a layer link away, also from under images that need it. */
async function deleteABlob(writer: Writer): Promise<void> {
  const name = pickName(writer)
  const built = writer.random.pick(writer.pushed.get(name) ?? [])
  const [digest] = built?.parts.keys() ?? []
  if (digest !== undefined) expect(await deleteBlob(writer.client, name, digest), 202, 404)
}

async function mountABlob(writer: Writer): Promise<void> {
  const [name, source] = [pickName(writer), pickName(writer)]
  const [digest] = writer.random.pick(writer.pushed.get(source) ?? [])?.parts.keys() ?? []
  if (digest !== undefined) expect(await mountBlob(writer.client, name, digest, source), 201, 202)
}

async function pushLooseBlob(writer: Writer): Promise<void> {
  expect(await pushBlob(writer.client, pickName(writer), writer.random.bytes(333), style(writer)), 201)
}

async function breakOffUpload({ client, random, names }: Writer): Promise<void> {
  const begun = await client.send({ method: 'POST', path: `/v2/${random.pick(names)}/blobs/uploads/` })
  const path = expect(begun, 202).headers['location'] ?? ''
  expect(await client.send({ method: 'PATCH', path, headers: OCTETS, body: random.bytes(500) }), 202)
}

const WEIGHTED = [
  pushImage,
  pushImage,
  pushImage,
  pushMultiArch,
  pushReferrer,
  pushSha512,
  retag,
  retag,
  deleteAManifest,
  deleteAManifest,
  deleteABlob,
  mountABlob,
  pushLooseBlob,
  breakOffUpload,
]

// Nothing here may stop docker-registry's own collector: the directory must be one that it can collect.
function age(data: string, random: Random): void {
  const tree = readTree(data)
  for (let at = 0; at < 3; at++) putBlob(data, random.bytes(100))
  const repositories = join(data, V2, 'repositories')
  writeFileSync(join(data, '.DS_Store'), 'x')
  writeFileSync(join(repositories, 'README.txt'), 'x')
  const [blob] = tree.blobs
  if (blob !== undefined) writeFileSync(join(dirname(blobFile(data, blob)), 'sidecar.json'), '{}')
  for (const { name, tags, revisions, uploads } of tree.repositories.values()) {
    for (const [tag, digest] of tags) {
      const folder = tagFolder(data, name, tag)
      const luck = random.number(12)
      if (luck === 0) rmSync(folder, { recursive: true })
      else if (luck === 1 && digest !== undefined) rmSync(join(folder, 'current'), { recursive: true })
      else if (luck === 2 && digest !== undefined)
        writeFileSync(join(folder, 'current/link.7c9e6679-7425-40de-944b-e07fc1f90ae7.tmp'), 'sha256:')
    }
    const [revision] = revisions.keys()
    if (random.number(4) === 0 && revision !== undefined)
      writeFileSync(`${revisionLink(data, name, revision)}.bak`, 'x')
    // Somebody cleaned up: all tags and uploads of a repository are gone.
    if (random.number(5) === 0)
      rmSync(join(repositoryFolder(data, name), '_manifests/tags'), { recursive: true, force: true })
    if (uploads > 0 && random.number(2) === 0)
      rmSync(join(repositoryFolder(data, name), '_uploads'), { recursive: true })
  }
}

/** Tears one to three links or manifests; gives what was done, for people. */
export function damage(data: string, random: Random): string[] {
  const tree = readTree(data)
  const done: string[] = []
  for (let tries = 0; done.length < 1 + random.number(3) && tries < 50; tries++) {
    const repository = random.pick([...tree.repositories.values()])
    if (repository === undefined) break
    const { name, layers, revisions, tags } = repository
    const tag = random.pick([...tags].filter(([, text]) => text !== undefined))?.[0]
    const revision = random.pick([...revisions.keys()])
    const layer = random.pick([...layers.keys()])
    const harms: readonly (readonly [string, string | undefined, (path: string) => void])[] = [
      ['empty tag link', tag && join(tagFolder(data, name, tag), 'current/link'), (path) => truncateSync(path, 0)],
      [
        'newline in a tag link',
        tag && join(tagFolder(data, name, tag), 'current/link'),
        (path) => appendFileSync(path, '\n'),
      ],
      ['empty revision link', revision && revisionLink(data, name, revision), (path) => truncateSync(path, 0)],
      ['cut layer link', layer && layerLink(data, name, layer), (path) => truncateSync(path, 20)],
      ['lost manifest', revision && blobFile(data, revision), (path) => rmSync(path)],
      ['cut manifest', revision && blobFile(data, revision), (path) => truncateSync(path, 40)],
    ]
    const [what, path, act] = random.pick(harms) ?? []
    if (path === undefined || act === undefined || !existsSync(path)) continue
    act(path)
    done.push(`${what} in ${name}`)
  }
  return done
}
