// What a bundle takes of one repository: the images that were selected, each with all that it needs, and what refers to
// them. An image that is not whole here is left out and told (I5); children of an index that are not here are not missed.
import { setImmediate } from 'node:timers/promises'
import type { Digest } from '../oci/digest.ts'
import type { Descriptor } from '../oci/descriptor.ts'
import type { Manifest } from '../oci/manifest.ts'
import { requiredBlobs } from '../oci/manifest.ts'
import type { Tag } from '../oci/reference.ts'
import { parseTag } from '../oci/reference.ts'
import { readSubjectTag, subjectTagOf } from '../oci/subject-tag.ts'
import { chooseChildren } from '../mirror/sync/wanted-manifests.ts'
import { compare } from '../storage/repositories.ts'
import type { Store } from '../storage/store.ts'
import type { ImagePattern } from '../registry/select.ts'
import type { Root, RepositoryWish } from './find-roots.ts'
import { findRoots } from './find-roots.ts'
import type { MomentRepository } from './moment.ts'
import type { PickOptions, PickedBlob, PickedRepository } from './picked.ts'

export interface RepositoryPick {
  readonly repository: PickedRepository
  readonly blobs: readonly PickedBlob[]
  /** Configs of the images, which say when they were made. */
  readonly configs: readonly Descriptor[]
  readonly skipped: readonly { readonly image: string; readonly why: string }[]
  /** Which of the patterns matched something. */
  readonly matched: ReadonlySet<ImagePattern>
  /** What was named exactly and is not here. */
  readonly absent: readonly string[]
}

// An image is some twenty stats.
const IMAGES_PER_TURN = 20

type Parts = Pick<Store, 'manifests' | 'links' | 'blobs'>

interface Taken {
  readonly tags: Set<Tag>
  readonly manifests: readonly Digest[]
}

/** Why something cannot be taken. */
class NotWhole extends Error {}

/** Picks from a repository what is wished for. */
export async function pickRepository(
  store: Parts,
  moment: MomentRepository,
  wish: RepositoryWish,
  options: PickOptions,
): Promise<RepositoryPick> {
  const picker = new Picker(store, moment, options)
  await picker.readAll()
  return picker.pick(wish)
}

class Picker {
  readonly #store: Parts
  readonly #moment: MomentRepository
  readonly #options: PickOptions
  /** Every manifest of the repository that can be read. */
  readonly #read = new Map<Digest, { readonly manifest: Manifest; readonly size: number }>()
  readonly #bySubject = new Map<Digest, Digest[]>()
  readonly #blobs = new Map<Digest, PickedBlob>()
  /** Of each manifest that was taken, the layers that it names itself. */
  readonly #taken = new Map<Digest, readonly Digest[]>()
  readonly #configs: Descriptor[] = []

  constructor(store: Parts, moment: MomentRepository, options: PickOptions) {
    this.#store = store
    this.#moment = moment
    this.#options = options
  }

