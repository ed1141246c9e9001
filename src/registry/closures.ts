// Whether a manifest is whole in a repository: its config and layers are linked there and their bytes are
// here (I5). Children of an index and layers with urls may be elsewhere. A good verdict is kept for a minute
// at most, and dropped when a blob of the repository turns out missing; a bad one is never kept, so that
// what a tar brings is served at once.
import type { Descriptor } from '../oci/descriptor.ts'
import type { Digest } from '../oci/digest.ts'
import type { Manifest } from '../oci/manifest.ts'
import { requiredBlobs } from '../oci/manifest.ts'
import type { RepositoryName } from '../oci/name.ts'
import type { Store } from '../storage/store.ts'
import { inTurns } from '../storage/turn.ts'

const KEEP_MS = 60_000
const MOST_REPOSITORIES = 10_000
const MOST_MANIFESTS = 10_000

export class Closures {
  readonly #store: Store
  readonly #clock: () => number
  readonly #wholeSince = new Map<RepositoryName, Map<Digest, number>>()

  constructor(store: Store, clock: () => number) {
    this.#store = store
    this.#clock = clock
  }

  /** Says whether `manifest` is whole in the repository. Reads links and sizes, no blob. */
  async isWhole(name: RepositoryName, digest: Digest, manifest: Manifest): Promise<boolean> {
    if (this.isKnown(name, digest)) return true
    for await (const blob of inTurns(requiredBlobs(manifest))) {
      if (!this.#isHere(name, blob, manifest.kind === 'schema1')) return false
    }
    this.#keep(name, digest, this.#clock())
    return true
  }

  /** Whether that was found a moment ago. */
  isKnown(name: RepositoryName, digest: Digest): boolean {
    const since = this.#wholeSince.get(name)?.get(digest)
    const age = since === undefined ? KEEP_MS : this.#clock() - since
    return age >= 0 && age < KEEP_MS
  }

  /** Forgets what is known of the repository: a blob of it is missing or was deleted. */
  drop(name: RepositoryName): void {
    this.#wholeSince.delete(name)
  }

  /** Forgets all: a collection took blobs and links. */
  dropAll(): void {
    this.#wholeSince.clear()
  }

  // A blob of another size is cut short, or the manifest is wrong about it: only its bytes can tell. They are read
  // behind the request; until then the manifest is not whole.
  #isHere(name: RepositoryName, { digest, size }: Descriptor, sizeUnknown: boolean): boolean {
    const stored = this.#store.links.resolve(name, digest)
    const state = stored && this.#store.blobs.state(digest, stored)
    if (!stored || !state) return false
    if (state.verdict === 'whole' || sizeUnknown || state.facts.size === size) return true
    this.#store.blobs.ensureWhole(digest, stored).catch(() => undefined)
    return false
  }

  #keep(name: RepositoryName, digest: Digest, now: number): void {
    let verdicts = this.#wholeSince.get(name)
    if (verdicts === undefined) {
      if (this.#wholeSince.size >= MOST_REPOSITORIES) this.#wholeSince.clear()
      verdicts = new Map()
      this.#wholeSince.set(name, verdicts)
    }
    if (verdicts.size >= MOST_MANIFESTS) verdicts.clear()
    verdicts.set(digest, now)
  }
}
