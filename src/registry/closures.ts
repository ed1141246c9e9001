// Whether a manifest is whole in a repository: its config and layers are linked there and their bytes are
// here (I5). Children of an index and layers with urls may be elsewhere. A good verdict is kept for a minute
// at most, and dropped when a blob of the repository turns out missing; a bad one is never kept, so that
// what a tar brings is served at once.
import type { Digest } from '../oci/digest.ts'
import type { Manifest } from '../oci/manifest.ts'
import { requiredBlobs } from '../oci/manifest.ts'
import type { RepositoryName } from '../oci/name.ts'
import type { Store } from '../storage/store.ts'

const KEEP_MS = 60_000
const MOST_REPOSITORIES = 10_000

export class Closures {
  readonly #store: Store
  readonly #clock: () => number
  readonly #wholeSince = new Map<RepositoryName, Map<Digest, number>>()

  constructor(store: Store, clock: () => number) {
    this.#store = store
    this.#clock = clock
  }

  /** Says whether `manifest` is whole in the repository. Reads links and sizes, no blob. */
  isWhole(name: RepositoryName, digest: Digest, manifest: Manifest): boolean {
    const now = this.#clock()
    const since = this.#wholeSince.get(name)?.get(digest)
    if (since !== undefined && now - since >= 0 && now - since < KEEP_MS) return true
    const whole = requiredBlobs(manifest).every((blob) => this.#isHere(name, blob.digest))
    if (whole) this.#keep(name, digest, now)
    return whole
  }

  /** Forgets what is known of the repository: a blob of it is missing or was deleted. */
  drop(name: RepositoryName): void {
    this.#wholeSince.delete(name)
  }

  #isHere(name: RepositoryName, digest: Digest): boolean {
    const stored = this.#store.links.resolve(name, digest)
    return stored !== undefined && this.#store.blobs.state(digest, stored) !== undefined
  }

  #keep(name: RepositoryName, digest: Digest, now: number): void {
    let verdicts = this.#wholeSince.get(name)
    if (verdicts === undefined) {
      if (this.#wholeSince.size >= MOST_REPOSITORIES) this.#wholeSince.clear()
      verdicts = new Map()
      this.#wholeSince.set(name, verdicts)
    }
    verdicts.set(digest, now)
  }
}
