// Copies images from any source to any target: children before the index that names them, what refers to an image before
// its tag, tags last. What is there already is not sent; what fails keeps nothing else from being copied.
import type { Digest } from '../oci/digest.ts'
import { requiredBlobs } from '../oci/manifest.ts'
import type { RepositoryName } from '../oci/name.ts'
import type { Tag } from '../oci/reference.ts'
import type { Progress } from '../registry/collect.ts'
import { makeTurns } from '../upstream/turns.ts'
import { LargeFirst } from './bring-large.ts'
import type { CopiedImage, CopyReport, ImageToCopy } from './copied-image.ts'
import type { BlobWish } from './copy-blobs.ts'
import { BlobCopies } from './copy-blobs.ts'
import { explain, nameOf } from './copied-words.ts'
import { ExpectedBytes } from './expected-bytes.ts'
import type { Foreseen } from './foresee.ts'
import { Foresight } from './foresee.ts'
import type { ImageSource } from './image-source.ts'
import type { ImageTarget } from './image-target.ts'
import type { Closure, ClosureManifest } from './read-closure.ts'
import { readClosure } from './read-closure.ts'
import { refer } from './refer.ts'
import { tryAgain } from './try-again.ts'

export interface CopyOptions {
  readonly source: ImageSource
  readonly target: ImageTarget
  readonly images: readonly ImageToCopy[]
  /** Of an index; an image that is none is taken whatever it is for. All unless given. */
  readonly platforms?: 'all' | readonly string[]
  /** Whether signatures and whatever else refers to an image come with it; they do unless this is false. */
  readonly referrers?: boolean
  /** Looks at everything and changes nothing. */
  readonly dryRun?: boolean
  /**
   * Reads all manifests before the first blob is copied, so that it is known how much there is, and looks whether the
   * blobs can be right: an image of which something is missing or cannot be leaves nothing behind.
   */
  readonly foresee?: boolean
  /** Blobs that a dry run has counted: the next one of the same target goes on with them. */
  readonly counted?: Set<Digest>
  /** Repositories of the target that have a blob; runs of the same target add to it and link from there. */
  readonly places?: Map<Digest, RepositoryName>
  /** Images, and blobs, at a time. */
  readonly atATime?: { readonly images?: number; readonly blobs?: number }
  readonly signal?: AbortSignal
  readonly onProgress?: (progress: Progress) => void
  /** Told what belongs to an image, and what refers to it, before any of it is copied. */
  readonly onClosure?: (closure: Closure, wish: ImageToCopy) => void
  /** Told of each image as it is done. */
  readonly onImage?: (image: CopiedImage, wish: ImageToCopy) => void
  /** Told of bytes that went over for an image; of a blob that several need for one of them. */
  readonly onBytes?: (wish: ImageToCopy, count: number) => void
}

/** Bytes of manifests that are kept between foreseeing and copying; others are read again. */
const MOST_KEPT = 16 * 1024 * 1024
const IMAGES_AT_A_TIME = 4
const BLOBS_AT_A_TIME = 6

/** Copies all images. Throws only the signal's reason: everything else is told image by image. */
export async function copyImages(options: CopyOptions): Promise<CopyReport> {
  const { images, signal, atATime = {}, onImage, foresee = false } = options
  const run = new Run(options)
  const turns = makeTurns(atATime.images ?? IMAGES_AT_A_TIME)
  const inTurn = async <T>(act: () => Promise<T>): Promise<T> => {
    const release = await turns.take(signal)
    try {
      return await act()
    } finally {
      release()
    }
  }
  const foreseen = foresee ? await allEnded(images.map((image) => inTurn(() => run.foresee(image)))) : []
  const copied = await allEnded(
    images.map((image, at) =>
      inTurn(async () => {
        const result = await run.copy(image, foreseen[at])
        onImage?.(result, image)
        return result
      }),
    ),
  )
  const counts = { copied: 0, here: 0, incomplete: 0, failed: 0 }
  for (const { state } of copied) counts[state] += 1
  return { images: copied, counts, blobs: run.blobs, bytes: run.bytes, manifestBytes: run.manifestBytes }
}

/** What all of them give, or the first failure when each has ended: nothing goes on behind a copying that was stopped. */
async function allEnded<T>(acts: readonly Promise<T>[]): Promise<T[]> {
  const ended = await Promise.allSettled(acts)
  return ended.map((each) => {
    if (each.status === 'rejected') throw each.reason
    return each.value
  })
}

