// The acts of the soak that only read: pulls by tag and digest, HEAD, referrers. What they find is compared with what the
// server owes, unless the repository was changed meanwhile; wrong bytes are a complaint whatever happened.
import type { Reply } from '../durability/client.ts'
import { describeReply } from '../durability/client.ts'
import { getBlob, getManifest } from '../durability/push.ts'
import type { Desk } from './desk.ts'
import { count } from './desk.ts'
import type { Image, Repository } from './promised.ts'
import type { Act } from './pushes.ts'

/** Compares within one state of the repository; what is asked while it changes is not judged. */
class Look {
  readonly #desk: Desk
  readonly repository: Repository
  readonly #state: number | undefined

  constructor(desk: Desk, repository: Repository) {
    this.#desk = desk
    this.repository = repository
    this.#state = repository.state
  }

  /** Complains when `isRight` is false of an answer about something that is owed. */
  judge(what: string, reply: Reply, isRight: boolean): boolean {
    if (isRight) return true
    const { findings } = this.#desk
    if (this.#state === undefined || this.repository.state !== this.#state) findings.unjudged++
    else findings.complain(`${what} in ${this.repository.name}: ${describeReply(reply)}, and it is owed`)
    return false
  }

  /** Complains of clean answers whose bytes are not what `digest` says, owed or not. */
  verify(what: string, reply: Reply, digest: string): boolean {
    const right = reply.status === 200 && reply.clean && `sha256:${reply.sha256}` === digest
    if (reply.status === 200 && reply.clean && !right) {
      this.#desk.findings.complain(`${what} in ${this.repository.name}: bytes that are not ${digest}`)
      return false
    }
    return this.judge(what, reply, right)
  }
}

/** Asks for a manifest by tag, then for the image as clients do. */
export const pullByTag: Act = async (desk) => {
  const repository = desk.random.pick(desk.all) as Repository
  const tag = desk.random.pick([...repository.tags.keys()])
  if (tag === undefined) return
  const digest = repository.tags.get(tag) ?? ''
  const image = repository.images.get(digest)
  const look = new Look(desk, repository)
  const what = `manifest pull ${tag}`
  const reply = await count(desk, 'manifest pull', what, () => getManifest(desk.client, repository.name, tag))
  const shown = reply.headers['docker-content-digest'] ?? digest
  if (!look.verify(what, reply, shown) || !look.judge(what, reply, shown === digest)) return
  if (image === undefined) return
  await pullParts(desk, look, image)
}

/** Pulls any image that is owed by its digest. */
export const pullByDigest: Act = async (desk) => {
  const repository = desk.random.pick(desk.all) as Repository
  const image = desk.random.pick([...repository.images.values()])
  if (image !== undefined) await pullImage(desk, new Look(desk, repository), image)
}

async function pullImage(desk: Desk, look: Look, image: Image): Promise<void> {
  const { name } = look.repository
  const what = `manifest pull ${image.digest}`
  const reply = await count(desk, 'manifest pull', what, () => getManifest(desk.client, name, image.digest))
  if (look.verify(what, reply, image.digest)) await pullParts(desk, look, image)
}

async function pullParts(desk: Desk, look: Look, image: Image): Promise<void> {
  const child = look.repository.images.get(desk.random.pick(image.children) ?? '')
  if (child !== undefined) await pullImage(desk, look, child)
  await Promise.all(
    image.blobs.map(async ({ digest }) => {
      const what = `blob pull ${digest}`
      const reply = await count(desk, 'blob pull', what, () => getBlob(desk.client, look.repository.name, digest))
      look.verify(what, reply, digest)
    }),
  )
}

/** Pulls everything that `repository` owes. */
export async function pullAll(desk: Desk, repository: Repository): Promise<void> {
  const look = new Look(desk, repository)
  for (const [tag, digest] of repository.tags) {
    const reply = await count(desk, 'manifest pull', tag, () => getManifest(desk.client, repository.name, tag))
    look.judge(`manifest pull ${tag}`, reply, `sha256:${reply.sha256}` === digest)
  }
  for (const image of repository.images.values()) await pullImage(desk, look, image)
}

/** Asks whether something that is owed exists. */
export const head: Act = async (desk) => {
  const repository = desk.random.pick(desk.all) as Repository
  const image = desk.random.pick([...repository.images.values()])
  if (image === undefined) return
  const look = new Look(desk, repository)
  const blob = desk.random.number(3) === 0 ? undefined : desk.random.pick(image.blobs)
  const path =
    blob === undefined
      ? `/v2/${repository.name}/manifests/${image.digest}`
      : `/v2/${repository.name}/blobs/${blob.digest}`
  const accept = (JSON.parse(image.bytes.toString()) as { mediaType: string }).mediaType
  const headers = blob === undefined ? { Accept: accept } : {}
  const reply = await count(desk, 'HEAD', path, () => desk.client.send({ method: 'HEAD', path, headers }))
  look.judge(`HEAD ${path}`, reply, reply.status === 200)
}

/** Asks for what is about an image that is owed. */
export const listReferrers: Act = async (desk) => {
  const repository = desk.random.pick(desk.all) as Repository
  const artifact = desk.random.pick([...repository.images.values()].filter((each) => each.subject !== undefined))
  if (artifact === undefined) return
  const look = new Look(desk, repository)
  const path = `/v2/${repository.name}/referrers/${artifact.subject}`
  const reply = await count(desk, 'referrers', path, () => desk.client.get(path))
  look.judge(`GET ${path} without ${artifact.digest}`, reply, reply.body.includes(artifact.digest))
}
