// What the server owes its clients while collections run: for each repository the images that were acknowledged and
// not taken back. Each repository has one client that changes it, one request at a time; everybody may read.
import type { Descriptor } from '../durability/push.ts'

export interface Image {
  readonly digest: string
  readonly bytes: Buffer
  /** Config and layers; empty for an index. */
  readonly blobs: readonly Descriptor[]
  /** Digests of the images of an index. */
  readonly children: readonly string[]
  /** Digest of the manifest that it is about. */
  readonly subject?: string | undefined
}

/** Says which untagged manifests collections may take at the moment. */
export interface Policy {
  /** Collections take manifests that nothing but their age speaks for (`--untagged`). */
  untagged: boolean
}

export class Repository {
  readonly name: string
  readonly tags = new Map<string, string>()
  /** What must be there, by digest. */
  readonly images = new Map<string, Image>()
  readonly #policy: Policy
  #changes = 0
  #open = 0

  constructor(name: string, policy: Policy) {
    this.name = name
    this.#policy = policy
  }

  /** Runs a request that changes the repository: what others read meanwhile cannot be judged. */
  async change<T>(act: () => Promise<T>): Promise<T> {
    this.#changes++
    this.#open++
    try {
      return await act()
    } finally {
      this.#open--
      this.#changes++
    }
  }

  /** A state to compare with; undefined while a change is under way. */
  get state(): number | undefined {
    return this.#open > 0 ? undefined : this.#changes
  }

  /** Notes an acknowledged push. */
  keep(image: Image, tag?: string): void {
    this.images.set(image.digest, image)
    if (tag !== undefined) this.tags.set(tag, image.digest)
    this.forgetLoose()
  }

  /** Before the request that deletes a tag. */
  dropTag(tag: string): void {
    this.tags.delete(tag)
    this.forgetLoose()
  }

  /** Before the request that deletes a manifest, which takes its tags along. */
  drop(digest: string): void {
    this.images.delete(digest)
    for (const [tag, target] of this.tags) if (target === digest) this.tags.delete(tag)
    this.forgetLoose()
  }

  /** What neither a tag nor a kept image speaks for is owed no longer, once collections may take it. */
  forgetLoose(): void {
    if (this.#policy.untagged) this.forgetAllLoose()
  }

  forgetAllLoose(): void {
    const kept = this.tagged()
    for (const digest of this.images.keys()) if (!kept.has(digest)) this.images.delete(digest)
  }

  /** Tagged images, the children of those that are kept, and what is about them. */
  tagged(): Set<string> {
    const kept = new Set(this.tags.values())
    for (let before = -1; before !== kept.size;) {
      before = kept.size
      for (const digest of kept) for (const child of this.images.get(digest)?.children ?? []) kept.add(child)
      for (const { digest, subject } of this.images.values()) {
        if (subject !== undefined && kept.has(subject)) kept.add(digest)
      }
    }
    return kept
  }

  /** Every blob that is owed here. */
  blobs(): Set<string> {
    return new Set([...this.images.values()].flatMap((image) => image.blobs.map((blob) => blob.digest)))
  }
}

/** All digests that the data directory must hold for these repositories. */
export function owedBlobs(repositories: Iterable<Repository>): Set<string> {
  const owed = new Set<string>()
  for (const repository of repositories) {
    for (const digest of repository.images.keys()) owed.add(digest)
    for (const digest of repository.blobs()) owed.add(digest)
  }
  return owed
}