type Facts = Pick<CopiedImage, 'state' | 'bytes' | 'isLed' | 'moved' | 'why' | 'hint'>

class Run {
  blobs = 0
  bytes = 0
  manifestBytes = 0
  readonly #options: CopyOptions
  readonly #copies: BlobCopies
  /** Blobs that a dry run has counted. */
  readonly #counted: Set<Digest>
  readonly #foresight: Foresight
  readonly #expected: ExpectedBytes | undefined
  readonly #large = new LargeFirst((wish, beforeCommit) => this.#bringBlob(wish, beforeCommit))
  #read = 0
  #kept = 0
  readonly #places: Map<Digest, RepositoryName>
  #done = 0

  constructor(options: CopyOptions) {
    this.#options = options
    this.#counted = options.counted ?? new Set()
    this.#places = options.places ?? new Map()
    const { source, target, signal, atATime = {}, foresee = false } = options
    this.#foresight = new Foresight({ source, target, signal })
    this.#expected = foresee ? new ExpectedBytes() : undefined
    const onBytes = (count: number, digest: Digest): void => {
      this.bytes += count
      this.#expected?.moved(digest)
      this.#tell()
    }
    const most = atATime.blobs ?? BLOBS_AT_A_TIME
    this.#copies = new BlobCopies({ source, target, signal, onBytes, most, places: this.#places })
    if (!foresee) this.#tell()
  }

