// A link is a file whose whole content is a digest. Other programs may have left it empty or torn after a
// crash: such a link is not there, and never an error (distribution answers 500 to it).
import type { Digest } from '../oci/digest.ts'
import { isDigest } from '../oci/digest.ts'
import type { Stamp } from './stamp.ts'
import { STILL_AFTER_MS, readTiny, statFile } from './stamp.ts'

const MOST = 100_000

/**
 * Reads links. What a link held is kept under the state of its file (I2): a stat costs half of a read. A link that
 * changed just now is not kept, since it could change again and keep its stamp.
 */
export class LinkReader {
  readonly #clock: () => number
  readonly #known = new Map<string, { readonly stamp: Stamp; readonly digest: Digest }>()

  constructor(clock: () => number) {
    this.#clock = clock
  }

  /** The digest that the link at `path` holds; undefined when it is missing, torn or no digest. */
  read(path: string): Digest | undefined {
    const facts = statFile(path)
    if (facts === undefined) return undefined
    const known = this.#known.get(path)
    if (known?.stamp === facts.stamp) return known.digest
    const text = readTiny(path)
    if (text === undefined || !isDigest(text)) return undefined
    if (this.#clock() - facts.changedAt >= STILL_AFTER_MS) {
      if (this.#known.size >= MOST) this.#known.clear()
      this.#known.set(path, { stamp: facts.stamp, digest: text })
    }
    return text
  }
}
