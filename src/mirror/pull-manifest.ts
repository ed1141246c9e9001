// Pulling a manifest of a mirrored repository. What is here is answered from here; a tag that is no longer fresh is asked
// for behind the answer. What is not here comes from the upstream, verified, and its image is completed behind that.
import type { BaseLogger } from 'pino'
import type { Digest } from '../oci/digest.ts'
import type { Reference, Tag } from '../oci/reference.ts'
import type { Context } from '../registry/context.ts'
import type { Wishes } from '../registry/pull-manifest.ts'
import { childInstead, findManifest, manifestUnknown } from '../registry/pull-manifest.ts'
import type { ServedManifest } from '../registry/source.ts'
import type { StoredManifest } from '../storage/manifests.ts'
import { UpstreamError } from '../upstream/upstream-error.ts'
import { answerFor } from './answer.ts'
import type { ManifestFetcher } from './fetch-manifest.ts'
import type { Fills } from './fills.ts'
import { Freshness } from './freshness.ts'
import { isOurs } from './link-image.ts'
import { messageOf } from './retry.ts'
import type { Located } from './route.ts'
import type { Tally } from './tally.ts'

export interface ManifestPullerParts {
  readonly context: Context
  readonly manifests: ManifestFetcher
  readonly fills: Fills
  readonly tally: Tally
  readonly logger: Pick<BaseLogger, 'info' | 'debug'>
  /** Milliseconds since 1970. */
  readonly clock: () => number
  /** Whether the upstream may be asked now. */
  readonly mayAsk: (located: Located) => boolean
}

export class ManifestPuller {
  readonly #parts: ManifestPullerParts
  readonly #freshness: Freshness
  readonly #revalidations = new Map<string, Promise<void>>()

  constructor(parts: ManifestPullerParts) {
    this.#parts = parts
    this.#freshness = new Freshness(parts.clock)
  }

  /** Gives the manifest. Throws MANIFEST_UNKNOWN, or what `answerFor` makes of the upstream's failure. */
  async pull(located: Located, reference: Reference, wishes: Wishes): Promise<ServedManifest> {
    const found = await this.#pull(located, reference)
    const child = childInstead(found, reference, wishes)
    return child === undefined ? found : this.#pull(located, { kind: 'digest', digest: child })
  }

  async #pull(located: Located, reference: Reference): Promise<ServedManifest> {
    const { context, tally } = this.#parts
    const here = await findManifest(context, located.name, reference)
    if (here !== undefined) {
      tally.manifests.hits += 1
      tally.manifests.saved += here.bytes.byteLength
      return reference.kind === 'tag' ? { ...here, ...this.#standing(located, reference.tag) } : here
    }
    return this.#pullFromUpstream(located, this.#settle(located, reference))
  }

  // A tag that somebody pushed or carried here and whose image is torn means that image and no other.
  #settle({ name }: Located, reference: Reference): Reference {
    const { context } = this.#parts
    if (reference.kind === 'digest') return reference
    const digest = context.store.tags.resolve(name, reference.tag)
    return digest === undefined || isOurs(context, name, reference.tag) ? reference : { kind: 'digest', digest }
  }

  /** Waits for the questions that go on behind answers. */
  async close(): Promise<void> {
    await Promise.allSettled(this.#revalidations.values())
  }

  async #pullFromUpstream(located: Located, reference: Reference): Promise<StoredManifest> {
    const { fills, mayAsk, tally, manifests } = this.#parts
    const { name } = located
    if (!mayAsk(located)) throw manifestUnknown(name, reference)
    tally.manifests.misses += 1
    const pending = fills.find(name, reference)
    if (pending !== undefined && this.#isGood(located, reference, pending.checkedAt)) {
      // The platform of a client whose index is waiting for one.
      return pending.stored
    }
    try {
      const stored = await manifests.get(located, reference)
      // Not waited for: what a crash in the next moments forgets is asked for again by the next client.
      void fills.begin(located, stored, reference.kind === 'tag' ? [reference.tag] : [])
      return stored
    } catch (error) {
      // Better what was good a moment ago than nothing.
      if (pending !== undefined && error instanceof UpstreamError) return pending.stored
      throw answerFor(error, manifestUnknown(name, reference))
    }
  }

  #isGood({ upstream }: Located, reference: Reference, checkedAt: number): boolean {
    return reference.kind === 'digest' || this.#freshness.isFresh(checkedAt, upstream.freshFor(reference.tag))
  }

  // A tag that was pushed is nobody's business but the pusher's.
  #standing(located: Located, tag: Tag): { age?: number; warning?: string } {
    const { context, mayAsk } = this.#parts
    const { name, upstream } = located
    const mark = context.store.mirrored.tag(name, tag)
    if (mark === undefined || !isOurs(context, name, tag)) return {}
    const { checkedAt } = mark
    if (this.#freshness.isFresh(checkedAt, upstream.freshFor(tag))) return this.#freshness.describe(checkedAt, 'fresh')
    if (!mayAsk(located)) return this.#freshness.describe(checkedAt, 'offline')
    if (this.#freshness.hasFailed(name, tag)) return this.#freshness.describe(checkedAt, 'failed')
    // Another image may be on its way to it, of which the upstream spoke a moment ago.
    const coming = this.#parts.fills.find(name, { kind: 'tag', tag })
    const isKnown = coming !== undefined && coming.stored.digest !== mark.digest
    if (!isKnown || !this.#freshness.isFresh(coming.checkedAt, upstream.freshFor(tag)))
      this.#revalidate(located, tag, mark.digest)
    return this.#freshness.describe(checkedAt, 'stale')
  }

  #revalidate(located: Located, tag: Tag, known: Digest): void {
    const key = `${located.name}:${tag}`
    if (this.#revalidations.has(key)) return
    const run = this.#ask(located, tag, known)
      .catch((error: unknown) => {
        this.#freshness.noteFailure(located.name, tag)
        this.#parts.logger.info({ repository: located.name, tag, why: messageOf(error) }, 'tag not asked for again')
      })
      .finally(() => this.#revalidations.delete(key))
    this.#revalidations.set(key, run)
  }

  // Nothing that an upstream says removes what is here: a tag that is gone there stays as it is.
  async #ask(located: Located, tag: Tag, known: Digest): Promise<void> {
    const { manifests, tally, context, fills, clock, logger } = this.#parts
    const { name } = located
    tally.revalidated += 1
    const asked = clock()
    const reference: Reference = { kind: 'tag', tag }
    const said = await manifests.head(located, reference)
    const stored = said === known ? undefined : await manifests.get(located, reference)
    this.#freshness.noteAnswer(name, tag)
    if (stored === undefined || stored.digest === known) {
      context.store.mirrored.noteChecked(name, tag, asked)
      // It was to move, and moved back before it did.
      await fills.untag(name, tag, known)
      return
    }
    tally.moved += 1
    logger.info({ repository: name, tag, from: known, to: stored.digest }, 'tag moved upstream')
    // Until the new image is whole the tag stays what it is.
    await fills.begin(located, stored, [tag], { checkedAt: asked })
  }
}
