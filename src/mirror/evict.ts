// Keeps what was mirrored below its bound: the images that were used longest ago lose their links, and collection frees
// them (I6). Never what was pushed, synced, imported or pinned, and never what is in use.
import type { BaseLogger } from 'pino'
import type { Digest } from '../oci/digest.ts'
import type { RepositoryName } from '../oci/name.ts'
import type { Room as Bound } from '../config/bytes.ts'
import type { Context } from '../registry/context.ts'
import { readPinned, removeFrom } from '../registry/remove-from.ts'
import { findSpared } from './spare.ts'
import type { MirroredImage, Usage } from './usage.ts'
import { readUsage } from './usage.ts'

export interface EvictorParts {
  readonly context: Context
  /** A share of the file system, an amount of bytes, or the smaller of both. */
  readonly bound: Bound
  /** Frees what lost its links. */
  readonly collect: () => Promise<unknown>
  /** Whether the image is being completed. */
  readonly isBusy: (name: RepositoryName, digest: Digest) => boolean
  /** Whether somebody is reading the blob from the repository. */
  readonly isRead: (name: RepositoryName, digest: Digest) => boolean
  /** Whether images of the repository may go now: not while its upstream could not give them back. */
  readonly mayEvict: (name: RepositoryName) => boolean
  /** Milliseconds since 1970. */
  readonly clock: () => number
  /** Milliseconds that only run forward. */
  readonly elapsed: () => number
  readonly logger: Pick<BaseLogger, 'info' | 'warn'>
}

export interface Eviction {
  /** Bytes of mirrored blobs, each once, before and after. */
  readonly before: number
  readonly after: number
  readonly images: number
}

// A client that got a manifest comes for its layers within this time.
const IN_USE_MS = 600_000
// A little more than needed at once, so that not every fill evicts.
const TARGET = 0.95
// Chosen at once: what turns out to be needed is left, and the next ones are chosen instead.
const MOST_AT_ONCE = 1000

// Of its own time an eviction takes this part at most: reading all marks of a large mirror takes a while.
const REST = 20

export class Evictor {
  readonly #parts: EvictorParts
  #restsUntil = 0
  #running: Promise<Eviction | undefined> | undefined
  #isClosing = false

  constructor(parts: EvictorParts) {
    this.#parts = parts
  }

  /** As `run`, unless the last one was a moment ago. */
  runIfRested(): void {
    if (this.#parts.elapsed() >= this.#restsUntil) void this.run()
  }

  /** Evicts what is above the bound; one run at a time. Undefined when nothing had to be looked at. Never rejects. */
  run(): Promise<Eviction | undefined> {
    const began = this.#parts.elapsed()
    this.#running ??= this.#run()
      .catch((error: unknown) => {
        this.#parts.logger.warn({ err: error }, 'eviction failed')
        return undefined
      })
      .finally(() => {
        this.#running = undefined
        const now = this.#parts.elapsed()
        this.#restsUntil = now + REST * (now - began)
      })
    return this.#running
  }

  /** Ends the run under way at its next step, and waits for that. */
  async close(): Promise<void> {
    this.#isClosing = true
    await this.#running
  }

  async #run(): Promise<Eviction | undefined> {
    const { context, bound, logger, collect } = this.#parts
    const { store, rules } = context
    const { free, total, state } = store.room.read()
    const limit = total === 0 ? bound.bytes : Math.min(bound.share * total, bound.bytes)
    // What is mirrored cannot be more than all that lies on the disk.
    if ((total > 0 && total - free <= limit) || rules.readOnly() !== undefined) return undefined
    const usage = await readUsage(store)
    const before = usage.bytes
    if (before <= limit) return undefined
    // What was used longest ago comes first.
    const waiting = usage.images.toSorted((a, b) => a.usedAt - b.usedAt).values()
    let images = 0
    while (usage.bytes > limit * TARGET && !this.#isClosing) {
      const victims = this.#choose(waiting, usage, limit * TARGET)
      if (victims.length === 0) break
      images += await this.#remove(victims, usage)
    }
    const after = usage.bytes
    logger.info({ before, after, limit: Math.floor(limit), images }, 'mirrored images evicted')
    if (images > 0 && state !== 'ok' && !this.#isClosing) await collect()
    return { before, after, images }
  }

  // The next ones, until what is left holds no more than `target` bytes.
  #choose(waiting: Iterator<MirroredImage>, usage: Usage, target: number): MirroredImage[] {
    const victims: MirroredImage[] = []
    while (usage.bytes > target && victims.length < MOST_AT_ONCE) {
      const { value: image } = waiting.next()
      if (image === undefined) break
      if (!this.#mayGo(image)) continue
      victims.push(image)
      usage.release(image)
    }
    return victims
  }

  #mayGo({ name, parts, usedAt, blobs }: MirroredImage): boolean {
    const { clock, context, isBusy, isRead, mayEvict } = this.#parts
    const { pulls } = context.store
    const now = clock()
    // Asked for again right before it goes: somebody may have come for it meanwhile.
    const last = Math.max(usedAt, ...parts.map((part) => pulls.lastPulled(name, part) ?? 0))
    if (now - last < IN_USE_MS || !mayEvict(name)) return false
    return !parts.some((part) => isBusy(name, part)) && !blobs.some(({ digest }) => isRead(name, digest))
  }

  // By repository, since a plan reads all that one holds. Gives how many went; what stays is counted again.
  async #remove(victims: readonly MirroredImage[], usage: Usage): Promise<number> {
    const { context } = this.#parts
    const { mirrored } = context.store
    let count = 0
    for (const [name, images] of Map.groupBy(victims, (image) => image.name)) {
      const plan = this.#isClosing
        ? undefined
        : await removeFrom(context, name, (content) => {
            const pinned = findSpared(content, { name, marks: mirrored.marks(name), pins: readPinned(context.store) })
            if (pinned === undefined) return undefined
            const digests = new Set(images.filter((image) => this.#mayGo(image)).map(({ digest }) => digest))
            return { tags: new Set(), digests, whole: false, pinned }
          })
      const removed = new Set<Digest>(plan?.manifests)
      for (const image of images) {
        if (removed.has(image.digest)) count += 1
        else usage.hold(image)
      }
    }
    return count
  }
}
