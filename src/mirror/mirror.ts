// The mirror put together: a source of answers that has upstreams behind the data directory, and what the process does
// with it from its start to its end.
import type { BaseLogger } from 'pino'
import type { Digest } from '../oci/digest.ts'
import type { Room as Bound } from '../config/bytes.ts'
import type { RepositoryName } from '../oci/name.ts'
import type { Tag } from '../oci/reference.ts'
import type { Context } from '../registry/context.ts'
import { findManifest } from '../registry/pull-manifest.ts'
import type { Source } from '../registry/source.ts'
import { localSource } from '../registry/source.ts'
import type { Upkeep } from '../registry/upkeep.ts'
import type { BlobSource } from '../storage/check/source.ts'
import type { StoredManifest } from '../storage/manifests.ts'
import { UpstreamError } from '../upstream/upstream-error.ts'
import { copyReferrers, isAboutAnother } from './copy-referrers.ts'
import { Evictor } from './evict.ts'
import { Fetching } from './fetching.ts'
import { Fill } from './fill.ts'
import { FillRecords } from './fill-records.ts'
import type { FillStatus } from './fills.ts'
import { Fills } from './fills.ts'
import { healFromUpstreams } from './heal.ts'
import { Lists } from './lists.ts'
import { preparePush } from './prepare-push.ts'
import { BlobPuller } from './pull-blob.ts'
import { ManifestPuller } from './pull-manifest.ts'
import { Readers } from './readers.ts'
import type { Located, Router } from './route.ts'
import { Tidier } from './tidy.ts'
import type { TallyNumbers } from './tally.ts'
import type { TransferStatus } from './transfers.ts'
import type { Upstream } from './upstream.ts'

// Indexes that lie in each other. No cycle can be made of digests, but a chain without end can.
const DEEPEST = 8

export interface MirrorParts {
  readonly context: Context
  readonly upstreams: readonly Upstream[]
  readonly router: Router
  /** No connection outwards, ever. */
  readonly offline: boolean
  /** Whether this process may write the data directory now. */
  readonly keeps: () => boolean
  readonly logger: Pick<BaseLogger, 'info' | 'warn' | 'debug'>
  /** Milliseconds since 1970. */
  readonly clock: () => number
  /** Milliseconds that only run forward. */
  readonly elapsed?: () => number
  /** Milliseconds without a byte after which a transfer is given up. */
  readonly patience?: { readonly first: number; readonly later: number }
  /** How much may be kept of what was mirrored. */
  readonly bound: Bound
  readonly upkeep: Pick<Upkeep, 'collector'>
}

export class Mirror implements Source {
  readonly offline: boolean
  readonly upstreams: readonly Upstream[]
  readonly tally: TallyNumbers
  /** Shared with whatever else fetches from upstreams in this process. */
  readonly fetching: Fetching
  readonly #parts: MirrorParts
  readonly #local: Source
  #isClosed = false
  readonly #fills: Fills
  readonly #blobPuller: BlobPuller
  readonly #manifestPuller: ManifestPuller
  readonly #lists: Lists
  readonly #evictor: Evictor
  readonly #tidier: Tidier