  async readAll(): Promise<void> {
    for (const [digest, stored] of [...this.#moment.revisions].toSorted(([a], [b]) => compare(a, b))) {
      const found = await this.#store.manifests.load(digest, stored)
      if (found === undefined) continue
      const { manifest, bytes } = found
      this.#read.set(digest, { manifest, size: bytes.byteLength })
      const subject = manifest.subject?.digest
      if (subject !== undefined) this.#bySubject.set(subject, [...(this.#bySubject.get(subject) ?? []), digest])
    }
  }

  async pick(wish: RepositoryWish): Promise<RepositoryPick> {
    const matched = new Set<ImagePattern>()
    const { roots, absent } = findRoots(wish, {
      moment: this.#moment,
      read: this.#read,
      options: this.#options,
      matched,
    })
    const images = new Map<Digest, Taken>()
    const skipped: { image: string; why: string }[] = []
    for (let at = 0; at < roots.length; at += 1) {
      const root = roots[at]
      if (root === undefined) continue
      if (at % IMAGES_PER_TURN === IMAGES_PER_TURN - 1) await setImmediate()
      const taken = images.get(root.digest)
      if (taken !== undefined) {
        for (const tag of root.tags) taken.tags.add(tag)
        continue
      }
      try {
        const added = this.#addImage(root)
        images.set(root.digest, { tags: new Set(root.tags), manifests: added })
        if (root.referrers) roots.push(...this.#findTagged(added, root))
      } catch (error) {
        if (!(error instanceof NotWhole)) throw error
        const names = root.tags.size === 0 ? [`@${root.digest}`] : [...root.tags].map((tag) => `:${tag}`)
        for (const name of names) skipped.push({ image: `${this.#moment.name}${name}`, why: error.message })
      }
    }
    if (this.#options.keepTags) this.#keepChildren(images)
    return {
      repository: {
        name: this.#moment.name,
        images: [...images].map(([digest, { tags, manifests }]) => ({
          digest,
          tags: [...tags].toSorted(compare),
          manifests,
          layers: [...new Set(manifests.flatMap((each) => this.#taken.get(each) ?? []))],
        })),
      },
      blobs: [...this.#blobs.values()],
      configs: this.#configs,
      skipped,
      matched,
      absent,
    }
  }

  /** Takes an image with all that it needs and what refers to it, or nothing of it; gives its manifests. */
  #addImage({ digest: root, platforms, referrers }: Root): Digest[] {
    const found = new Map<Digest, readonly Descriptor[]>()
    const bytes = new Map<Digest, PickedBlob>()
    this.#visit(root, platforms, found, bytes)
    if (referrers) {
      // A Map gives what is added while it is walked: signatures of a bill of material come too.
      for (const digest of found.keys()) {
        for (const referrer of this.#bySubject.get(digest) ?? []) this.#visitReferrer(referrer, found, bytes)
      }
    }
    for (const [digest, layers] of found) {
      this.#taken.set(
        digest,
        layers.map((layer) => layer.digest),
      )
    }
    for (const [digest, blob] of bytes) if (!this.#blobs.has(digest)) this.#blobs.set(digest, blob)
    for (const digest of found.keys()) {
      const config = this.#read.get(digest)?.manifest.config
      if (config !== undefined) this.#configs.push(config)
    }
    return [...found.keys()]
  }

  // One that is not whole is no reason to leave out what it is about.
  #visitReferrer(digest: Digest, found: Map<Digest, readonly Descriptor[]>, bytes: Map<Digest, PickedBlob>): void {
    if (found.has(digest)) return
    const [below, taken] = [new Map(found), new Map(bytes)]
    try {
      this.#visit(digest, [], below, taken)
    } catch (error) {
      if (error instanceof NotWhole) return
      throw error
    }
    for (const [key, value] of below) found.set(key, value)
    for (const [key, value] of taken) bytes.set(key, value)
  }

  #visit(
    digest: Digest,
    platforms: readonly string[],
    found: Map<Digest, readonly Descriptor[]>,
    bytes: Map<Digest, PickedBlob>,
  ): void {
    if (found.has(digest)) return
    const stored = this.#moment.revisions.get(digest)
    const read = this.#read.get(digest)
    if (stored === undefined) throw new NotWhole(`the manifest ${digest} is not here`)
    if (read === undefined) throw new NotWhole(`the manifest ${digest} is missing or damaged`)
    const { manifest, size } = read
    if (manifest.doubtful) throw new NotWhole(`${digest} names something by an algorithm that Tarn does not know`)
    const layers = this.#findLayers(manifest)
    bytes.set(digest, this.#look(digest, stored, size))
    found.set(digest, layers)
    for (const { digest: layer, size: length } of layers) {
      const at = this.#store.links.resolve(this.#moment.name, layer)
      if (at === undefined) throw new NotWhole(`the blob ${layer} is not here`)
      bytes.set(layer, this.#look(layer, at, manifest.kind === 'schema1' ? undefined : length))
    }
    for (const child of chooseChildren(manifest, platforms.length === 0 ? 'all' : platforms)) {
      if (this.#moment.revisions.has(child.digest)) this.#visit(child.digest, [], found, bytes)
    }
  }

  /** What the manifest needs, and what it could have elsewhere and is here. */
  #findLayers(manifest: Manifest): readonly Descriptor[] {
    if (manifest.kind === 'index') return []
    const { name } = this.#moment
    const foreign = manifest.layers.filter(
      ({ digest, urls = [] }) => urls.length > 0 && this.#store.links.resolve(name, digest) !== undefined,
    )
    return [...requiredBlobs(manifest), ...foreign]
  }

  #look(digest: Digest, stored: Digest, size: number | undefined): PickedBlob {
    const state = this.#store.blobs.state(digest, stored)
    if (state === undefined) throw new NotWhole(`the bytes of ${digest} are missing or damaged`)
    const { facts, verdict } = state
    if (size !== undefined && facts.size !== size) {
      throw new NotWhole(`${digest} has ${facts.size} bytes, and ${size} are said of it`)
    }
    return { digest, size: facts.size, stored, stamp: facts.stamp, whole: verdict === 'whole' }
  }

  /** Images that are found by a tag that is named after one of `subjects`: signatures of cosign, and the fallback tag. */
  #findTagged(subjects: readonly Digest[], { platforms, referrers }: Root): Root[] {
    const wanted = new Set(subjects.map(subjectTagOf))
    return [...this.#moment.tags]
      .filter(([tag]) => wanted.has(readSubjectTag(tag) ?? ''))
      .map(([tag, digest]) => ({ digest, tags: new Set([tag]), platforms, referrers }))
  }

  // registry:2's `garbage-collect -m` takes every manifest without a tag, children of a tagged index too.
  #keepChildren(images: Map<Digest, Taken>): void {
    for (const digest of this.#taken.keys()) {
      const image = images.get(digest) ?? { tags: new Set<Tag>(), manifests: [digest] }
      if (image.tags.size > 0) continue
      const tag = parseTag(subjectTagOf(digest))
      image.tags.add(this.#moment.tags.has(tag) ? parseTag(`${tag}.keep`) : tag)
      images.set(digest, image)
    }
  }
}
