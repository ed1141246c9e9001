// A link is a file whose whole content is a digest. Other programs may have left it empty or torn after a
// crash: such a link is not there, and never an error (distribution answers 500 to it).
import type { Digest } from '../oci/digest.ts'
import { isDigest } from '../oci/digest.ts'
import { readTiny } from './stamp.ts'

/** The digest that the link at `path` holds; undefined when it is missing, torn or no digest. */
export function readLink(path: string): Digest | undefined {
  const text = readTiny(path)
  return text !== undefined && isDigest(text) ? text : undefined
}
