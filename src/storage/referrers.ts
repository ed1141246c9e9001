// Which manifests of a repository name a given manifest as their subject. Derived: the truth is the list
// of revisions, read at each request; only "this manifest's subject is that digest" is kept, which cannot
// change (in memory, and under .tarn/cache so that a restart need not read every manifest again).
import type { Digest } from '../oci/digest.ts'
import { isDigest } from '../oci/digest.ts'
import type { RepositoryName } from '../oci/name.ts'
import type { DerivedLog } from './derived-log.ts'
import type { Manifests, StoredManifest } from './manifests.ts'
import { compare } from './repositories.ts'
import { inTurns } from './turn.ts'

const NONE = '-'
const MOST = 200_000

export class Referrers {
  readonly #manifests: Manifests
  readonly #log: DerivedLog
  readonly #subjects = new Map<Digest, Digest | typeof NONE>()

  constructor(manifests: Manifests, log: DerivedLog) {
    this.#manifests = manifests
    this.#log = log
    for (const line of log.load()) {
      const [digest = '', subject = ''] = line.split(' ')
      if (isDigest(digest) && (isDigest(subject) || subject === NONE)) this.#subjects.set(digest, subject)
    }
  }

  /**
   * The manifests of the repository whose subject is `subject`, in the order of their digests, from the one after
   * `last` on; each is read when the caller asks for it.
   */
  async *list(name: RepositoryName, subject: Digest, last = ''): AsyncGenerator<StoredManifest> {
    for await (const digest of inTurns((await this.#manifests.revisions(name)).toSorted(compare))) {
      const known = this.#subjects.get(digest)
      if ((known !== undefined && known !== subject) || compare(digest, last) <= 0) continue
      const stored = this.#manifests.resolve(name, digest)
      if (stored === undefined) continue
      const manifest = await this.#manifests.load(digest, stored)
      if (manifest === undefined) continue
      this.note(manifest)
      if (manifest.manifest.subject?.digest === subject) yield manifest
    }
  }

  /** Keeps what a manifest says of its subject. */
  note({ digest, manifest }: StoredManifest): void {
    if (this.#subjects.has(digest)) return
    if (this.#subjects.size >= MOST) {
      this.#subjects.clear()
      this.#log.replaceLater([])
    }
    const subject = manifest.subject?.digest ?? NONE
    this.#subjects.set(digest, subject)
    this.#log.append(`${digest} ${subject}`)
  }
}
