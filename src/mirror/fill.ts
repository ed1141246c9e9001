// The completion of one image behind the client that asked for it: every blob that it needs, or of an index the wanted
// children, and when it is whole its revision and tags.
import { setTimeout as sleep } from 'node:timers/promises'
import type { Descriptor } from '../oci/descriptor.ts'
import type { Digest } from '../oci/digest.ts'
import { requiredBlobs } from '../oci/manifest.ts'
import { chooseLike, chooseLinuxAmd64 } from '../oci/platform.ts'
import type { Tag } from '../oci/reference.ts'
import { findManifest } from '../registry/pull-manifest.ts'
import type { Context } from '../registry/context.ts'
import type { StoredManifest } from '../storage/manifests.ts'
import type { Turns } from '../upstream/turns.ts'
import { UpstreamError } from '../upstream/upstream-error.ts'
import type { BlobFetcher } from './fetch-blob.ts'
import { linkImage } from './link-image.ts'
import { isPassing, PATIENCE_MS } from './retry.ts'
import type { Located } from './route.ts'

// The client that asked comes for the blobs itself in a moment: the upstream is to answer it first.
const HEAD_START_MS = 30

export interface FillParts {
  readonly context: Context
  readonly blobs: Pick<BlobFetcher, 'fetch'>
  /** Brings a child of an index into the repository, whole. */
  readonly fillChild: (located: Located, child: Descriptor) => Promise<void>
  /** Turns of blobs that fills fetch, so that something is left for clients. */
  readonly turns: Turns
  readonly signal: AbortSignal
}

export class Fill {
  readonly located: Located
  readonly stored: StoredManifest
  readonly tags: Set<Tag>
  /** When the upstream last said that this is what the tags mean; milliseconds since 1970. */
  checkedAt: number
  #isLinked = false
  readonly #parts: FillParts
  readonly #wanted = Promise.withResolvers<void>()
  #isWaiting = false

  constructor(located: Located, stored: StoredManifest, tags: readonly Tag[], checkedAt: number, parts: FillParts) {
    this.located = located
    this.stored = stored
    this.tags = new Set(tags)
    this.checkedAt = checkedAt
    this.#parts = parts
    this.#wanted.promise.catch(() => undefined)
  }

  /** What is to be kept of it over a restart. When it is linked, only what refers to it is missing. */
  get record() {
    const tags = this.#isLinked ? [] : [...this.tags]
    return { name: this.located.name, stored: this.stored, tags, checkedAt: this.checkedAt }
  }

  /** Whether it is an index that waits for somebody to want a platform of it. */
  get isWaiting(): boolean {
    return this.#isWaiting
  }

  /** Ends the waiting for somebody to want a platform of this index; false when it does not wait for that. */
  giveUp(): boolean {
    if (!this.#isWaiting) return false
    this.#isWaiting = false
    this.#wanted.reject(new UpstreamError('notFound', `nobody asked for a platform of ${this.located.name}`))
    return true
  }

  /** A child of this index is whole now. */
  childIsWhole(): void {
    this.#wanted.resolve()
  }

  /** Whether the index names it. */
  hasChild(digest: Digest): boolean {
    return this.stored.manifest.manifests.some((child) => child.digest === digest)
  }

  /** Bytes of a blob as the manifest says; undefined when it names no such blob. */
  sizeOf(digest: Digest): number | undefined {
    const { config, layers, kind } = this.stored.manifest
    if (kind === 'schema1') return undefined
    return config?.digest === digest ? config.size : layers.find((layer) => layer.digest === digest)?.size
  }

  /** Ends when the image is whole and linked. Throws what kept it from that, or the signal's reason. */
  async run(): Promise<void> {
    const { context } = this.#parts
    const { name, upstream } = this.located
    const { manifest, digest } = this.stored
    const blobs = requiredBlobs(manifest)
    if (manifest.kind === 'index') await this.#fillChildren()
    // From before the first look at what it needs until it is linked, nothing of it may be collected (I6).
    const release = context.store.leases.hold([name, digest, ...blobs.map((blob) => blob.digest)])
    try {
      await this.#fetchBlobs(blobs)
      const { stored, tags, checkedAt } = this
      this.#isLinked = await linkImage(context, { name, stored, tags, checkedAt, host: upstream.config.host })
      if (!this.#isLinked) throw new UpstreamError('failed', `a blob of ${name}@${digest} went away again`)
    } finally {
      release()
    }
  }

  async #fetchBlobs(blobs: readonly Descriptor[]): Promise<void> {
    const { turns, signal } = this.#parts
    const isSized = this.stored.manifest.kind !== 'schema1'
    // An abort is told by the first turn.
    await sleep(HEAD_START_MS, undefined, { signal, ref: false }).catch(() => undefined)
    const results = await Promise.allSettled(
      blobs.map(async ({ digest, size }) => {
        const release = await turns.take(signal)
        try {
          await this.#parts.blobs.fetch(this.located, { digest, size: isSized ? size : undefined, patient: true })
        } finally {
          release()
        }
      }),
    )
    // Those that did not fail are here; a lasting failure says more than a passing one.
    const failures = results.flatMap((result) => (result.status === 'rejected' ? [result.reason as unknown] : []))
    if (failures.length > 0) throw failures.find((failure) => !isPassing(failure)) ?? failures[0]
  }

  async #fillChildren(): Promise<void> {
    const { signal, fillChild } = this.#parts
    const { upstream, name } = this.located
    const children = this.stored.manifest.manifests
    const configured = children.filter((child) => upstream.wants(child))
    const wanted = configured.length > 0 ? configured : await this.#wantedBefore(children)
    for (const child of wanted) await fillChild(this.located, child)
    if (wanted.length > 0 || children.length === 0 || (await this.#hasWholeChild(children))) return
    // The client is going to ask for the child of its own platform.
    const over = new AbortController()
    const both = AbortSignal.any([signal, over.signal])
    this.#isWaiting = true
    try {
      await Promise.race([this.#wanted.promise, sleep(PATIENCE_MS, undefined, { signal: both, ref: false })])
    } finally {
      this.#isWaiting = false
      over.abort()
    }
    if (!(await this.#hasWholeChild(children)))
      throw new UpstreamError('notFound', `nobody asked for a platform of ${name}@${this.stored.digest}`)
  }

  // Of a tag that moved, clients still get what it was: the platforms that they asked for of that are wanted again. Nobody
  // could ask for another one, so where none of them is left one comes all the same.
  async #wantedBefore(children: readonly Descriptor[]): Promise<readonly Descriptor[]> {
    const { context } = this.#parts
    const { name } = this.located
    const wanted = new Set<Descriptor>()
    let hasMoved = false
    for (const tag of this.tags) {
      const before = await findManifest(context, name, { kind: 'tag', tag })
      if (before === undefined || before.digest === this.stored.digest) continue
      hasMoved = true
      for (const { digest, platform } of before.manifest.manifests) {
        if ((await findManifest(context, name, { kind: 'digest', digest })) === undefined) continue
        const same = chooseLike(children, platform)
        if (same !== undefined) wanted.add(same)
      }
    }
    const instead = hasMoved && wanted.size === 0 ? (chooseLinuxAmd64(this.stored.manifest) ?? children[0]) : undefined
    return instead === undefined ? [...wanted] : [instead]
  }

  async #hasWholeChild(children: readonly Descriptor[]): Promise<boolean> {
    for (const { digest } of children) {
      const found = await findManifest(this.#parts.context, this.located.name, { kind: 'digest', digest })
      if (found !== undefined) return true
    }
    return false
  }
}
