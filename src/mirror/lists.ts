// Tags and referrers of a mirrored repository: the upstream's and those that are here, together. Offline those that are
// here, which is never less than what a client could pull.
import type { Digest } from '../oci/digest.ts'
import type { RegistryError } from '../oci/errors.ts'
import { registryError } from '../oci/errors.ts'
import type { RepositoryName } from '../oci/name.ts'
import type { Tag } from '../oci/reference.ts'
import { parseTag } from '../oci/reference.ts'
import type { Context } from '../registry/context.ts'
import { listReferrers } from '../registry/list.ts'
import type { StoredManifest } from '../storage/manifests.ts'
import { compare } from '../storage/repositories.ts'
import { UpstreamError } from '../upstream/upstream-error.ts'
import { answerFor } from './answer.ts'
import type { ManifestFetcher } from './fetch-manifest.ts'
import type { Located } from './route.ts'

export interface ListsParts {
  readonly context: Context
  readonly manifests: Pick<ManifestFetcher, 'get'>
  /** Begins to complete what a list told of. */
  readonly fill: (located: Located, stored: StoredManifest) => Promise<void>
  /** Milliseconds since 1970. */
  readonly clock: () => number
  /** Whether the upstream may be asked now. */
  readonly mayAsk: (located: Located) => boolean
  readonly signal: () => AbortSignal
}

interface Kept {
  readonly tags: readonly Tag[]
  readonly at: number
}

// About 50 MB of memory.
const MOST_TAGS = 500_000
// An upstream may have a list without a tag for every name.
const MOST_LISTS = 10_000
// Who wants more of them asks the upstream.
const MOST_REFERRERS = 500
const MOST_BYTES = 16 * 1024 * 1024
const AT_ONCE = 8
// A list has no name of its own in `fresh`; it is as good as its most hurried tag.
const LIST_TAG = parseTag('latest')

export class Lists {
  readonly #parts: ListsParts
  readonly #kept = new Map<RepositoryName, Kept>()
  readonly #flights = new Map<RepositoryName, Promise<readonly Tag[]>>()
  #keptTags = 0

  constructor(parts: ListsParts) {
    this.#parts = parts
  }

  /**
   * The tags after `last` in byte order. Throws NAME_UNKNOWN where neither side knows the repository; a failure of the
   * upstream shows only where nothing is here.
   */
  async tags(located: Located, last: string): Promise<AsyncGenerator<Tag>> {
    const { context, mayAsk } = this.#parts
    const { name } = located
    const { store } = context
    const isHere = store.repositories.exists(name)
    const unknown = registryError('NAME_UNKNOWN', { detail: { name } })
    const theirs = mayAsk(located) ? await this.#theirs(located, isHere, unknown) : undefined
    if (theirs === undefined && !isHere) throw unknown
    return merge(
      (theirs ?? []).filter((tag) => compare(tag, last) > 0),
      store.tags.list(name, last),
    )
  }

  /**
   * What refers to `digest`, by digest after `last`. What only the upstream has is brought here. Throws an answer for an
   * upstream that fails where nothing is here: "I do not know" must not look like "nobody signed this" (R20).
   */
  async referrers(located: Located, digest: Digest, last: string): Promise<AsyncGenerator<StoredManifest>> {
    const { context, mayAsk } = this.#parts
    const here = await collect(listReferrers(context, located.name, digest, ''))
    const theirs = mayAsk(located) ? await this.#theirReferrers(located, digest, here) : []
    const all = new Map([...theirs, ...here].map((stored) => [stored.digest, stored]))
    const sorted = [...all.values()].toSorted((a, b) => compare(a.digest, b.digest))
    return iterate(sorted.filter((stored) => compare(stored.digest, last) > 0))
  }

