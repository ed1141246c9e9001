// How much of what an archive says may be remembered until all of it was read. An archive of a stranger says without end:
// names in some bytes of zstd that take hundreds of bytes of memory each.
import { BadArchive } from './bad-archive.ts'

/**
 * Bytes by which the process grows, as measured, for one thing of its kind until an archive was taken: what V8 needs, and what
 * it lets lie meanwhile.
 */
export const COST = {
  /** A digest in a path or a link: its text, and its places in the tables of all who know it. */
  digest: 300,
  /** One that a manifest names, which is read as a whole for that. */
  named: 650,
  /** What became of a blob. */
  blob: 200,
  /** A link, in the archive and in the plan of its repository. */
  link: 110,
  /** A repository with its tables. */
  repository: 2600,
  /** A manifest, and each blob or manifest that it names. */
  manifest: 300,
  reference: 16,
  /** A text that is kept beside its bytes. */
  text: 60,
} as const

/** What is named and is not there: enough for all links of 200,000 blobs that come before these, and less than 200 MiB. */
const MOST = 160 * 1024 * 1024

export class Allowance {
  readonly #most: number
  #taken = 0

  constructor(most = MOST) {
    this.#most = most
  }

  /** Notes that `bytes` more are kept. Throws a BadArchive when that is too much. */
  take(bytes: number): void {
    this.#taken += bytes
    if (this.#taken <= this.#most) return
    throw new BadArchive('the archive names more blobs, images and tags than can be kept in memory at once', {
      hint: 'nothing was changed; bring some repositories at a time: tarn bundle create FILE REPO…',
    })
  }

  /** Notes that `bytes` of what was taken do not count any more. */
  giveBack(bytes: number): void {
    this.#taken -= bytes
  }
}
