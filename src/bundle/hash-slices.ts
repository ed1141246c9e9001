// The digests of the slices of a blob that is larger than a part: the index names them, so they must be known first.
import { createHash } from 'node:crypto'
import type { Digest } from '../oci/digest.ts'
import { parseDigest } from '../oci/digest.ts'
import type { Layout } from '../storage/layout.ts'
import { OpenSource } from './open-source.ts'
import type { SliceDigests } from './plan.ts'

const PIECE = 1024 * 1024

/** Makes what reads a blob of this data directory once. It throws a Problem when the bytes are wrong or gone. */
export function sliceDigestsOf(layout: Layout): SliceDigests {
  return async (blob, sizes) => {
    const opened = await OpenSource.open(layout, blob)
    const buffer = Buffer.allocUnsafeSlow(PIECE)
    const digests: Digest[] = []
    try {
      for (const size of sizes) {
        const hash = createHash('sha256')
        for (let left = size; left > 0;) {
          const bytes = await opened.read(buffer.subarray(0, left))
          hash.update(buffer.subarray(0, bytes))
          left -= bytes
        }
        digests.push(parseDigest(`sha256:${hash.digest('hex')}`))
      }
    } catch (error) {
      await opened.close()
      throw error
    }
    await opened.finish()
    return digests
  }
}