  constructor(parts: MirrorParts) {
    const { context, upstreams, offline, clock, logger, patience, bound, upkeep } = parts
    const elapsed = parts.elapsed ?? (() => performance.now())
    const fetching = new Fetching({
      context,
      logger,
      elapsed,
      onNoRoom: () => this.#evictor.runIfRested(),
      ...(patience && { patience }),
    })
    const { tally, blobs, manifests } = fetching
    const mayAsk = (located: Located): boolean => this.mayAsk(located)
    const signal = (): AbortSignal => fetching.signal
    const records = new FillRecords(context.store.layout)
    const readers = new Readers()
    this.#parts = parts
    this.offline = offline
    this.upstreams = upstreams
    this.tally = tally
    this.fetching = fetching
    this.#local = localSource(context)
    this.#fills = new Fills({
      records,
      tally,
      logger,
      clock,
      elapsed,
      signal,
      make: (located, stored, tags, { checkedAt, depth }) =>
        new Fill(located, stored, tags, checkedAt, {
          context,
          blobs,
          turns: fetching.turnsOf(located.upstream),
          signal: signal(),
          fillChild: (of, child) => this.#fillByDigest(of, child.digest, depth + 1),
        }),
      complete: (located, stored, tags) => this.#copyReferrers(located, stored, tags),
    })
    const common = { context, tally, mayAsk, fills: this.#fills }
    this.#blobPuller = new BlobPuller({ ...common, blobs, readers, mayFetch: () => this.#mayFetch })
    this.#manifestPuller = new ManifestPuller({ ...common, manifests, logger, clock })
    this.#lists = new Lists({
      context,
      manifests,
      clock,
      mayAsk,
      signal,
      fill: (located, stored) => this.#fills.begin(located, stored, []),
    })
    this.#evictor = new Evictor({
      context,
      bound,
      collect: () => upkeep.collector.run({ dryRun: false }),
      isBusy: (name, digest) => this.isBusy(name, digest),
      isRead: (name, digest) => readers.has(name, digest),
      mayEvict: (name) => {
        const located = this.locate(name)
        return located !== undefined && this.mayAsk(located)
      },
      clock,
      elapsed,
      logger,
    })
    this.#tidier = new Tidier({
      keeps: parts.keeps,
      mirrored: context.store.mirrored,
      evictor: this.#evictor,
      records,
      clock,
      logger,
      isUnderWay: (digest) => fetching.transfers.find(digest) !== undefined,
    })
  }

  /** Evicts what is above the bound. */
  evict: Evictor['run'] = () => this.#evictor.run()

  /** The upstreams as a place to heal from. */
  get healing(): BlobSource {
    const { store } = this.#parts.context
    return healFromUpstreams({
      store,
      locate: (name) => this.locate(name),
      mayAsk: (located) => this.mayAsk(located),
    })
  }

  /** Whether the upstream may be asked now: not offline, not taken for away, and what it gives can be kept. */
  mayAsk({ upstream }: Located): boolean {
    return this.#mayFetch && !upstream.client.isAway
  }

  get #mayFetch(): boolean {
    return !this.offline && !this.#isClosed && this.#parts.keeps()
  }

  /** Takes up what an earlier life began; to be called when this process becomes the keeper. */
  async resume(): Promise<void> {
    this.#tidier.start()
    if (!this.offline) await this.#fills.resume((name) => this.locate(name))
    await this.#tidier.run()
  }

  /** Breaks off what is under way, so that the next keeper goes on with it; to be called before the lock is freed. */
  leave(): void {
    this.#tidier.stop()
    this.fetching.leave()
  }

  /** What the repository stands for; undefined for one that is nobody's mirror. */
  locate(name: RepositoryName): Located | undefined {
    return this.#parts.router.locate(name)
  }

  get transfers(): readonly TransferStatus[] {
    return this.fetching.transfers.status()
  }

  get fills(): readonly FillStatus[] {
    return this.#fills.status()
  }

  /** Whether the image is being completed now. */
  isBusy: Fills['isBusy'] = (name, digest) => this.#fills.isBusy(name, digest)

  /** As `leave`, for good; closes all connections. */
  async close(): Promise<void> {
    this.#isClosed = true
    this.leave()
    await this.#evictor.close()
    await Promise.all([this.fetching.close(), this.#fills.close(), this.#manifestPuller.close()])
    await Promise.all(this.upstreams.map(({ client }) => client.close()))
    if (this.#parts.keeps()) await this.#parts.context.store.mirrored.flush()
  }

  pullManifest: Source['pullManifest'] = async (name, reference, wishes) => {
    const located = this.locate(name)
    if (located === undefined) return this.#local.pullManifest(name, reference, wishes)
    return this.#manifestPuller.pull(located, reference, wishes)
  }

  promiseManifest: Source['promiseManifest'] = async (name, reference, digest) => {
    // What is on its way is held by its fill until it is linked, and leased then.
    if (this.#fills.find(name, { kind: 'digest', digest }) !== undefined) return
    await this.#local.promiseManifest(name, reference, digest)
  }

  statBlob: Source['statBlob'] = (name, digest) => {
    const located = this.locate(name)
    return located === undefined ? this.#local.statBlob(name, digest) : this.#blobPuller.stat(located, digest)
  }

  pullBlob: Source['pullBlob'] = (name, digest, inPart) => {
    const located = this.locate(name)
    if (located === undefined) return this.#local.pullBlob(name, digest, inPart)
    return this.#blobPuller.pull(located, digest, inPart)
  }

  listTags: Source['listTags'] = (name, last) => {
    const located = this.locate(name)
    return located === undefined ? this.#local.listTags(name, last) : this.#lists.tags(located, last)
  }

  listReferrers: Source['listReferrers'] = (name, digest, last) => {
    const located = this.locate(name)
    if (located === undefined) return this.#local.listReferrers(name, digest, last)
    return this.#lists.referrers(located, digest, last)
  }

  prepareManifest: Source['prepareManifest'] = async (name, bytes) => {
    const located = this.locate(name)
    if (located === undefined || !this.#mayFetch) return
    await preparePush(located, bytes, {
      blobs: this.fetching.blobs,
      fills: this.#fills,
      turns: this.fetching.turnsOf(located.upstream),
      mayAsk: this.mayAsk(located),
    })
  }

  async #fillByDigest(located: Located, digest: Digest, depth: number): Promise<void> {
    const reference = { kind: 'digest', digest } as const
    if ((await this.#find(located, digest)) !== undefined) return
    if (depth > DEEPEST)
      throw new UpstreamError('invalid', `${located.name} has indexes in indexes, more than ${DEEPEST} deep`)
    await this.#fills.complete(located, await this.fetching.manifests.get(located, reference), [], depth)
  }

  #find({ name }: Located, digest: Digest): Promise<StoredManifest | undefined> {
    return findManifest(this.#parts.context, name, { kind: 'digest', digest })
  }

  async #copyReferrers(located: Located, stored: StoredManifest, tags: Iterable<Tag>): Promise<void> {
    this.#evictor.runIfRested()
    if (!located.upstream.config.referrers || isAboutAnother(tags)) return
    // A signature of an SBOM is wanted; a chain without end is somebody's trick.
    const subject = stored.manifest.subject && (await this.#find(located, stored.manifest.subject.digest))
    if (subject?.manifest.subject !== undefined) return
    await copyReferrers(located, stored, {
      manifests: this.fetching.manifests,
      signal: this.fetching.signal,
      fill: (of, referrer, theirs) => this.#fills.complete(of, referrer, theirs),
      isHere: async (of, digest) => (await this.#find(of, digest)) !== undefined,
      warn: (message) => this.#parts.logger.warn({ repository: located.name, why: message }, 'referrer left out'),
    })
  }
}
