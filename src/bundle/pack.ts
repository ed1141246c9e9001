// Which blob goes into which part. Pure: sizes in, parts out (docs/formats/bundle.md, "Parts and slices").
import { Problem } from '../config/problem.ts'
import type { Digest } from '../oci/digest.ts'
import { blobName, sliceName } from './entry-name.ts'
import { MOST_PARTS } from './index-file.ts'
import { BLOCK, headerSize, padSize } from './tar-header.ts'

export interface Packed {
  readonly digest: Digest
  readonly size: number
  readonly part: number
  /** Sizes of the slices, of which the first is in `part` and each other in the next one. */
  readonly slices?: readonly number[]
}

export interface PackedParts {
  readonly blobs: readonly Packed[]
  readonly parts: number
}

export interface PackLimits {
  /** Bytes of the blobs' entries that a part holds; Infinity for one part. */
  readonly capacity: number
  /** Bytes of all that is in the last part alone. */
  readonly tail: number
  /** What may not be cut. */
  readonly uncut: ReadonlySet<Digest>
}

/** Packs the blobs in their order. Throws a Problem (wrong usage) when a part is too small for that. */
export function packBlobs(
  blobs: readonly { readonly digest: Digest; readonly size: number }[],
  { capacity, tail, uncut }: PackLimits,
): PackedParts {
  const packed: Packed[] = []
  let part = 1
  let used = 0
  const next = (): void => {
    if (used === 0) return
    part += 1
    used = 0
  }
  for (const { digest, size } of blobs) {
    const need = headerSize(blobName(digest)) + padSize(size)
    if (used + need > capacity) next()
    if (need <= capacity) {
      packed.push({ digest, size, part })
      used += need
      continue
    }
    const head = headerSize(sliceName(digest, 1, MOST_PARTS))
    const largest = Math.floor((capacity - head) / BLOCK) * BLOCK
    if (uncut.has(digest) || largest < BLOCK) throw tooSmall(`the manifest ${digest} alone does not fit into one`)
    const slices: number[] = []
    for (let left = size; left > 0; left -= largest) slices.push(Math.min(largest, left))
    packed.push({ digest, size, part, slices })
    part += slices.length - 1
    used = head + padSize(slices.at(-1) ?? 0)
  }
  if (used + tail > capacity) next()
  if (part > MOST_PARTS) throw tooSmall(`there would be ${part} of them, and at most ${MOST_PARTS} can be`)
  return { blobs: packed, parts: part }
}

/** The problem of `--part-size`. */
export function tooSmall(why: string): Problem {
  return new Problem(`the parts are too small: ${why}`, { hint: 'take larger ones: --part-size 4GB', exitCode: 2 })
}
