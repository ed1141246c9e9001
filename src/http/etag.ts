// If-None-Match with digests as entity tags (RFC 9110 section 13.1.2). distribution also takes the bare
// digest, without quotes.
export function matchesEtag(header: string | undefined, digest: string): boolean {
  if (header === undefined) return false
  return header
    .split(',')
    .map((tag) => tag.trim().replace(/^W\//, '').replaceAll('"', ''))
    .some((tag) => tag === digest || tag === '*')
}
