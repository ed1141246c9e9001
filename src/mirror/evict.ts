// Keeps what was mirrored below its bound: the images that were used longest ago lose their links, and collection frees
// them (I6). Never what was pushed, synced, imported or pinned, and never what is in use.
import type { BaseLogger } from 'pino'
import type { Digest } from '../oci/digest.ts'
import type { RepositoryName } from '../oci/name.ts'
import type { Room as Bound } from '../config/bytes.ts'
import type { Context } from '../registry/context.ts'
import type { Upkeep } from '../registry/upkeep.ts'
import { readMirrored } from './usage.ts'
import type { MirroredImage } from './usage.ts'

export interface EvictorParts {
  readonly context: Context
  /** A share of the file system, an amount of bytes, or the smaller of both. */
  readonly bound: Bound
  readonly remove: Upkeep['remove']
  /** Frees what lost its links. */
  readonly collect: () => Promise<unknown>
  /** Whether the image is being completed. */
  readonly isBusy: (name: RepositoryName, digest: Digest) => boolean
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

// Of its own time an eviction takes this part at most: reading all marks of a large mirror takes a while.
const REST = 20

export class Evictor {
  readonly #parts: EvictorParts
  #restsUntil = 0
  #running: Promise<Eviction | undefined> | undefined

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

  /** Waits for the run under way. */
  async close(): Promise<void> {
    await this.#running
  }

  async #run(): Promise<Eviction | undefined> {
    const { context, bound, logger, collect } = this.#parts
    const { store, rules } = context
    const { free, total, state } = store.room.read()
    const limit = total === 0 ? bound.bytes : Math.min(bound.share * total, bound.bytes)
    // What is mirrored cannot be more than all that lies on the disk.
    if ((total > 0 && total - free <= limit) || rules.readOnly() !== undefined) return undefined
    const images = await readMirrored(store)
    const before = sum(images)
    if (before <= limit) return undefined
    const gone = await this.#remove(this.#choose(images, before - limit * TARGET))
    const after = sum(images.filter((image) => !gone.has(image)))
    logger.info({ before, after, limit: Math.floor(limit), images: gone.size }, 'mirrored images evicted')
    if (gone.size > 0 && state !== 'ok') await collect()
    return { before, after, images: gone.size }
  }

  // As many of the longest unused as hold `bytes` that no other image needs.
  #choose(images: readonly MirroredImage[], bytes: number): MirroredImage[] {
    const { clock, isBusy, mayEvict } = this.#parts
    const now = clock()
    const holders = countHolders(images)
    const victims: MirroredImage[] = []
    let left = bytes
    for (const image of images.toSorted((a, b) => a.usedAt - b.usedAt)) {
      if (left <= 0) break
      const inUse = now - image.usedAt < IN_USE_MS || image.parts.some((part) => isBusy(image.name, part))
      if (inUse || !mayEvict(image.name)) continue
      victims.push(image)
      for (const [digest, size] of image.blobs) {
        const others = (holders.get(digest) ?? 1) - 1
        holders.set(digest, others)
        if (others === 0) left -= size
      }
    }
    return victims
  }

  // By repository, since a plan reads all that one holds.
  async #remove(victims: readonly MirroredImage[]): Promise<Set<MirroredImage>> {
    const { context, remove } = this.#parts
    const { mirrored } = context.store
    const gone = new Set<MirroredImage>()
    for (const [name, images] of Map.groupBy(victims, (image) => image.name)) {
      const isOurs = (patterns: readonly string[]): Promise<boolean> =>
        remove(patterns, { dryRun: true }).then(({ repositories }) =>
          repositories.every(
            ({ tags, manifests }) =>
              tags.every((tag) => mirrored.tag(name, tag) !== undefined) &&
              manifests.every((digest) => mirrored.manifest(name, digest) !== undefined),
          ),
        )
      const patternOf = ({ digest }: MirroredImage): string => `${name}@${digest}`
      // What somebody pushed goes along with none of them: a signature of one's own keeps its image.
      const all = images.map(patternOf)
      const free: MirroredImage[] = []
      if (await isOurs(all)) free.push(...images)
      else for (const image of images) if (await isOurs([patternOf(image)])) free.push(image)
      if (free.length === 0) continue
      const { repositories } = await remove(free.map(patternOf), { dryRun: false })
      const removed = new Set(repositories.flatMap(({ manifests }) => manifests))
      for (const image of free) if (removed.has(image.digest)) gone.add(image)
    }
    return gone
  }
}

function countHolders(images: readonly MirroredImage[]): Map<Digest, number> {
  const holders = new Map<Digest, number>()
  for (const { blobs } of images) for (const digest of blobs.keys()) holders.set(digest, (holders.get(digest) ?? 0) + 1)
  return holders
}

// Each blob once, however many images hold it.
function sum(images: readonly MirroredImage[]): number {
  const seen = new Set<Digest>()
  let bytes = 0
  for (const { blobs } of images) {
    for (const [digest, size] of blobs) {
      if (seen.has(digest)) continue
      seen.add(digest)
      bytes += size
    }
  }
  return bytes
}
