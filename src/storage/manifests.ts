// Manifests of a repository: revision links to bytes by digest. The bytes and their parsed form cannot
// change, so they may stay in memory; whether a repository holds one is read at each request (I2).
import type { Digest } from '../oci/digest.ts'
import { ALGORITHMS, joinDigest } from '../oci/digest.ts'
import type { Manifest } from '../oci/manifest.ts'
import { readManifest } from '../oci/manifest.ts'
import type { RepositoryName } from '../oci/name.ts'
import type { Blobs } from './blobs.ts'
import type { Durable } from './durable.ts'
import type { Layout } from './layout.ts'
import type { LinkPromises } from './link-promises.ts'
import type { LinkReader } from './link.ts'
import { writeLink } from './links.ts'
import type { Mirrored } from './mirrored.ts'
import { listDirectories } from './repositories.ts'

export interface StoredManifest {
  readonly digest: Digest
  readonly bytes: Uint8Array
  readonly manifest: Manifest
}

const MOST_BYTES_IN_MEMORY = 64 * 1024 * 1024
// A stored manifest of another program may be larger than what Tarn takes; there is still an end to it.
export const LARGEST_MANIFEST = 16 * 1024 * 1024

export interface ManifestsParts {
  readonly layout: Layout
  readonly durable: Durable
  readonly reader: LinkReader
  readonly promises: LinkPromises
  readonly blobs: Blobs
  readonly mirrored: Mirrored
}

export class Manifests {
  readonly #layout: Layout
  readonly #durable: Durable
  readonly #blobs: Blobs
  readonly #reader: LinkReader
  readonly #promises: LinkPromises
  readonly #mirrored: Mirrored
  readonly #memory = new Map<Digest, StoredManifest>()
  #bytesInMemory = 0

  constructor({ layout, durable, reader, promises, blobs, mirrored }: ManifestsParts) {
    this.#layout = layout
    this.#durable = durable
    this.#blobs = blobs
    this.#reader = reader
    this.#promises = promises
    this.#mirrored = mirrored
  }

  /** The digest under whose name the manifest's bytes are stored; undefined when the repository has it not. */
  resolve(name: RepositoryName, digest: Digest): Digest | undefined {
    return this.#reader.read(this.#layout.revisionLink(name, digest))
  }

  /** The manifest from memory, if it is there. Synchronous, for the hot path. */
  recall(digest: Digest): StoredManifest | undefined {
    const found = this.#memory.get(digest)
    if (found !== undefined) {
      // Least recently used goes first: a Map keeps the order of insertion.
      this.#memory.delete(digest)
      this.#memory.set(digest, found)
    }
    return found
  }

  /** The manifest whose bytes hash to `digest`; undefined when they are missing, wrong or no manifest. */
  async load(digest: Digest, stored: Digest = digest): Promise<StoredManifest | undefined> {
    const recalled = this.recall(digest)
    if (recalled !== undefined) return recalled
    const bytes = await this.#blobs.readSmall(digest, stored, LARGEST_MANIFEST)
    if (bytes === undefined) return undefined
    try {
      return this.#remember({ digest, bytes, manifest: readManifest(bytes) })
    } catch {
      return undefined
    }
  }

  /** Stores the bytes and then the link that makes them a manifest of the repository. */
  async put(name: RepositoryName, manifest: StoredManifest): Promise<void> {
    await this.#blobs.put(manifest.bytes, manifest.digest)
    await writeLink(this.#durable, this.#reader, this.#layout.revisionLink(name, manifest.digest), manifest.digest)
    this.#remember(manifest)
  }

  /** Makes a manifest that an answer is going to promise survive a power cut; false when it is not here. */
  async hold(name: RepositoryName, digest: Digest): Promise<boolean> {
    const stored = this.resolve(name, digest)
    if (stored === undefined || !(await this.#blobs.hold(stored))) return false
    return (await this.#durable.hold(this.#layout.revisionLink(name, digest))) !== undefined
  }

  /** Makes the promise that the repository holds the manifest outlive this process. */
  async promise(name: RepositoryName, digest: Digest): Promise<void> {
    await this.#promises.touch(this.#layout.revisionLink(name, digest))
  }

  async remove(name: RepositoryName, digest: Digest): Promise<boolean> {
    const removed = await this.#durable.remove(this.#layout.revisionLink(name, digest))
    if (removed) this.#mirrored.forget(name, [], [digest])
    return removed
  }

  /** The digests of all revision directories; whether each still has its link is for `resolve` to say. */
  async revisions(name: RepositoryName): Promise<Digest[]> {
    const lists = await Promise.all(
      ALGORITHMS.map(async (algorithm) =>
        (await listDirectories(this.#layout.revisionsOf(name, algorithm))).map((hex) => joinDigest(algorithm, hex)),
      ),
    )
    return lists.flat().filter((digest) => digest !== undefined)
  }

  /** Drops a manifest whose bytes are no longer here from memory. */
  forget(digest: Digest): void {
    const found = this.#memory.get(digest)
    if (found === undefined) return
    this.#memory.delete(digest)
    this.#bytesInMemory -= found.bytes.byteLength
  }

  #remember(manifest: StoredManifest): StoredManifest {
    this.forget(manifest.digest)
    this.#memory.set(manifest.digest, manifest)
    this.#bytesInMemory += manifest.bytes.byteLength
    for (const [digest] of this.#memory) {
      if (this.#bytesInMemory <= MOST_BYTES_IN_MEMORY) break
      this.forget(digest)
    }
    return manifest
  }
}
