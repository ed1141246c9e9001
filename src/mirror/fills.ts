// The images that are being completed. While an image is not whole its manifest is served from here; its record on the
// disk lets the next life go on.
import type { BaseLogger } from 'pino'
import type { Digest } from '../oci/digest.ts'
import type { RepositoryName } from '../oci/name.ts'
import type { Reference, Tag } from '../oci/reference.ts'
import type { StoredManifest } from '../storage/manifests.ts'
import type { Fill } from './fill.ts'
import type { FillRecords } from './fill-records.ts'
import type { RetryOptions } from './retry.ts'
import { messageOf, retryPassing } from './retry.ts'
import type { Located } from './route.ts'
import type { Tally } from './tally.ts'

export interface FillsParts {
  readonly records: FillRecords
  readonly tally: Tally
  readonly logger: Pick<BaseLogger, 'info' | 'warn' | 'debug'>
  /** Milliseconds since 1970. */
  readonly clock: () => number
  readonly elapsed: () => number
  readonly make: (located: Located, stored: StoredManifest, tags: readonly Tag[], more: FillBeginning) => Fill
  /** Brings what refers to an image that is whole. */
  readonly complete: (located: Located, stored: StoredManifest, tags: Iterable<Tag>) => Promise<void>
  /** Aborted when fills must end; a new one for what begins after that. */
  readonly signal: () => AbortSignal
  /** Above this the oldest indexes that wait for somebody to want a platform are given up; bytes of manifests. */
  readonly most?: { readonly count: number; readonly bytes: number }
}

export interface FillBeginning {
  /** When the upstream said that the tags mean this image; milliseconds since 1970. */
  readonly checkedAt: number
  /** Indexes that it lies in. */
  readonly depth: number
}

interface Pending {
  readonly fill: Fill
  /** Milliseconds since 1970. */
  readonly since: number
  /** When the image is whole and linked; rejects when it was given up. */
  readonly linked: Promise<void>
}

// An index that nobody wants a platform of waits for a day; many of them are somebody who only looks.
const MOST = { count: 1000, bytes: 128 * 1024 * 1024 }

export interface FillStatus {
  readonly name: RepositoryName
  readonly digest: Digest
  readonly tags: readonly Tag[]
  readonly kind: string
  /** Milliseconds since 1970. */
  readonly since: number
}

export class Fills {
  readonly #parts: FillsParts
  readonly #pending = new Map<string, Pending>()
  readonly #byTag = new Map<string, Pending>()
  readonly #byName = new Map<RepositoryName, Set<Pending>>()
  readonly #running = new Set<Promise<void>>()

  constructor(parts: FillsParts) {
    this.#parts = parts
  }

