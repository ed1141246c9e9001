// How much of what an archive says may be remembered until all of it was read. An archive of a stranger says without end:
// names in some bytes of zstd that take hundreds of bytes of memory each.
import { BadArchive } from './bad-archive.ts'

/** Bytes of memory, as V8 takes them, that one thing of its kind costs at most until an archive was taken. */
export const COST = {
  /** A digest, kept once: its text, and its places in the tables of all who know it. */
  digest: 260,
  /** A blob of the archive: what became of it, and that collection leaves it alone. */
  blob: 200,
  /** A link, in the archive and in the plan of its repository. */
  link: 110,
  /** A repository with its empty tables. */
  repository: 1200,
  /** A manifest, and each blob or manifest that it names. */
  manifest: 300,
  reference: 16,
  /** A text that is kept beside its bytes. */
  text: 60,
} as const

/** Enough for 200,000 blobs in a million links; together with the program's own it stays below 200 MiB. */
const MOST = 128 * 1024 * 1024

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
}
