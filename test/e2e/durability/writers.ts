// The load of the crash tests: writers that push blobs and manifests, move tags, mount and delete, each in
// repositories of its own and one request at a time, so that the ledger knows what each name may show.
import type { Client } from './client.ts'
import type { Change, Ledger, Name } from './ledger.ts'
import type { Descriptor, Style } from './push.ts'
import {
  TYPES,
  deleteBlob,
  deleteManifest,
  describe,
  digestOf,
  imageManifest,
  mountBlob,
  pushBlob,
  putManifest,
} from './push.ts'
import type { Random } from './random.ts'

export interface Desk {
  readonly client: Client
  readonly ledger: Ledger
  readonly random: Random
  readonly repository: string
  /** Bytes of the manifests that were pushed here, by digest, for pushing them again under another tag. */
  readonly manifests: Map<string, Buffer>
  /** Blobs that no manifest may name, because they are going to be deleted. */
  readonly loose: Set<string>
  /** Another writer's repository; it holds blobs that are never deleted. */
  readonly neighbour: string
}

export type Act = (desk: Desk) => Promise<boolean>

const STYLES: readonly Style[] = ['monolithic', 'chunked', 'single post']
const TAGS = ['latest', 'stable', 'v1', 'v2', 'v3']

/** Runs acts until `signal` is aborted, the server no longer answers, or an answer is a fault. */
export async function write(desk: Desk, signal: AbortSignal, acts: readonly Act[] = WEIGHTED): Promise<void> {
  while (!signal.aborted) {
    const act = desk.random.pick(acts)
    if (act !== undefined && !(await act(desk))) return
  }
}

async function pushRandomBlob(desk: Desk, isLoose: boolean): Promise<Descriptor | undefined> {
  const { client, ledger, random, repository } = desk
  const size = random.number(20) === 0 ? random.number(1_000_000) : random.number(20_000)
  const bytes = random.bytes(size + 1)
  const digest = digestOf(bytes)
  if (isLoose) desk.loose.add(digest)
  const style = random.pick(STYLES)
  const changes: Change[] = [{ name: `blob ${repository} ${digest}`, state: digest }]
  const done = await ledger.attempt(changes, 201, () => pushBlob(client, repository, bytes, style))
  return done ? describe(TYPES.layer, bytes) : undefined
}

export const pushALayer: Act = async (desk) => (await pushRandomBlob(desk, false)) !== undefined

export const pushALooseBlob: Act = async (desk) => (await pushRandomBlob(desk, true)) !== undefined

async function putUnder(desk: Desk, tag: string, bytes: Buffer): Promise<boolean> {
  const { client, ledger, repository } = desk
  const digest = digestOf(bytes)
  desk.manifests.set(digest, bytes)
  const changes: Change[] = [
    { name: `manifest ${repository} ${digest}`, state: digest },
    { name: `tag ${repository} ${tag}`, state: digest },
  ]
  return ledger.attempt(changes, 201, () => putManifest(client, repository, tag, bytes))
}

/** Pushes an image under a tag that nobody moves or deletes. */
export const pushAKeptImage: Act = (desk) => pushImageUnder(desk, `kept-${desk.random.bytes(8).toString('hex')}`)

/** Pushes a config and a layer and then their manifest, under a tag that may be new or may move. */
export const pushAnImage: Act = (desk) => pushImageUnder(desk, desk.random.pick(TAGS) ?? 'latest')

async function pushImageUnder(desk: Desk, tag: string): Promise<boolean> {
  const config = await pushRandomBlob(desk, false)
  const layer = config && (await pushRandomBlob(desk, false))
  if (config === undefined || layer === undefined) return false
  const note = desk.random.bytes(8).toString('hex')
  return putUnder(desk, tag, imageManifest({ ...config, mediaType: TYPES.config }, [layer], note))
}

export const retag: Act = async (desk) => {
  const digest = desk.random.pick(desk.ledger.present('manifest', desk.repository))
  const bytes = digest === undefined ? undefined : desk.manifests.get(digest)
  return bytes === undefined ? pushAnImage(desk) : putUnder(desk, desk.random.pick(TAGS) ?? 'latest', bytes)
}

export const mount: Act = async (desk) => {
  const { client, ledger, random, repository, neighbour } = desk
  const digest = random.pick(ledger.present('blob', neighbour))
  if (digest === undefined) return pushALayer(desk)
  const name: Name = `blob ${repository} ${digest}`
  // Where it is held already the mount changes nothing, but its answer promises it again.
  return ledger.attempt([{ name, state: digest }], 201, () => mountBlob(client, repository, digest, neighbour))
}

export const deleteATag: Act = async (desk) => {
  const { client, ledger, random, repository } = desk
  const tag = random.pick(ledger.present('tag', repository))
  if (tag === undefined) return pushAnImage(desk)
  const changes: Change[] = [{ name: `tag ${repository} ${tag}`, state: 'absent' }]
  return ledger.attempt(changes, 202, () => deleteManifest(client, repository, tag))
}

/** Deletes a manifest by digest, which takes all its tags along. */
export const deleteAManifest: Act = async (desk) => {
  const { client, ledger, random, repository } = desk
  const digest = random.pick(ledger.present('manifest', repository))
  if (digest === undefined) return pushAnImage(desk)
  const tags = TAGS.map((tag): Name => `tag ${repository} ${tag}`).filter((name) => ledger.stateOf(name) === digest)
  const names: Name[] = [`manifest ${repository} ${digest}`, ...tags]
  const changes = names.map((name) => ({ name, state: 'absent' }))
  return ledger.attempt(changes, 202, () => deleteManifest(client, repository, digest))
}

export const deleteALooseBlob: Act = async (desk) => {
  const { client, ledger, random, repository, loose } = desk
  const digest = random.pick(ledger.present('blob', repository).filter((blob) => loose.has(blob)))
  if (digest === undefined) return pushALooseBlob(desk)
  const changes: Change[] = [{ name: `blob ${repository} ${digest}`, state: 'absent' }]
  return ledger.attempt(changes, 202, () => deleteBlob(client, repository, digest))
}

const WEIGHTED: readonly Act[] = [
  pushALayer,
  pushALayer,
  pushALooseBlob,
  pushAnImage,
  pushAnImage,
  retag,
  retag,
  mount,
  mount,
  deleteATag,
  deleteAManifest,
  deleteALooseBlob,
]