  async #theirs(located: Located, isHere: boolean, unknown: RegistryError): Promise<readonly Tag[] | undefined> {
    const { name, upstream } = located
    const { clock } = this.#parts
    const kept = this.#kept.get(name)
    const age = clock() - (kept?.at ?? -Infinity)
    if (kept !== undefined && age >= 0 && age < upstream.freshFor(LIST_TAG)) return kept.tags
    const flight = this.#flights.get(name) ?? this.#ask(located)
    try {
      return await flight
    } catch (error) {
      if (!(error instanceof UpstreamError)) throw error
      if (kept !== undefined) return kept.tags
      if (isHere) return undefined
      throw answerFor(error, unknown)
    }
  }

  #keep(name: RepositoryName, tags: readonly Tag[]): void {
    if (this.#kept.size >= MOST_LISTS || this.#keptTags + tags.length > MOST_TAGS) {
      this.#kept.clear()
      this.#keptTags = 0
    }
    this.#keptTags += tags.length - (this.#kept.get(name)?.tags.length ?? 0)
    this.#kept.set(name, { tags, at: this.#parts.clock() })
  }

  #ask(located: Located): Promise<readonly Tag[]> {
    const { name, upstream, repository } = located
    const flight = upstream.client
      .listTags(repository, { signal: this.#parts.signal() })
      .then(({ tags }) => {
        const sorted = tags.toSorted(compare)
        this.#keep(name, sorted)
        return sorted
      })
      .finally(() => this.#flights.delete(name))
    this.#flights.set(name, flight)
    return flight
  }

  async #theirReferrers(
    located: Located,
    digest: Digest,
    here: readonly StoredManifest[],
  ): Promise<readonly StoredManifest[]> {
    const { signal } = this.#parts
    const known = new Set(here.map((stored) => stored.digest))
    const { client } = located.upstream
    try {
      const { descriptors } = await client.listReferrers(located.repository, digest, { signal: signal() })
      const missing = descriptors.filter((descriptor) => !known.has(descriptor.digest)).slice(0, MOST_REFERRERS)
      const found: StoredManifest[] = []
      let bytes = 0
      // A few at a time, and no more than one answer can hold.
      for (let first = 0; first < missing.length && bytes < MOST_BYTES; first += AT_ONCE) {
        const some = missing.slice(first, first + AT_ONCE)
        for (const stored of await Promise.all(some.map((each) => this.#referrer(located, digest, each.digest)))) {
          if (stored === undefined) continue
          bytes += stored.bytes.byteLength
          found.push(stored)
        }
      }
      return found
    } catch (error) {
      if (!(error instanceof UpstreamError)) throw error
      // What is here is never hidden, though it may not be all.
      if (here.length > 0 || error.kind === 'notFound') return []
      throw answerFor(error, registryError('UNAVAILABLE', { message: error.message, headers: { 'retry-after': '30' } }))
    }
  }

  // One that is not there, or is no referrer, is left out: a list of a stranger is no proof.
  async #referrer(located: Located, subject: Digest, digest: Digest): Promise<StoredManifest | undefined> {
    const { manifests, fill } = this.#parts
    try {
      const stored = await manifests.get(located, { kind: 'digest', digest })
      if (stored.manifest.subject?.digest !== subject) return undefined
      await fill(located, stored)
      return stored
    } catch (error) {
      if (error instanceof UpstreamError && (error.kind === 'notFound' || error.kind === 'invalid')) return undefined
      throw error
    }
  }
}

async function* merge(one: readonly Tag[], other: AsyncGenerator<Tag>): AsyncGenerator<Tag> {
  let at = 0
  for await (const tag of other) {
    for (let next = one[at]; next !== undefined && compare(next, tag) <= 0; next = one[at]) {
      at += 1
      if (next !== tag) yield next
    }
    yield tag
  }
  yield* one.slice(at)
}

async function* iterate<T>(items: readonly T[]): AsyncGenerator<T> {
  yield* items
}

async function collect<T>(source: AsyncGenerator<T>): Promise<T[]> {
  const items: T[] = []
  for await (const item of source) items.push(item)
  return items
}
