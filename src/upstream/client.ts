// One upstream as its configuration names it: several addresses of one registry, tried in order. It keeps nothing and
// verifies no blob: who reads bytes hashes them. Making one opens no connection.
import type { Digest } from '../oci/digest.ts'
import type { RepositoryName } from '../oci/name.ts'
import type { Reference } from '../oci/reference.ts'
import type { Endpoint, EndpointState, Lane } from './endpoint.ts'
import type { AddressOptions } from './open-endpoint.ts'
import { openEndpoint, usualUrl } from './open-endpoint.ts'
import type { BlobAsk, UpstreamBlob } from './read-blob.ts'
import { getBlob, headBlob } from './read-blob.ts'
import type { ReferrerList, RepositoryList, TagList } from './read-lists.ts'
import { listReferrers, listRepositories, listTags } from './read-lists.ts'
import type { UpstreamManifest, UpstreamManifestHead } from './read-manifest.ts'
import { getManifest, headManifest } from './read-manifest.ts'
import type { Throttle } from './throttle.ts'
import { makeThrottle } from './throttle.ts'
import type { Transport } from './transport.ts'
import { TIMEOUTS } from './transport.ts'
import type { Turns } from './turns.ts'
import { makeTurns } from './turns.ts'
import { chooseFailure, UpstreamError } from './upstream-error.ts'

export interface UpstreamOptions extends AddressOptions {
  /** Tried in order; `https://host` when empty. */
  readonly urls?: readonly string[]
  /** Blobs at a time, and as many small requests beside them. */
  readonly concurrency?: number
  /** Bytes per second of all blobs together, 0 = unlimited. */
  readonly bandwidth?: number
  readonly limits?: Partial<UpstreamLimits>
  /** Milliseconds that only run forward. */
  readonly elapsed?: () => number
}

export interface UpstreamLimits {
  /** Bytes. */
  readonly manifestBytes: number
  readonly pageBytes: number
  readonly blobBytes: number
  readonly pages: number
  readonly tags: number
  readonly repositories: number
  readonly referrers: number
  /** Least bytes of a blob in a minute of waiting for it. */
  readonly slowest: number
}

const LIMITS: UpstreamLimits = {
  manifestBytes: 4_194_304,
  pageBytes: 8_388_608,
  blobBytes: 1_099_511_627_776,
  pages: 1000,
  tags: 100_000,
  repositories: 100_000,
  referrers: 10_000,
  slowest: 65_536,
}

/** What all asks may have. */
export interface AskOptions {
  readonly signal?: AbortSignal
}

export interface GetBlobAsk extends BlobAsk {
  /** Configured urls that are not asked, such as one whose bytes turned out wrong. */
  readonly avoid?: readonly string[]
}

export class UpstreamClient {
  readonly host: string
  readonly insecure: boolean
  readonly #endpoints: readonly Endpoint[]
  readonly #transports: readonly Transport[]
  readonly #turns: Readonly<Record<Lane, Turns>>
  readonly #limits: UpstreamLimits
  readonly #throttle: Throttle
  readonly #elapsed: () => number
  readonly #whole: number
  #isClosed = false

  /** Throws an UpstreamError 'refused' for a url that is none, and for plain http without `insecure`. */
  constructor(options: UpstreamOptions) {
    const { host, urls = [], insecure = false, concurrency = 8, bandwidth = 0, elapsed } = options
    this.host = host
    this.insecure = insecure
    this.#elapsed = elapsed ?? (() => performance.now())
    this.#whole = options.timeouts?.whole ?? TIMEOUTS.whole
    this.#limits = { ...LIMITS, ...options.limits }
    this.#throttle = makeThrottle({ bytesPerSecond: bandwidth, clock: this.#elapsed })
    this.#turns = { manifests: makeTurns(concurrency), blobs: makeTurns(concurrency) }
    const made = (urls.length === 0 ? [usualUrl(options)] : urls).map((url) => openEndpoint(url, options))
    this.#endpoints = made.map(({ endpoint }) => endpoint)
    this.#transports = made.map(({ transport }) => transport)
  }

  /** Breakers, pauses and rates, one for each url. */
  get state(): readonly EndpointState[] {
    return this.#endpoints.map(({ state }) => state)
  }

  /** Whether every url counts as offline. */
  get isAway(): boolean {
    return this.#endpoints.every((endpoint) => endpoint.isAway)
  }

