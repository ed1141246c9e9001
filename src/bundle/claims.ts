// What an archive says of repositories, gathered while it is read: a link is a claim until the bytes that it needs were
// seen. The last word is had by nobody: what is said twice must be the same.
import type { Digest } from '../oci/digest.ts'
import type { RepositoryName } from '../oci/name.ts'
import type { Tag } from '../oci/reference.ts'
import { Allowance, COST } from './allowance.ts'
import { BadArchive } from './bad-archive.ts'
import type { Claim } from './claimed-path.ts'

export interface WantedRepository {
  /** Blobs that the repository served, with the digests under which their bytes are stored. */
  readonly layers: ReadonlyMap<Digest, Digest>
  readonly manifests: ReadonlySet<Digest>
  readonly tags: ReadonlyMap<Tag, Digest>
}

interface Repository extends WantedRepository {
  readonly layers: Map<Digest, Digest>
  readonly manifests: Set<Digest>
  readonly tags: Map<Tag, Digest>
}

export class Claims {
  readonly #repositories = new Map<RepositoryName, Repository>()
  readonly #digests = new Map<Digest, Digest>()
  /** Those that a manifest named first. */
  readonly #named = new Set<Digest>()
  readonly #allowance: Allowance

  constructor(allowance: Allowance = new Allowance()) {
    this.#allowance = allowance
  }

  get repositories(): ReadonlyMap<RepositoryName, WantedRepository> {
    return this.#repositories
  }

  /**
   * The one copy of a digest that is kept; a digest that was cut out of a longer text would keep that. Throws a BadArchive
   * when there are too many.
   */
  readonly intern = (digest: Digest, cost: number = COST.digest): Digest => {
    const known = this.#digests.get(digest)
    if (known !== undefined) return known
    this.#allowance.take(cost)
    const own = Buffer.from(digest, 'latin1').toString('latin1') as Digest
    this.#digests.set(own, own)
    if (cost === COST.named) this.#named.add(own)
    return own
  }

  /** What was asked for the digest when it was first met. */
  costOf(digest: Digest): number {
    return this.#named.has(digest) ? COST.named : COST.digest
  }

  /** Takes a link with what it holds. Throws a BadArchive when it was there with something else in it, or is one too many. */
  add(claim: Claim, holds: Digest, where: string): void {
    if (claim.kind !== 'layer' && claim.kind !== 'revision' && claim.kind !== 'tag') return
    this.#allowance.take(COST.link + (claim.kind === 'tag' ? COST.text + claim.tag.length : 0))
    const repository = this.#of(claim.repository)
    const target = this.intern(holds)
    switch (claim.kind) {
      case 'layer':
        put(repository.layers, this.intern(claim.digest), target, where)
        break
      case 'revision':
        repository.manifests.add(this.intern(claim.digest))
        break
      case 'tag':
        put(repository.tags, Buffer.from(claim.tag, 'latin1').toString('latin1') as Tag, target, where)
    }
  }

  #of(name: RepositoryName): Repository {
    let repository = this.#repositories.get(name)
    if (repository === undefined) {
      this.#allowance.take(COST.repository + name.length)
      repository = { layers: new Map(), manifests: new Set(), tags: new Map() }
      this.#repositories.set(Buffer.from(name, 'latin1').toString('latin1') as RepositoryName, repository)
    }
    return repository
  }
}

function put<Key>(map: Map<Key, Digest>, key: Key, holds: Digest, where: string): void {
  const before = map.get(key)
  if (before !== undefined && before !== holds) {
    throw new BadArchive(`${where} was there before and held something else`, {
      hint: 'nothing was changed; an archive that others were appended to is made anew',
    })
  }
  map.set(key, holds)
}
