// The large blobs of an image, before everything else of it: none of them becomes a blob of the target before all of them were
// read to their ends and are right, so that an image with one wrong layer leaves nothing behind.
import type { Descriptor } from '../oci/descriptor.ts'
import { RegistryError } from '../oci/errors.ts'
import type { Turns } from '../upstream/turns.ts'
import { makeTurns } from '../upstream/turns.ts'
import { UpstreamError } from '../upstream/upstream-error.ts'
import { Barrier, OtherFailed } from './barrier.ts'
import { READ_FIRST } from './check-file.ts'
import type { BlobWish } from './copy-blobs.ts'

/** Brings one blob and calls `beforeCommit`, if at all, when its bytes are right and not there yet for anybody to see. */
export type Bring = (wish: BlobWish, beforeCommit?: () => Promise<void>) => Promise<number>

// A registry has room for so many unfinished uploads; an image with more large layers is rare, and only less tidy when it fails.
const MOST_HELD = 48

export class LargeFirst {
  /** Two images that wait for their own blobs could wait for each other's. */
  readonly #turns: Turns = makeTurns(1)
  readonly #bring: Bring

  constructor(bring: Bring) {
    this.#bring = bring
  }

  /** Gives the bytes that went over. Throws what one of them fails with; then none of them is there that was not before. */
  async bring(
    blobs: readonly Descriptor[],
    ends: Omit<BlobWish, 'blob'>,
    signal: AbortSignal | undefined,
  ): Promise<number> {
    const large = blobs.filter(({ size }) => size > READ_FIRST)
    const [only] = large
    if (only === undefined || large.length > MOST_HELD) return 0
    if (large.length === 1) return this.#bring({ ...ends, blob: only })
    const release = await this.#turns.take(signal)
    try {
      return await this.#bringTogether(large, ends)
    } catch (error) {
      // A registry that has less room for them takes them one by one.
      if (isTooMany(error)) return 0
      throw error
    } finally {
      release()
    }
  }

  async #bringTogether(large: readonly Descriptor[], ends: Omit<BlobWish, 'blob'>): Promise<number> {
    const barrier = new Barrier(large.length)
    const ended = await Promise.allSettled(
      large.map(async (blob) => {
        let hasCome = false
        const come = (): void => {
          if (!hasCome) barrier.come()
          hasCome = true
        }
        try {
          return await this.#bring({ ...ends, blob }, () => (come(), barrier.opened))
        } catch (error) {
          barrier.fail(error)
          throw error
        } finally {
          come()
        }
      }),
    )
    const reasons = ended.flatMap((each) => (each.status === 'rejected' ? [each.reason as unknown] : []))
    if (reasons.length > 0) throw reasons.find((reason) => !(reason instanceof OtherFailed)) ?? reasons[0]
    return ended.reduce((sum, each) => sum + (each.status === 'fulfilled' ? each.value : 0), 0)
  }
}

function isTooMany(error: unknown): boolean {
  if (error instanceof RegistryError) return error.code === 'TOOMANYREQUESTS'
  return error instanceof UpstreamError && error.kind === 'limited'
}
