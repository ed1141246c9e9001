// Tags: names that can move. Every answer is read from the directory at the time of the request (I2).
import { readdir, utimes } from 'node:fs/promises'
import type { Digest } from '../oci/digest.ts'
import type { RepositoryName } from '../oci/name.ts'
import type { Tag } from '../oci/reference.ts'
import { isTag } from '../oci/reference.ts'
import type { Durable } from './durable.ts'
import type { Layout } from './layout.ts'
import type { LinkReader } from './link.ts'
import { writeLink } from './links.ts'
import type { Mirrored } from './mirrored.ts'
import { compare } from './repositories.ts'
import type { Stamp } from './stamp.ts'
import { directoryIdentity, isNotThere, statFile } from './stamp.ts'
import { inTurns } from './turn.ts'

export interface TagsParts {
  readonly layout: Layout
  readonly durable: Durable
  readonly reader: LinkReader
  readonly mirrored: Mirrored
}

export class Tags {
  readonly #layout: Layout
  readonly #durable: Durable
  readonly #reader: LinkReader
  readonly #mirrored: Mirrored

  constructor({ layout, durable, reader, mirrored }: TagsParts) {
    this.#layout = layout
    this.#durable = durable
    this.#reader = reader
    this.#mirrored = mirrored
  }

  resolve(name: RepositoryName, tag: Tag): Digest | undefined {
    return this.#reader.read(this.#layout.tagLink(name, tag))
  }

  /**
   * The tags after `last` in byte order; undefined when the repository has no directory of tags. Entries
   * whose link is missing or torn (left by a crash or by a deletion) are no tags.
   */
  async *list(name: RepositoryName, last = ''): AsyncGenerator<Tag> {
    const after = (await this.#entries(name)).filter((tag) => compare(tag, last) > 0)
    for await (const tag of inTurns(after.toSorted(compare))) {
      if (this.resolve(name, tag) !== undefined) yield tag
    }
  }

  /** Points the tag at `digest`: its history first, what readers follow last. */
  async set(name: RepositoryName, tag: Tag, digest: Digest): Promise<void> {
    const link = this.#layout.tagLink(name, tag)
    const isSame = this.#reader.read(link) === digest
    await writeLink(this.#durable, this.#reader, this.#layout.tagIndexLink(name, tag, digest), digest)
    await writeLink(this.#durable, this.#reader, link, digest)
    // What is pushed once more is pushed now: retention goes by these times. Nothing else does, and nobody is promised them.
    const now = new Date()
    if (isSame) await utimes(link, now, now).catch(() => undefined)
  }

  /** Removes the tag with its history; false when it was not there, or moved since its link was in the state `seen`. */
  async remove(name: RepositoryName, tag: Tag, seen?: Stamp): Promise<boolean> {
    const link = this.#layout.tagLink(name, tag)
    const removed = await this.#durable.remove(link, seen)
    if (!removed) return false
    this.#mirrored.forget(name, [tag], [])
    await this.#durable.removeTree(this.#layout.tag(name, tag), link)
    return true
  }

  /**
   * Tags that lead nowhere: their link is torn, or lost while their history is there. For those who pull they are none;
   * what lies there keeps collection from the repository, or makes a check complain, until somebody decides.
   */
  async *dead(name: RepositoryName): AsyncGenerator<Tag> {
    for await (const tag of inTurns(await this.#entries(name))) {
      if (this.resolve(name, tag) !== undefined) continue
      const isTorn = statFile(this.#layout.tagLink(name, tag)) !== undefined
      if (isTorn || directoryIdentity(this.#layout.tagIndex(name, tag)) !== undefined) yield tag
    }
  }

  /** Removes a tag that leads nowhere, with its history. */
  async bury(name: RepositoryName, tag: Tag): Promise<void> {
    const link = this.#layout.tagLink(name, tag)
    await this.#durable.remove(link)
    this.#mirrored.forget(name, [tag], [])
    await this.#durable.removeTree(this.#layout.tag(name, tag), link)
  }

  /** The tags that point to `digest`, read one by one. */
  async pointingTo(name: RepositoryName, digest: Digest): Promise<Tag[]> {
    const found: Tag[] = []
    for await (const tag of inTurns(await this.#entries(name))) {
      if (this.resolve(name, tag) === digest) found.push(tag)
    }
    return found
  }

  async #entries(name: RepositoryName): Promise<Tag[]> {
    try {
      return (await readdir(this.#layout.tags(name))).filter(isTag)
    } catch (error) {
      if (isNotThere(error)) return []
      throw error
    }
  }
}