  async foresee(image: ImageToCopy): Promise<Foreseen | 'again'> {
    const { images, onProgress } = this.#options
    onProgress?.({ phase: 'manifests', done: this.#read, total: images.length })
    const foreseen = await this.#look(image)
    this.#expected?.add(foreseen.blobs)
    this.#read += 1
    this.#kept += foreseen.closure?.bytes ?? 0
    return this.#kept > MOST_KEPT ? 'again' : foreseen
  }

  #look = (image: ImageToCopy): Promise<Foreseen> => this.#foresight.look(image, () => this.#readClosure(image))

  #readClosure({ from }: ImageToCopy): Promise<Closure> {
    const { source, platforms = 'all', referrers = true, signal } = this.#options
    return tryAgain(() => readClosure({ source, ...from, platforms, referrers, signal }), signal)
  }

  async copy(image: ImageToCopy, before?: Foreseen | 'again'): Promise<CopiedImage> {
    const foreseen = before === 'again' ? await this.#look(image) : before
    const { signal, dryRun = false } = this.#options
    const { from, to } = image
    let known: Pick<CopiedImage, 'digest' | 'absent' | 'missingPlatforms'> = { absent: 0, missingPlatforms: [] }
    let facts: Facts
    try {
      const closure = foreseen?.closure ?? (await this.#readClosure(image))
      const { absent, missingPlatforms, root } = closure
      this.#options.onClosure?.(closure, image)
      known = { digest: root.digest, absent: absent.length, missingPlatforms }
      if (foreseen?.error !== undefined) throw foreseen.error
      const large = dryRun ? 0 : await this.#large.bring(foreseen?.own ?? [], this.#endsOf(image), signal)
      facts = await this.#copyClosure(image, closure)
      facts = { ...facts, bytes: facts.bytes + large }
    } catch (error) {
      signal?.throwIfAborted()
      facts = { state: 'failed', bytes: 0, ...explain(error) }
    }
    this.#done += 1
    this.#expected?.leave(foreseen?.blobs ?? [])
    this.#tell()
    return { from: nameOf(from), to: to.repository, tags: to.tags, ...known, ...facts }
  }

  async #copyClosure(image: ImageToCopy, { root, manifests, followers }: Closure): Promise<Facts> {
    const { repository, tags } = image.to
    const moved: { tag: Tag; before: Digest }[] = []
    const setting: Tag[] = []
    for (const tag of tags) {
      const before = await this.#readTag(repository, tag)
      if (before === root.digest) continue
      setting.push(tag)
      if (before !== undefined) moved.push({ tag, before })
    }
    let bytes = 0
    let changed = false
    const add = (placed: { readonly bytes: number; readonly changed: boolean }): void => {
      bytes += placed.bytes
      changed ||= placed.changed
    }
    for (const manifest of manifests.slice(0, -1)) add(await this.#place(image, manifest, []))
    // What cannot be copied is noticed before anything is there that refers to it.
    if (!(await this.#has(repository, root.digest))) bytes += await this.#bring(image, root)
    let problem: unknown
    for (const follower of followers) {
      const { tag } = follower
      try {
        const isTagged = tag === undefined || (await this.#readTag(repository, tag)) === follower.digest
        if (!isTagged && (await this.#holds(repository, tag, follower))) continue
        add(await this.#place(image, follower, isTagged ? [] : [tag]))
      } catch (error) {
        this.#options.signal?.throwIfAborted()
        problem ??= error
      }
    }
    const referAll = async (referrers: readonly ClosureManifest[]): Promise<void> => {
      try {
        changed = (await refer(this.#options, repository, referrers)) || changed
      } catch (error) {
        this.#options.signal?.throwIfAborted()
        problem ??= error
      }
    }
    await referAll([...manifests.slice(0, -1), ...followers])
    add(await this.#place(image, root, setting))
    await referAll([root])
    const isLed = tags.length > 0 && setting.length === 0
    const facts = { bytes, isLed, ...(moved.length > 0 && { moved }) }
    if (problem !== undefined) return { ...facts, state: 'incomplete', ...explain(problem) }
    return { ...facts, state: changed ? 'copied' : 'here' }
  }

  /** Puts a manifest with its blobs, and the tags of it that are to be set. */
  async #place(
    image: ImageToCopy,
    manifest: ClosureManifest,
    tags: readonly Tag[],
  ): Promise<{ readonly bytes: number; readonly changed: boolean }> {
    const { target, signal, dryRun = false } = this.#options
    const { repository } = image.to
    const isThere = await this.#has(repository, manifest.digest)
    const bytes = isThere ? 0 : await this.#bring(image, manifest)
    if (!isThere) this.manifestBytes += manifest.size
    else for (const { digest } of requiredBlobs(manifest.manifest)) this.#places.set(digest, repository)
    const puts = tags.length > 0 ? tags : isThere ? [] : [undefined]
    for (const tag of dryRun ? [] : puts) {
      await tryAgain(() => target.putManifest(repository, manifest.stored, tag, { signal }), signal)
    }
    return { bytes, changed: puts.length > 0 }
  }

  /** Brings the blobs of one manifest; gives the bytes that went over, or would. */
  async #bring(image: ImageToCopy, { manifest }: ClosureManifest): Promise<number> {
    const { target, signal, dryRun = false } = this.#options
    const bringing = requiredBlobs(manifest).map(async (blob) => {
      if (!dryRun) return this.#bringBlob({ ...this.#endsOf(image), blob })
      if (this.#counted.has(blob.digest) || this.#places.has(blob.digest)) return 0
      this.#counted.add(blob.digest)
      if (await target.hasBlob(image.to.repository, blob, { signal })) return 0
      this.blobs += 1
      this.bytes += blob.size
      return blob.size
    })
    // All of them end before this does: nothing goes on behind an image that failed.
    const ended = await Promise.allSettled(bringing)
    for (const each of ended) if (each.status === 'rejected') throw each.reason
    return ended.reduce((sum, each) => sum + (each.status === 'fulfilled' ? each.value : 0), 0)
  }

  #endsOf(image: ImageToCopy): Omit<BlobWish, 'blob'> {
    const { from, to } = image
    const onBytes = (count: number): void => this.#options.onBytes?.(image, count)
    return { from: from.repository, to: to.repository, onBytes }
  }

  async #bringBlob(wish: BlobWish, beforeCommit?: () => Promise<void>): Promise<number> {
    const outcome = await this.#copies.copy(wish, beforeCommit)
    if (outcome === 'sent') {
      this.blobs += 1
      return wish.blob.size
    }
    this.#expected?.spare(wish.blob)
    return 0
  }

  #has(repository: RepositoryName, digest: Digest): Promise<boolean> {
    const { target, signal } = this.#options
    return tryAgain(() => target.hasManifest(repository, digest, { signal }), signal)
  }

  /** Whether the tag leads to a list there that has all of this one, and is another one. */
  async #holds(repository: RepositoryName, tag: Tag, { stored }: ClosureManifest): Promise<boolean> {
    const { target, signal } = this.#options
    return (await tryAgain(async () => target.holdsList?.(repository, tag, stored, { signal }), signal)) === true
  }

  #readTag(repository: RepositoryName, tag: Tag): Promise<Digest | undefined> {
    const { target, signal } = this.#options
    return tryAgain(() => target.readTag(repository, tag, { signal }), signal)
  }

  #tell(): void {
    const { images, onProgress } = this.#options
    const totalBytes = this.#expected?.total
    const more = totalBytes === undefined ? {} : { totalBytes }
    onProgress?.({ phase: 'images', done: this.#done, total: images.length, bytes: this.bytes, ...more })
  }
}
