// The images that are being completed. While an image is not whole its manifest is served from here; its record on the
// disk lets the next life go on.
import type { BaseLogger } from 'pino'
import type { Digest } from '../oci/digest.ts'
import type { RepositoryName } from '../oci/name.ts'
import type { Reference, Tag } from '../oci/reference.ts'
import type { StoredManifest } from '../storage/manifests.ts'
import type { Fill } from './fill.ts'
import type { FillRecords } from './fill-records.ts'
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
  /** `depth` counts the indexes that it lies in. */
  readonly make: (located: Located, stored: StoredManifest, tags: readonly Tag[], depth: number) => Fill
  /** Brings what refers to an image that is whole. */
  readonly complete: (located: Located, stored: StoredManifest, tags: Iterable<Tag>) => Promise<void>
  readonly signal: AbortSignal
}

interface Pending {
  readonly fill: Fill
  /** Milliseconds since 1970. */
  readonly since: number
  /** When the upstream last said that this is what its tags mean. */
  checkedAt: number
  /** When the image is whole and linked; rejects when it was given up. */
  readonly linked: Promise<void>
}

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
  readonly #running = new Set<Promise<void>>()

  constructor(parts: FillsParts) {
    this.#parts = parts
  }

  /**
   * Begins to complete the image, with these tags when it is whole; a fill of it that runs takes them over. When this
   * returns a restart would take it up.
   */
  async begin(located: Located, stored: StoredManifest, tags: readonly Tag[], depth = 0): Promise<void> {
    const { name } = located
    const key = keyOf(name, stored.digest)
    let pending = this.#pending.get(key)
    const isNew = pending === undefined
    pending ??= this.#start(located, stored, tags, depth)
    pending.checkedAt = this.#parts.clock()
    for (const tag of tags) {
      // What the tag meant before is not to be tagged any more.
      this.#byTag.get(`${name}:${tag}`)?.fill.tags.delete(tag)
      pending.fill.tags.add(tag)
      this.#byTag.set(`${name}:${tag}`, pending)
    }
    if (isNew || tags.length > 0) await this.#write(pending)
  }

  /** As `begin`, and waits until the image is whole. Throws what it was given up for. */
  async complete(located: Located, stored: StoredManifest, tags: readonly Tag[] = [], depth = 0): Promise<void> {
    const begun = this.begin(located, stored, tags, depth)
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
    return pending && { stored: pending.fill.stored, checkedAt: pending.checkedAt }
  }

  /** Bytes of a blob as an image that is not whole says. */
  sizeOf(name: RepositoryName, digest: Digest): number | undefined {
    for (const { fill } of this.#pending.values()) {
      const size = fill.located.name === name ? fill.sizeOf(digest) : undefined
      if (size !== undefined) return size
    }
    return undefined
  }

  /** An image of the repository is whole now: indexes that wait for a platform may go on. */
  noteWhole(name: RepositoryName, digest: Digest): void {
    for (const { fill } of this.#pending.values()) {
      if (fill.located.name === name && fill.hasChild(digest)) fill.childIsWhole()
    }
  }

  /** Whether an image, or one that it belongs to, is being completed. */
  isBusy(name: RepositoryName, digest: Digest): boolean {
    if (this.#pending.has(keyOf(name, digest))) return true
    return [...this.#pending.values()].some(({ fill }) => fill.located.name === name && fill.hasChild(digest))
  }

  /** Takes up what an earlier life left. */
  async resume(locate: (name: RepositoryName) => Located | undefined): Promise<void> {
    const { records, clock, logger } = this.#parts
    for (const record of await records.take(clock())) {
      const located = locate(record.name)
      if (located === undefined) await records.remove(record)
      else {
        logger.info({ repository: record.name, digest: record.stored.digest }, 'image taken up again')
        await this.begin(located, record.stored, record.tags)
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

  #start(located: Located, stored: StoredManifest, tags: readonly Tag[], depth: number): Pending {
    const { clock, make, signal, elapsed, logger } = this.#parts
    const key = keyOf(located.name, stored.digest)
    const fill = make(located, stored, tags, depth)
    const about = { repository: located.name, digest: stored.digest, upstream: located.upstream.config.host }
    const onRetry = (error: unknown, pause: number): void =>
      logger.info({ ...about, why: messageOf(error), again: pause }, 'image not complete yet')
    const linked = retryPassing(() => fill.run(), { signal, elapsed, onRetry }).finally(() => this.#forget(key, fill))
    linked.catch(() => undefined)
    const now = clock()
    const pending = { fill, since: now, checkedAt: now, linked }
    this.#pending.set(key, pending)
    const running = this.#follow(pending, about, onRetry).finally(() => this.#running.delete(running))
    this.#running.add(running)
    return pending
  }

  // Never rejects.
  async #follow(
    { fill, linked }: Pending,
    about: Record<string, unknown>,
    onRetry: (error: unknown, pause: number) => void,
  ): Promise<void> {
    const { tally, logger, complete, signal, elapsed, records } = this.#parts
    const { located, stored } = fill
    try {
      await linked
      tally.filled += 1
      logger.info({ ...about, tags: [...fill.tags] }, 'image complete')
      this.noteWhole(located.name, stored.digest)
      await retryPassing(() => complete(located, stored, fill.tags), { signal, elapsed, onRetry })
    } catch (error) {
      // The record stays for the next life.
      if (signal.aborted) return
      tally.abandoned += 1
      logger.warn({ ...about, why: messageOf(error) }, 'image given up')
    }
    await records.remove(fill.record).catch(() => undefined)
  }

  #forget(key: string, fill: Fill): void {
    this.#pending.delete(key)
    for (const [tag, pending] of this.#byTag) if (pending.fill === fill) this.#byTag.delete(tag)
  }

  // Without a record the image is completed all the same, unless this process ends before.
  async #write({ fill, since }: Pending): Promise<void> {
    try {
      await this.#parts.records.write({ ...fill.record, since })
    } catch (error) {
      this.#parts.logger.warn({ why: messageOf(error) }, 'a restart would forget an image that is not complete')
    }
    // It may have ended while the record was written.
    if (!this.#pending.has(keyOf(fill.located.name, fill.stored.digest)) && !this.#parts.signal.aborted)
      await this.#parts.records.remove(fill.record).catch(() => undefined)
  }
}

function keyOf(name: RepositoryName, digest: Digest): string {
  return `${name}@${digest}`
}