  /** What counts as offline is tried again by the next request, whenever its turn would be. */
  hasten(): void {
    for (const endpoint of this.#endpoints) endpoint.hasten()
  }

  /** What a tag or digest names, without its bytes. Throws an UpstreamError, as all of these do. */
  async headManifest(
    repository: RepositoryName,
    reference: Reference,
    options: AskOptions = {},
  ): Promise<UpstreamManifestHead> {
    const { manifestBytes: largest } = this.#limits
    return this.#try(options, async (endpoint, signal) => {
      const ask = { repository, reference, largest, signal }
      try {
        return await headManifest(endpoint, ask)
      } catch (error) {
        if (!(error instanceof UpstreamError) || error.status !== 405) throw error
        const { bytes, ...rest } = await getManifest(endpoint, ask)
        return { ...rest, size: bytes.length }
      }
    })
  }

  /** A manifest whole, verified against the digest that was asked for. */
  async getManifest(
    repository: RepositoryName,
    reference: Reference,
    options: AskOptions = {},
  ): Promise<UpstreamManifest> {
    const { manifestBytes: largest } = this.#limits
    return this.#try(options, (endpoint, signal) => getManifest(endpoint, { repository, reference, largest, signal }))
  }

  /** Whether a blob is there, and its size where the upstream says. */
  async headBlob(
    repository: RepositoryName,
    digest: Digest,
    options: AskOptions & { readonly size?: number } = {},
  ): Promise<{ size: number | undefined; source: string }> {
    const { blobBytes } = this.#limits
    return this.#try(options, (endpoint, signal) =>
      headBlob(endpoint, { repository, digest, ...options, signal }, blobBytes),
    )
  }

  /**
   * A blob from `offset` on; `status` 200 with `from` 0 means that the upstream starts again. The body is not
   * verified. It holds a turn until it is closed: read it to its end or destroy it.
   */
  async getBlob({ avoid = [], ...ask }: GetBlobAsk): Promise<UpstreamBlob> {
    const release = await this.#turns.blobs.take(ask.signal)
    try {
      this.#requireOpen()
      const endpoints = this.#endpoints.filter(({ url }) => !avoid.includes(url))
      if (endpoints.length === 0)
        throw new UpstreamError('invalid', `${this.host} has no address left that could give ${ask.digest}`)
      return await tryInOrder(endpoints, ask.signal, (endpoint) => this.#openBlob(endpoint, ask, release))
    } catch (error) {
      release()
      throw error
    }
  }

  /** All tags of a repository; of no more than so many `pages`, where it is said. */
  async listTags(repository: RepositoryName, options: AskOptions & { readonly pages?: number } = {}): Promise<TagList> {
    const { pages, pageBytes, tags } = this.#limits
    const ask = { repository, mostPages: options.pages ?? pages, mostEntries: tags, largest: pageBytes }
    return this.#try(options, (endpoint, signal) => listTags(endpoint, { ...ask, signal }))
  }

  /** All repositories of the registry, where it lists them. */
  async listRepositories(options: AskOptions = {}): Promise<RepositoryList> {
    const { pages, pageBytes, repositories } = this.#limits
    const ask = { mostPages: pages, mostEntries: repositories, largest: pageBytes }
    return this.#try(options, (endpoint, signal) => listRepositories(endpoint, { ...ask, signal }))
  }

  /** What refers to a manifest: signatures, attestations, SBOMs. */
  async listReferrers(repository: RepositoryName, digest: Digest, options: AskOptions = {}): Promise<ReferrerList> {
    const { pages, manifestBytes, referrers } = this.#limits
    const ask = { repository, mostPages: pages, mostEntries: referrers, largest: manifestBytes }
    return this.#try(options, (endpoint, signal) => listReferrers(endpoint, digest, { ...ask, signal }))
  }

  /** Ends all connections; who asks after that is refused at once, so that nobody waits for what cannot come. */
  async close(): Promise<void> {
    this.#isClosed = true
    await Promise.all(this.#transports.map((transport) => transport.close()))
  }

  /** Each url has the whole time for a small answer, lists all their pages. */
  async #try<T>({ signal }: AskOptions, act: (endpoint: Endpoint, signal: AbortSignal) => Promise<T>): Promise<T> {
    const release = await this.#turns.manifests.take(signal)
    try {
      this.#requireOpen()
      return await tryInOrder(this.#endpoints, signal, async (endpoint) => {
        // Not AbortSignal.timeout, which a sync of thousands of images would keep by the thousand until they are over.
        const late = new AbortController()
        const timer = setTimeout(() => late.abort(new DOMException('no answer in time', 'TimeoutError')), this.#whole)
        try {
          return await act(endpoint, signal === undefined ? late.signal : AbortSignal.any([signal, late.signal]))
        } finally {
          clearTimeout(timer)
        }
      })
    } finally {
      release()
    }
  }

  #requireOpen(): void {
    if (this.#isClosed) throw new UpstreamError('refused', `${this.host} is not asked any more`)
  }

  /** The same time for the headers of a blob; its body has all the time that it needs. */
  async #openBlob(endpoint: Endpoint, ask: BlobAsk, release: () => void): Promise<UpstreamBlob> {
    const { blobBytes: largest, slowest } = this.#limits
    const late = new AbortController()
    const timer = setTimeout(() => late.abort(new DOMException('no answer in time', 'TimeoutError')), this.#whole)
    const signal = ask.signal === undefined ? late.signal : AbortSignal.any([ask.signal, late.signal])
    try {
      const limits = { largest, slowest, throttle: this.#throttle, elapsed: this.#elapsed, release }
      return await getBlob(endpoint, { ...ask, signal }, limits)
    } finally {
      clearTimeout(timer)
    }
  }
}

async function tryInOrder<T>(
  endpoints: readonly Endpoint[],
  signal: AbortSignal | undefined,
  act: (endpoint: Endpoint) => Promise<T>,
): Promise<T> {
  const failures: UpstreamError[] = []
  for (const endpoint of endpoints) {
    try {
      return await act(endpoint)
    } catch (error) {
      signal?.throwIfAborted()
      if (!(error instanceof UpstreamError)) throw error
      failures.push(error)
    }
  }
  throw chooseFailure(failures)
}
