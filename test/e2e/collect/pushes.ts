// The acts of the soak that change something, each with what it makes the server owe (promised.ts) once it is
// acknowledged. What is owed no longer is forgotten before the request that takes it back is sent.
import { deleteBlob, deleteManifest, getBlob, describe, TYPES } from '../durability/push.ts'
import { describeReply } from '../durability/client.ts'
import type { Desk } from './desk.ts'
import { count, ensureBlob, makeBytes, now, pushWhole, sendManifest, think } from './desk.ts'
import type { BuiltImage } from './files.ts'
import { buildImage, buildIndex } from './files.ts'
import type { Repository } from './promised.ts'

export type Act = (desk: Desk) => Promise<void>

const TAGS = ['latest', 'stable', 'v1', 'v2', 'v3']

const own = (desk: Desk): Repository => desk.random.pick(desk.own) as Repository
const pickTag = (desk: Desk): string => desk.random.pick(TAGS) as string

function makeImage(desk: Desk): BuiltImage {
  const { random, layers } = desk
  const chosen = Array.from({ length: 1 + random.number(3) }, () => random.pick(layers) as Buffer)
  const config = Buffer.from(
    JSON.stringify({ architecture: 'amd64', os: 'linux', note: random.bytes(8).toString('hex') }),
  )
  return buildImage(config, [...new Set(chosen)])
}

/** A new image under a tag that may be new or may move. */
export const pushImage: Act = async (desk) => {
  await pushWhole(desk, own(desk), makeImage(desk), pickTag(desk))
}

/** Another tag for an image that is there, or a move of one: the client asks for each blob and sends the manifest. */
export const retag: Act = async (desk) => {
  const repository = own(desk)
  const image = desk.random.pick([...repository.images.values()])
  if (image === undefined) return pushImage(desk)
  const path = `/v2/${repository.name}/blobs/`
  await Promise.all(
    image.blobs.map(async ({ digest }) => {
      const head = await count(desk, 'HEAD', path + digest, () =>
        desk.client.send({ method: 'HEAD', path: path + digest }),
      )
      if (head.status !== 200)
        desk.findings.complain(`HEAD ${path}${digest}: ${describeReply(head)}, and its image is owed`)
    }),
  )
  // It rests on an image that is owed, for which there is no too late.
  await sendManifest(desk, repository, image, pickTag(desk), Infinity)
}

/** An index of two images that have no tags of their own. */
export const pushIndex: Act = async (desk) => {
  const repository = own(desk)
  const children = [makeImage(desk), makeImage(desk)]
  const images = children.map(({ image }) => image)
  const index = buildIndex(images, desk.random.bytes(8).toString('hex'))
  const tag = pickTag(desk)
  for (let tries = 0; tries < MOST_TRIES; tries++) {
    const oldest = await pushChildren(desk, repository, children)
    if (oldest === undefined) return
    await think(desk)
    const sent = await repository.change(async () => {
      const answer = await sendManifest(desk, repository, index, tag, oldest)
      if (answer !== 'done') return answer
      // Later than a lease after its push a child may be gone; now that the index names it, a second push stays.
      if (now() - oldest >= desk.lease) {
        desk.findings.late++
        await pushChildren(desk, repository, children)
      }
      for (const image of images) repository.images.set(image.digest, image)
      return answer
    })
    if (sent !== 'late') return
  }
}

const MOST_TRIES = 20

async function pushChildren(
  desk: Desk,
  repository: Repository,
  children: readonly BuiltImage[],
): Promise<number | undefined> {
  let oldest = Infinity
  for (const child of children) {
    const done = await pushWhole(desk, repository, child, child.image.digest)
    if (done === undefined) return undefined
    oldest = Math.min(oldest, done.sentAt)
  }
  return oldest
}

/** A small artifact without a tag, about an image that has one. */
export const pushReferrer: Act = async (desk) => {
  const repository = own(desk)
  const subject = repository.images.get(desk.random.pick([...repository.tags.values()]) ?? '')
  if (subject === undefined) return pushImage(desk)
  const type = subject.children.length > 0 ? TYPES.index : TYPES.manifest
  const built = buildImage(Buffer.from('{}'), [makeBytes(desk).bytes], describe(type, subject.bytes))
  await pushWhole(desk, repository, built, built.image.digest)
}

export const deleteTag: Act = async (desk) => {
  const repository = own(desk)
  const tag = desk.random.pick([...repository.tags.keys()])
  if (tag === undefined) return pushImage(desk)
  await repository.change(async () => {
    repository.dropTag(tag)
    await expectGone(desk, 'tag delete', `${repository.name}:${tag}`, [202], () =>
      deleteManifest(desk.client, repository.name, tag),
    )
  })
}

/** Deletes an image by digest with all its tags; one that an index needs stays. */
export const deleteImage: Act = async (desk) => {
  const repository = own(desk)
  const needed = new Set([...repository.images.values()].flatMap(({ children }) => children))
  const digest = desk.random.pick([...repository.images.keys()].filter((each) => !needed.has(each)))
  if (digest === undefined) return pushImage(desk)
  await repository.change(async () => {
    repository.drop(digest)
    await expectGone(desk, 'manifest delete', `${repository.name}@${digest}`, [202], () =>
      deleteManifest(desk.client, repository.name, digest),
    )
  })
}

/** Takes everything out of a repository, so that a collection removes it, and begins it anew while it does. */
export const emptyRepository: Act = async (desk) => {
  const repository = own(desk)
  await repository.change(async () => {
    for (const digest of repository.images.keys()) {
      repository.drop(digest)
      await expectGone(desk, 'manifest delete', `${repository.name}@${digest}`, [202], () =>
        deleteManifest(desk.client, repository.name, digest),
      )
    }
  })
  await pushImage(desk)
}

/** A blob that no manifest names: promised for a lease and no longer, deleted or left to the collections. */
export const pushLooseBlob: Act = async (desk) => {
  const repository = own(desk)
  const { bytes, digest } = makeBytes(desk)
  const evidence = await ensureBlob(desk, repository, bytes, digest)
  if (evidence === undefined) return
  const what = `${repository.name}@${digest}`
  const reply = await count(desk, 'blob pull', what, () => getBlob(desk.client, repository.name, digest))
  const age = now() - evidence.sentAt
  if (reply.status !== 200 && age < desk.lease) {
    desk.findings.complain(`blob pull ${what}: ${describeReply(reply)}, ${Math.round(age)} ms after its push`)
  }
  if (desk.random.number(2) === 0) return
  await expectGone(desk, 'blob delete', what, [202, 404], () => deleteBlob(desk.client, repository.name, digest))
}

async function expectGone(
  desk: Desk,
  act: string,
  what: string,
  statuses: readonly number[],
  send: Parameters<typeof count>[3],
): Promise<void> {
  const reply = await count(desk, act, what, send)
  if (!statuses.includes(reply.status)) desk.findings.complain(`${act} ${what}: ${describeReply(reply)}`)
}
