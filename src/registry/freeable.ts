// How many bytes a collection will free after a removal: of blobs that what went did name, and that nothing else holds.
// An estimate for people; collection decides for itself. Asks the other repositories in small steps, for it runs in the
// server.
import type { Digest } from '../oci/digest.ts'
import { ALGORITHMS, algorithmOf, joinDigest } from '../oci/digest.ts'
import type { Manifest } from '../oci/manifest.ts'
import type { RepositoryName } from '../oci/name.ts'
import { childOf } from '../storage/layout.ts'
import { listDirectories } from '../storage/repositories.ts'
import { statFile } from '../storage/stamp.ts'
import type { Store } from '../storage/store.ts'
import { inTurns } from '../storage/turn.ts'

export class Freeable {
  readonly #store: Store
  /** The digests under which the bytes are stored. */
  readonly #gone = new Set<Digest>()
  /** What the repositories that lose something keep. */
  readonly #kept = new Set<Digest>()
  readonly #touched = new Set<RepositoryName>()

  constructor(store: Store) {
    this.#store = store
  }

  /** Takes down what a repository loses, before it does: the manifests `gone`, or with `whole` every link. */
  async note(
    name: RepositoryName,
    manifests: ReadonlyMap<Digest, Manifest | undefined>,
    gone: ReadonlySet<Digest>,
    whole: boolean,
  ): Promise<void> {
    this.#touched.add(name)
    if (whole) for (const digest of await this.#linked(name)) this.#gone.add(this.#storedOf(name, digest))
    for await (const [digest, manifest] of inTurns([...manifests])) {
      const side = gone.has(digest) ? this.#gone : this.#kept
      side.add(this.#storedOf(name, digest))
      for (const blob of [manifest?.config, ...(manifest?.layers ?? [])]) {
        if (blob !== undefined) side.add(this.#storedOf(name, blob.digest))
      }
    }
  }

  /** Counts it; `pinned` are blobs that stay by themselves. */
  async measure(pinned: readonly Digest[]): Promise<{ blobs: number; bytes: number }> {
    const stays = new Set([...this.#kept, ...pinned])
    const open = new Set([...this.#gone].filter((digest) => !stays.has(digest)))
    if (open.size > 0) {
      for await (const name of this.#store.repositories.names()) {
        if (this.#touched.has(name)) continue
        for await (const digest of inTurns(await this.#linked(name))) {
          // A digest of the other algorithm may lead to the same bytes.
          if (!open.has(digest) && algorithmOf(digest) === 'sha256') continue
          const { links, manifests } = this.#store
          for (const stored of [links.resolve(name, digest), manifests.resolve(name, digest)]) {
            if (stored !== undefined) open.delete(stored)
          }
        }
        if (open.size === 0) break
      }
    }
    const found = { blobs: 0, bytes: 0 }
    for await (const digest of inTurns([...open])) {
      const facts = statFile(this.#store.layout.blobData(digest))
      if (facts === undefined) continue
      found.blobs += 1
      found.bytes += facts.size
    }
    return found
  }

  // The names of the directories; whether each has a link is asked for those that matter.
  async #linked(name: RepositoryName): Promise<Digest[]> {
    const { layers, revisionsOf } = this.#store.layout
    const lists = ALGORITHMS.flatMap((algorithm) =>
      [childOf(layers(name), algorithm), revisionsOf(name, algorithm)].map(async (directory) =>
        (await listDirectories(directory)).map((hex) => joinDigest(algorithm, hex)),
      ),
    )
    return [...new Set((await Promise.all(lists)).flat())].filter((digest) => digest !== undefined)
  }

  #storedOf(name: RepositoryName, digest: Digest): Digest {
    return this.#store.links.resolve(name, digest) ?? this.#store.manifests.resolve(name, digest) ?? digest
  }
}
