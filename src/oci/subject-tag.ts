// Tags that are named after another manifest, `sha256-<hex>` with or without an ending such as `.sig`: how signatures
// and other referrers lie in a registry that has no referrers API.
import type { Digest } from './digest.ts'
import { algorithmOf, hexOf } from './digest.ts'

/** distribution-spec "Referrers Tag Schema": a longer digest is cut to 64 digits. cosign adds an ending. */
const GRAMMAR = /^(sha(?:256|512)-[0-9a-f]{64})(?:\.[\w.-]+)?$/

/** The beginning of the tags that are about `digest`. */
export function subjectTagOf(digest: Digest): string {
  return `${algorithmOf(digest)}-${hexOf(digest).slice(0, 64)}`
}

/** What `subjectTagOf` gives for the digest that the tag is about; undefined for any other tag. */
export function readSubjectTag(tag: string): string | undefined {
  return GRAMMAR.exec(tag)?.[1]
}