  /**
   * Begins to complete the image, with these tags when it is whole, which the upstream said at `checkedAt` (now unless
   * told); a fill of it that runs takes them over. It is known at once; when this returns a restart would take it up. Never
   * rejects.
   */
  async begin(
    located: Located,
    stored: StoredManifest,
    tags: readonly Tag[],
    { checkedAt = this.#parts.clock(), depth = 0 }: Partial<FillBeginning> = {},
  ): Promise<void> {
    const { name } = located
    const key = keyOf(name, stored.digest)
    let pending = this.#pending.get(key)
    const isNew = pending === undefined
    pending ??= this.#start(located, stored, tags, { checkedAt, depth })
    if (tags.length > 0) pending.fill.checkedAt = checkedAt
    const written: Promise<void>[] = []
    for (const tag of tags) {
      written.push(this.untag(name, tag, stored.digest))
      pending.fill.tags.add(tag)
      this.#byTag.set(`${name}:${tag}`, pending)
    }
    if (isNew) this.#giveUpOldest(pending)
    if (isNew || tags.length > 0) written.push(this.#write(pending))
    await Promise.all(written)
  }

  /** The tag no longer means the image that is on its way to it, unless that is `but`. */
  async untag(name: RepositoryName, tag: Tag, but?: Digest): Promise<void> {
    const older = this.#byTag.get(`${name}:${tag}`)
    if (older === undefined || older.fill.stored.digest === but) return
    this.#byTag.delete(`${name}:${tag}`)
    older.fill.tags.delete(tag)
    await this.#write(older)
  }

  /** As `begin`, and waits until the image is whole. Throws what it was given up for. */
  async complete(located: Located, stored: StoredManifest, tags: readonly Tag[] = [], depth = 0): Promise<void> {
    const begun = this.begin(located, stored, tags, { depth })
    const { linked } = this.#pending.get(keyOf(located.name, stored.digest)) as Pending
    await begun
    await linked
  }

  /** Waits for a fill that is under way. Throws what it was given up for. */
  async wait(name: RepositoryName, digest: Digest): Promise<void> {
    await this.#pending.get(keyOf(name, digest))?.linked
  }

  /** The manifest of an image that is not whole yet, and when the upstream last said so of its tags. */
  find(
    name: RepositoryName,
    reference: Reference,
  ): { readonly stored: StoredManifest; readonly checkedAt: number } | undefined {
    const pending =
      reference.kind === 'tag'
        ? this.#byTag.get(`${name}:${reference.tag}`)
        : this.#pending.get(keyOf(name, reference.digest))
    return pending && { stored: pending.fill.stored, checkedAt: pending.fill.checkedAt }
  }

  /** Bytes of a blob as an image that is not whole says. */
  sizeOf(name: RepositoryName, digest: Digest): number | undefined {
    for (const { fill } of this.#of(name)) {
      const size = fill.sizeOf(digest)
      if (size !== undefined) return size
    }
    return undefined
  }

  /** An image of the repository is whole now: indexes that wait for a platform may go on. */
  noteWhole(name: RepositoryName, digest: Digest): void {
    for (const { fill } of this.#of(name)) if (fill.hasChild(digest)) fill.childIsWhole()
  }

  /** Whether an image, or one that it belongs to, is being completed. */
  isBusy(name: RepositoryName, digest: Digest): boolean {
    if (this.#pending.has(keyOf(name, digest))) return true
    return [...this.#of(name)].some(({ fill }) => fill.hasChild(digest))
  }

  /** Takes up what an earlier life left. */
  async resume(locate: (name: RepositoryName) => Located | undefined): Promise<void> {
    const { records, clock, logger } = this.#parts
    for (const record of await records.take(clock())) {
      const located = locate(record.name)
      if (located === undefined) await records.remove(record)
      else {
        logger.info({ repository: record.name, digest: record.stored.digest }, 'image taken up again')
        await this.begin(located, record.stored, record.tags, record)
      }
    }
  }

  status(): FillStatus[] {
    return [...this.#pending.values()].map(({ fill, since }) => ({
      name: fill.located.name,
      digest: fill.stored.digest,
      tags: [...fill.tags],
      kind: fill.stored.manifest.kind,
      since,
    }))
  }

  get count(): number {
    return this.#pending.size
  }

  /** Waits for what the signal broke off. */
  async close(): Promise<void> {
    await Promise.allSettled(this.#running)
  }

  #of(name: RepositoryName): Set<Pending> {
    return this.#byName.get(name) ?? new Set()
  }

  // Only those that wait count: images that cannot be fetched for a while are no reason to give up indexes.
  #giveUpOldest(newest: Pending): void {
    if (newest.fill.stored.manifest.kind !== 'index') return
    const { count, bytes } = this.#parts.most ?? MOST
    const sizeOf = ({ fill }: Pending): number => fill.stored.bytes.byteLength
    const waiting = [...this.#pending.values()].filter((each) => each.fill.isWaiting)
    let over = waiting.length + 1 - count
    let overBytes = waiting.reduce((sum, each) => sum + sizeOf(each), sizeOf(newest)) - bytes
    for (const each of waiting) {
      if (over <= 0 && overBytes <= 0) return
      const { fill } = each
      // A platform of it is on its way.
      if ([...this.#of(fill.located.name)].some((other) => fill.hasChild(other.fill.stored.digest))) continue
      if (!fill.giveUp()) continue
      over -= 1
      overBytes -= sizeOf(each)
    }
  }

  #start(located: Located, stored: StoredManifest, tags: readonly Tag[], more: FillBeginning): Pending {
    const { clock, make, elapsed, logger } = this.#parts
    const signal = this.#parts.signal()
    const { name } = located
    const fill = make(located, stored, tags, more)
    const about = { repository: name, digest: stored.digest, upstream: located.upstream.config.host }
    const onRetry = (error: unknown, pause: number): void =>
      logger.info({ ...about, why: messageOf(error), again: pause }, 'image not complete yet')
    const options = { signal, elapsed, onRetry }
    const linked = retryPassing(() => fill.run(), options).finally(() => this.#forget(pending))
    linked.catch(() => undefined)
    const pending: Pending = { fill, since: clock(), linked }
    this.#pending.set(keyOf(name, stored.digest), pending)
    this.#byName.set(name, this.#of(name).add(pending))
    const running = this.#follow(pending, about, options).finally(() => this.#running.delete(running))
    this.#running.add(running)
    return pending
  }

  // Never rejects.
  async #follow({ fill, linked }: Pending, about: Record<string, unknown>, options: RetryOptions): Promise<void> {
    const { tally, logger, complete, records } = this.#parts
    const { located, stored } = fill
    try {
      await linked
      tally.filled += 1
      logger.info({ ...about, tags: [...fill.tags] }, 'image complete')
      this.noteWhole(located.name, stored.digest)
      // From here on a restart only has to bring what refers to it.
      await records.write({ ...fill.record, since: this.#parts.clock() }).catch(() => undefined)
      await retryPassing(() => complete(located, stored, fill.tags), options)
    } catch (error) {
      // The record stays for the next life.
      if (options.signal.aborted) return
      tally.abandoned += 1
      logger.warn({ ...about, why: messageOf(error) }, 'image given up')
    }
    // Another fill of the same image may have begun since.
    if (!this.#pending.has(keyOf(located.name, stored.digest))) await records.remove(fill.record).catch(() => undefined)
  }

  #forget(pending: Pending): void {
    const { located, stored, tags } = pending.fill
    const { name } = located
    this.#pending.delete(keyOf(name, stored.digest))
    for (const tag of tags) {
      if (this.#byTag.get(`${name}:${tag}`) === pending) this.#byTag.delete(`${name}:${tag}`)
    }
    const left = this.#of(name)
    left.delete(pending)
    if (left.size === 0) this.#byName.delete(name)
  }

  // Without a record the image is completed all the same, unless this process ends before.
  async #write({ fill, since }: Pending): Promise<void> {
    const { records, logger } = this.#parts
    if (!this.#pending.has(keyOf(fill.located.name, fill.stored.digest))) return
    try {
      await records.write({ ...fill.record, since })
    } catch (error) {
      logger.warn({ why: messageOf(error) }, 'a restart would forget an image that is not complete')
    }
  }
}

function keyOf(name: RepositoryName, digest: Digest): string {
  return `${name}@${digest}`
}
