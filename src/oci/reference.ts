// A reference is a tag or a digest, nothing else (distribution-spec "Pulling manifests").
import type { Digest } from './digest.ts'
import { parseDigest } from './digest.ts'
import { registryError } from './errors.ts'

export type Tag = string & { readonly __brand: 'Tag' }

export type Reference =
  | { readonly kind: 'tag'; readonly tag: Tag }
  | { readonly kind: 'digest'; readonly digest: Digest }

const GRAMMAR = /^[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}$/

export function isTag(text: string): text is Tag {
  return GRAMMAR.test(text)
}

/** Takes text from outside; throws TAG_INVALID unless it is a tag of at most 128 characters. */
export function parseTag(text: string): Tag {
  if (isTag(text)) return text
  throw registryError('TAG_INVALID', {
    message: 'invalid tag: use up to 128 letters, digits, "_", "." and "-", not beginning with "." or "-"',
  })
}

/** Anything with a colon means a digest: no tag can hold one. Throws DIGEST_INVALID or TAG_INVALID. */
export function parseReference(text: string): Reference {
  return text.includes(':') ? { kind: 'digest', digest: parseDigest(text) } : { kind: 'tag', tag: parseTag(text) }
}
